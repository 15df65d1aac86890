//! The failure matrix: every fault of every call of a saga, run in a moment.

mod case;
mod injector;
mod report;
mod run;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engines::journaled::faults::{Fault, Moment};
use crate::journal::{Entry, Event, State};
use crate::language::{EventName, Step};
use crate::meta::Kind;
use crate::panic::caught;
use crate::run::Saga;
use case::{Case, FAULTS, Target, UNDOING_FAULTS, When};
use run::{Ran, Rehearsal};

pub use report::MatrixReport;

/// The variable that names the one case to report.
const CASE: &str = "SAGA_CASE";

type Invariants<S> = Vec<Box<dyn Fn(&S, &CaseEnd) -> Result<(), String>>>;

/// Runs a saga through every failure that its definition allows.
///
/// ```
/// # use saga_runtime::testing::Script;
/// # use saga_runtime::{Context, saga, step};
/// # #[step(compensate = cancel_order)] async fn create_order(cx: Context<'_, Script>) -> Result<u64, String> { cx.ask("order", cx.idempotency_key(), 17).await }
/// # async fn cancel_order(cx: Context<'_, Script>, _: &u64) -> Result<(), String> { cx.undo("cancel", cx.idempotency_key(), &cx.action_key()).await }
/// # #[step(pivot)] async fn ship(cx: Context<'_, Script>, _: u64) -> Result<(), String> { cx.ask("ship", cx.idempotency_key(), ()).await }
/// # saga!(async fn place_order(cx: Context<'_, Script>) -> Result<u64, String> {
/// #     let order = create_order(cx).await?;
/// #     ship(cx, order).await?;
/// #     Ok(order)
/// # });
/// use saga_runtime::testing::FailureMatrix;
///
/// // In a `#[test]`:
/// FailureMatrix::new(Script::new, || PlaceOrder {})
///     .invariant("all or nothing", |shop, end| {
///         shop.effects().len() == if end.is_completed() { 2 } else { 0 }
///     })
///     .check();
/// ```
///
/// For the first, the last and a middle call of each step, the step is refused; gets no answer, before or after its effect;
/// panics, before or after its effect; its process ends, before the request or after the effect; the saga is cancelled or its
/// deadline passes meanwhile; the request arrives twice. Each of these is combined with each compensation that follows: refused
/// once, refused for good, its process ends, asked twice. A process that ends, ends again in the recovery. A step that
/// was done in a strange way is undone, too: a later step refuses.
///
/// The engine injects the faults: the code of the steps runs as it is. Each case has fresh services, a journal in memory and
/// tokio's paused time.
///
/// # Checks
/// Of each case, without a word of yours: the saga ends, completed, compensated or stuck; it is stuck only where a compensation
/// is refused for good; if it is compensated, each step that was done is undone; later steps are undone before earlier ones;
/// keys are stable and unique; an answer under one key stays the same; nothing is asked whose outcome is recorded, nor after the
/// end; and a replay of the history takes the same way and asks for nothing.
///
/// A case that fails is a paragraph with its story, and with the line that runs this case alone.
#[must_use = "nothing runs until `check` is called"]
pub struct FailureMatrix<G: Saga> {
    saga: Box<dyn Fn() -> G>,
    services: Box<dyn Fn() -> Arc<G::Services>>,
    invariants: Invariants<G::Services>,
    refusals: BTreeMap<&'static str, String>,
    events: Vec<(&'static str, serde_json::Value)>,
    left_out: BTreeMap<String, &'static str>,
    document: Option<PathBuf>,
}

impl<G: Saga> fmt::Debug for FailureMatrix<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureMatrix")
            .field("saga", &G::META.name)
            .finish_non_exhaustive()
    }
}

/// The end of one case, for an invariant.
#[derive(Debug, Clone)]
pub struct CaseEnd {
    case: String,
    state: State,
    undone: Vec<String>,
}

impl CaseEnd {
    fn new(case: String, state: State, entries: &[Entry]) -> Self {
        let undone = entries.iter().filter_map(|entry| match &entry.event {
            Event::CompensationDone { step, .. } => Some(step.to_string()),
            _ => None,
        });
        Self {
            case,
            state,
            undone: undone.collect(),
        }
    }

    /// The name of the case, such as `charge: timed out after its effect`.
    #[must_use]
    pub fn case(&self) -> &str {
        &self.case
    }

    /// The state of the saga.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns true if the saga has completed.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.state == State::Completed
    }

    /// Returns true if the saga has failed and is compensated.
    #[must_use]
    pub fn is_compensated(&self) -> bool {
        self.state == State::Compensated
    }

    /// Returns true if the saga is stuck.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.state == State::Stuck
    }

    /// The calls that are compensated, in the order in which they were.
    #[must_use]
    pub fn undone(&self) -> &[String] {
        &self.undone
    }
}

/// The result of an invariant: `()` after assertions, `true`, or `Ok`.
pub trait Holds {
    /// Returns the problem, if it does not hold.
    ///
    /// # Errors
    /// The problem.
    fn holds(self) -> Result<(), String>;
}

impl Holds for () {
    fn holds(self) -> Result<(), String> {
        Ok(())
    }
}

impl Holds for bool {
    fn holds(self) -> Result<(), String> {
        if self { Ok(()) } else { Err(String::new()) }
    }
}

impl<E: fmt::Display> Holds for Result<(), E> {
    fn holds(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

impl<G> FailureMatrix<G>
where
    G: Saga + Serialize + DeserializeOwned,
    G::Services: Send + Sync + 'static,
{
    /// Creates the matrix of a saga: fresh services for each case, and the saga with its input.
    pub fn new<V: Into<Arc<G::Services>>>(
        services: impl Fn() -> V + 'static,
        saga: impl Fn() -> G + 'static,
    ) -> Self {
        Self {
            saga: Box::new(saga),
            services: Box::new(move || services().into()),
            invariants: Vec::new(),
            refusals: BTreeMap::new(),
            events: Vec::new(),
            left_out: BTreeMap::new(),
            document: None,
        }
    }

    /// Adds a condition that holds at the end of each case that completes or is compensated. It returns `bool` or a `Result`, or
    /// asserts. `name` stands in the report.
    pub fn invariant<H: Holds>(
        mut self,
        name: &'static str,
        holds: impl Fn(&G::Services, &CaseEnd) -> H + 'static,
    ) -> Self {
        self.invariants.push(Box::new(move |services, end| {
            let held = caught(|| holds(services, end).holds());
            let problem = match held {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(problem)) | Err(problem) => problem,
            };
            Err(if problem.is_empty() {
                name.to_owned()
            } else {
                format!("{name}: {problem}")
            })
        }));
        self
    }

    /// Sets the error with which a step refuses. It is needed where the body handles the error: the body has to get one.
    ///
    /// # Panics
    /// If the error can't be serialized.
    pub fn refusal<P: Step>(mut self, error: &P::Error) -> Self
    where
        P::Error: Serialize,
    {
        let json = serde_json::to_string(error);
        let json = json.unwrap_or_else(|error| {
            panic!(
                "the error of `{}` can't be serialized: {error}",
                P::META.name
            )
        });
        self.refusals.insert(P::META.name, json);
        self
    }

    /// Sends an event to the saga as soon as it has started.
    ///
    /// # Panics
    /// If the value can't be serialized.
    pub fn event<T: Serialize>(mut self, event: EventName<T>, value: &T) -> Self {
        let json = serde_json::to_value(value);
        let json = json.unwrap_or_else(|error| {
            panic!(
                "the value of `{}` can't be serialized: {error}",
                event.name()
            )
        });
        self.events.push((event.name(), json));
        self
    }

    /// Leaves out the faults of a step, or of a compensation, with the reason, which stands in the report.
    pub fn leave_out(mut self, function: &str, reason: &'static str) -> Self {
        self.left_out.insert(function.to_owned(), reason);
        self
    }

    /// Compares the matrix as a Markdown table with this file, whose path begins at the package. With `SAGA_UPDATE=1` the file is
    /// written instead, and an HTML table beside it.
    pub fn document(self, path: impl Into<PathBuf>) -> Self {
        Self {
            document: Some(path.into()),
            ..self
        }
    }

    /// Runs all cases and prints their number. If the variable `SAGA_CASE` names one, it reports this one, and compares no document.
    ///
    /// # Panics
    /// If a case fails, with a paragraph for each kind of failure; if the document differs; if `SAGA_CASE` names no case; or inside
    /// of a tokio runtime: use `#[test]`.
    pub fn check(self) {
        let document = self.document.clone();
        let report = self.run();
        println!("{}", report.summary());
        assert!(report.is_ok(), "{report}");
        if let (Some(path), None) = (document, only()) {
            table::compare(&path, &report);
        }
    }

    /// Runs all cases. If the variable `SAGA_CASE` names one, the report has this one.
    ///
    /// # Panics
    /// If `SAGA_CASE` names no case, or inside of a tokio runtime: use `#[test]`.
    pub fn run(self) -> MatrixReport {
        let subject = Rehearsal {
            saga: &*self.saga,
            services: &*self.services,
            invariants: &self.invariants,
            refusals: &self.refusals,
            events: &self.events,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        let runtime = runtime.expect("a runtime without I/O needs nothing");
        let mut run = |case: Case| runtime.block_on(subject.run(case));
        let has_deadline = G::META.deadline.is_some();
        let mut matrix = Matrix {
            run: &mut run,
            left_out: &self.left_out,
            has_deadline,
            ran: Vec::new(),
            seen: BTreeSet::new(),
        };
        matrix.run_all();
        let mut ran = matrix.ran;
        if let Some(only) = only() {
            ran.retain(|ran| ran.case.to_string() == only);
            assert!(
                !ran.is_empty(),
                "{CASE} names no case of `{}`: {only}",
                G::META.name
            );
        }
        MatrixReport::new(G::META.name, ran, self.left_out)
    }
}

/// The one case to report, if one is named.
fn only() -> Option<String> {
    std::env::var(CASE).ok()
}

/// The cases of a matrix, without the types of its saga.
struct Matrix<'a> {
    run: &'a mut dyn FnMut(Case) -> Ran,
    left_out: &'a BTreeMap<String, &'static str>,
    has_deadline: bool,
    ran: Vec<Ran>,
    seen: BTreeSet<String>,
}

/// The calls of a case that faults are injected into.
struct CaseCalls {
    steps: Vec<(Target, Kind)>,
    undoing: Vec<Target>,
}

impl Matrix<'_> {
    fn run_all(&mut self) {
        let Some(plain) = self.case(Case::default()) else {
            return;
        };
        let mut others = Vec::new();
        for (target, kind) in &plain.steps {
            self.faults_of(&Case::default(), (target, *kind), &plain, &mut others);
        }
        // The steps of other branches, which the body takes after a refusal.
        for (case, (target, kind)) in others {
            self.faults_of(&case, (&target, kind), &plain, &mut Vec::new());
        }
    }

    /// Runs the case with each fault of this step.
    fn faults_of(
        &mut self,
        case: &Case,
        (target, kind): (&Target, Kind),
        plain: &CaseCalls,
        others: &mut Vec<(Case, (Target, Kind))>,
    ) {
        let position = plain.steps.iter().position(|(known, _)| known == target);
        let mut later = plain.steps.iter().skip(position.map_or(0, |at| at + 1));
        let last = later.rfind(|(_, kind)| *kind != Kind::Retriable);
        for fault in FAULTS {
            // After the pivot no deadline holds.
            let can_be_late = self.has_deadline && kind != Kind::Retriable;
            if fault == Fault::Deadline && !can_be_late {
                continue;
            }
            let with = case.with(target, fault, When::First);
            let Some(calls) = self.case(with.clone()) else {
                continue;
            };
            if fault == Fault::Refused && kind != Kind::Retriable {
                let new = calls
                    .steps
                    .iter()
                    .filter(|(step, _)| !plain.steps.iter().any(|(known, _)| known == step));
                others.extend(new.map(|new| (with.clone(), new.clone())));
            }
            self.undoing_faults(&with, &calls.undoing);
            if let Fault::Crash(_) = fault {
                self.case(with.with(target, Fault::Crash(Moment::After), When::Second));
            }
            if let (true, Some((last, _))) = (calls.undoing.is_empty(), last) {
                let then = with.with(last, Fault::Refused, When::First);
                if let Some(calls) = self.case(then.clone()) {
                    let own = calls.undoing.iter().filter(|undone| {
                        undone.call == target.call && undone.occurrence == target.occurrence
                    });
                    let own: Vec<_> = own.cloned().collect();
                    self.undoing_faults(&then, &own);
                }
            }
        }
    }

    /// Runs the case with each fault of each of these compensations.
    fn undoing_faults(&mut self, case: &Case, undoing: &[Target]) {
        for target in undoing {
            for (fault, when) in UNDOING_FAULTS {
                self.case(case.with(target, fault, when));
            }
        }
    }

    /// Runs one case. Returns its calls; of many calls of one step the first, the last and one between. `None` if the case was
    /// run before or is left out.
    fn case(&mut self, case: Case) -> Option<CaseCalls> {
        let is_left_out = case
            .0
            .iter()
            .any(|planned| self.left_out.contains_key(&planned.target.function));
        if is_left_out || !self.seen.insert(format!("{case:?}")) {
            return None;
        }
        let ran = (self.run)(case);
        let calls = CaseCalls {
            steps: chosen(ran.targets.iter().filter(|(target, _)| !target.is_undoing)),
            undoing: chosen(ran.targets.iter().filter(|(target, _)| target.is_undoing))
                .into_iter()
                .map(|(target, _)| target)
                .collect(),
        };
        self.ran.push(ran);
        Some(calls)
    }
}

/// Of many calls of one step the first, the last and one between.
fn chosen<'t>(targets: impl Iterator<Item = &'t (Target, Kind)>) -> Vec<(Target, Kind)> {
    let targets: Vec<_> = targets.collect();
    let mut chosen = Vec::new();
    for (number, (target, kind)) in targets.iter().enumerate() {
        let same = |(_, (other, _)): &(usize, &&(Target, Kind))| other.call == target.call;
        let same: Vec<_> = targets.iter().enumerate().filter(same).collect();
        let among = [0, same.len() / 2, same.len() - 1];
        if among.iter().any(|at| same[*at].0 == number) {
            chosen.push((target.clone(), *kind));
        }
    }
    chosen
}
