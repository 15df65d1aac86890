//! The failure matrix: every fault of every call of a saga, run in a moment.

mod case;
mod injector;
mod plan;
mod report;
mod run;
mod table;
mod watched;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::journal::{Entry, Event, State};
use crate::language::{EventName, Step, StepFunction};
use crate::panic::{caught, message};
use crate::run::Saga;
use case::Case;
use plan::CasePlan;
use run::Rehearsal;
use world::Values;

pub use report::MatrixReport;

/// The variable that names the one case to report.
const CASE: &str = "SAGA_CASE";

type Invariant<S> =
    Box<dyn for<'a> Fn(&'a S, &'a CaseEnd) -> LocalBoxFuture<'a, Result<(), String>>>;

type Invariants<S> = Vec<Invariant<S>>;

/// The error of the step whose function is `F`.
type RefusalOf<F, I> = <<F as StepFunction<I>>::Step as Step>::Error;

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
/// panics, before or after its effect; its process ends, before the request, after the effect or after the record; the saga is
/// cancelled or its deadline passes meanwhile; the request arrives twice. An event that the saga waits for arrives before that,
/// twice, not at all, or with another type; the process ends while the saga waits; the saga is cancelled meanwhile. Each of these is combined with each compensation that follows: refused
/// once, refused for good, its process ends, asked twice. A process that ends, ends again in the recovery. A step that
/// was done in a strange way is undone, too: a later step refuses. A part whose failure the body handles has the same cases: its
/// compensations have faults as well.
///
/// The engine injects the faults: the code of the steps runs as it is. Each case has fresh services, a journal in memory and
/// tokio's paused time: waits, backoffs and deadlines take no time. While the code of a step itself waits, for a database or over a
/// connection, time passes as everywhere. The attempts of a group take turns, so that a case is the same each time.
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
    services: Box<dyn Fn() -> LocalBoxFuture<'static, Arc<G::Services>>>,
    invariants: Invariants<G::Services>,
    refusals: BTreeMap<&'static str, String>,
    values: Values,
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
    pub fn new<V: Into<Arc<G::Services>> + 'static>(
        services: impl Fn() -> V + 'static,
        saga: impl Fn() -> G + 'static,
    ) -> Self {
        Self::new_async(
            move || {
                let services = services();
                async move { services }
            },
            saga,
        )
    }

    /// Creates the matrix of a saga whose services are made by a future, such as connections to databases.
    pub fn new_async<V: Into<Arc<G::Services>>, F: Future<Output = V> + 'static>(
        services: impl Fn() -> F + 'static,
        saga: impl Fn() -> G + 'static,
    ) -> Self {
        Self {
            saga: Box::new(saga),
            services: Box::new(move || {
                let services = services();
                Box::pin(async move { services.await.into() })
            }),
            invariants: Vec::new(),
            refusals: BTreeMap::new(),
            values: Values::default(),
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
            let held = held.unwrap_or_else(Err).map_err(named(name));
            Box::pin(std::future::ready(held))
        }));
        self
    }

    /// Adds a condition, like [`invariant`](Self::invariant), that asks the services.
    pub fn invariant_async<H: Holds>(
        mut self,
        name: &'static str,
        holds: impl AsyncFn(&G::Services, &CaseEnd) -> H + 'static,
    ) -> Self {
        let holds = Rc::new(holds);
        self.invariants.push(Box::new(move |services, end| {
            let holds = Rc::clone(&holds);
            Box::pin(async move {
                let held = AssertUnwindSafe(holds(services, end)).catch_unwind();
                let held = held.await.map_err(message);
                let held = held.and_then(|held| caught(|| held.holds()).unwrap_or_else(Err));
                held.map_err(named(name))
            })
        }));
        self
    }

    /// Sets the error with which a step refuses. It is needed where the body handles the error, or the failure of a saga or a group
    /// with the step in it: the body has to get one. Without it, a step whose error is not a text fails without an error, and the
    /// saga around a called one does not take its `Err` arm.
    ///
    /// # Panics
    /// If the error can't be serialized.
    pub fn refusal<I, F: StepFunction<I>>(mut self, step: F, error: &RefusalOf<F, I>) -> Self
    where
        RefusalOf<F, I>: Serialize,
    {
        let step = step.meta().name;
        let json = serde_json::to_string(error);
        let json = json
            .unwrap_or_else(|error| panic!("the error of `{step}` can't be serialized: {error}"));
        self.refusals.insert(step, json);
        self
    }

    /// Gives the value of an event that the saga waits for. It arrives when the saga has begun to wait. Called again for the same
    /// event, it gives the value for the next wait; the last value holds for all that follow. To waits for the first of several
    /// events, the values of the first event arrive, then those of the second. So a loop that ends with the second one ends. A saga
    /// that waits once gets the first one that has a value here: a second matrix, with the value of another one, tries that.
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
        self.values.add(event.name(), json);
        self
    }

    /// Leaves out the faults of a step, of a compensation, or of the wait for an event (`event approved`), with the reason, which
    /// stands in the report.
    pub fn leave_out(mut self, function: &str, reason: &'static str) -> Self {
        self.left_out.insert(function.to_owned(), reason);
        self
    }

    /// Compares the matrix as a Markdown table with this file, whose path begins at the package. With `SAGA_UPDATE=1` the file is
    /// written instead, and an HTML table beside it.
    ///
    /// The matrix may be a part of a larger document, such as a README: then it stands between the lines `<!-- failures of NAME -->` and
    /// `<!-- end of failures -->`, where `NAME` is the saga's.
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
            values: &self.values,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        let runtime = runtime.expect("the system has room for a runtime");
        let mut run = |case: Case| runtime.block_on(subject.run(case));
        let has_deadline = G::META.deadline.is_some();
        let mut plan = CasePlan {
            run: &mut run,
            left_out: &self.left_out,
            has_deadline,
            ran: Vec::new(),
            seen: BTreeSet::new(),
        };
        plan.run_all();
        let mut ran = plan.ran;
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

/// The words for a broken invariant.
fn named(name: &'static str) -> impl Fn(String) -> String {
    move |problem| {
        if problem.is_empty() {
            name.to_owned()
        } else {
            format!("{name}: {problem}")
        }
    }
}

/// The one case to report, if one is named.
fn only() -> Option<String> {
    std::env::var(CASE).ok()
}
