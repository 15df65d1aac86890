//! The handles of metrics: looked up once, so that counting costs an addition.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use metrics::{Counter, Histogram, counter, gauge, histogram};
use rapidhash::fast::RapidHasher;
use tokio::time::Instant;

use crate::meta::AttemptPhase;
use crate::metrics::table;

/// Handles by what they are about. Few are added, and then each attempt looks one up. The names stand in the code, so none is made to
/// collide.
struct Known<V>(RwLock<HashMap<Box<str>, Arc<V>, BuildHasherDefault<RapidHasher<'static>>>>);

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<V> Known<V> {
    fn with<T>(&self, name: &str, make: impl FnOnce() -> V, then: impl FnOnce(&Arc<V>) -> T) -> T {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(value) = known.get(name) {
            return then(value);
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        then(known.entry(name.into()).or_insert_with(|| Arc::new(make())))
    }
}

/// The phases of attempts, as labels.
const PHASES: [&str; 4] = ["forward", "settling", "resolving", "compensating"];

fn phase_index(phase: AttemptPhase) -> usize {
    match phase {
        AttemptPhase::Forward => 0,
        AttemptPhase::Settling => 1,
        AttemptPhase::Resolving => 2,
        AttemptPhase::Compensating => 3,
    }
}

/// The outcomes of attempts, as labels.
const OUTCOMES: [&str; 4] = ["done", "refused", "in_doubt", "failed"];

/// The metrics of attempts, by step. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct AttemptMeters(Arc<Known<StepHandles>>);

impl fmt::Debug for AttemptMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttemptMeters").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct StepHandles {
    attempts: [[OnceLock<Histogram>; OUTCOMES.len()]; PHASES.len()],
    back_offs: [OnceLock<Counter>; PHASES.len()],
    permits: OnceLock<Histogram>,
}

/// The name of a step without the called sagas that stand before it, with the numbers of their calls.
fn own_name(step: &str) -> &str {
    // Most names are so short that a plain loop is faster than a search by words.
    match step.bytes().rposition(|byte| byte == b'/') {
        Some(slash) => &step[slash + 1..],
        None => step,
    }
}

impl AttemptMeters {
    fn with(&self, step: &str, then: impl FnOnce(&StepHandles)) {
        self.0
            .with(step, StepHandles::default, |handles| then(handles));
    }

    /// Makes an attempt, and notes how long it took and how it ended.
    pub(crate) async fn time<T>(
        &self,
        step: &str,
        phase: AttemptPhase,
        attempt: impl Future<Output = T>,
        outcome: impl FnOnce(&T) -> &'static str,
    ) -> T {
        let begun = Instant::now();
        let ended = attempt.await;
        self.attempted(own_name(step), phase, outcome(&ended), begun.elapsed());
        ended
    }

    fn attempted(
        &self,
        step: &str,
        phase: AttemptPhase,
        outcome: &'static str,
        duration: Duration,
    ) {
        let phase = phase_index(phase);
        let Some(index) = OUTCOMES.iter().position(|one| *one == outcome) else {
            return;
        };
        self.with(step, |handles| {
            let attempts = handles.attempts[phase][index].get_or_init(|| {
                let step = step.to_owned();
                histogram!(table::ATTEMPTS, "step" => step, "phase" => PHASES[phase], "outcome" => outcome)
            });
            attempts.record(duration);
        });
    }

    /// Notes that a step waits before another attempt.
    pub(crate) fn backs_off(&self, step: &str, phase: AttemptPhase) {
        let (step, phase) = (own_name(step), phase_index(phase));
        self.with(step, |handles| {
            let back_offs = handles.back_offs[phase].get_or_init(
                || counter!(table::BACK_OFFS, "step" => step.to_owned(), "phase" => PHASES[phase]),
            );
            back_offs.increment(1);
        });
    }

    /// Waits for a permit of a step that has a limit, and notes for how long.
    pub(crate) async fn time_permit<T>(&self, step: &str, waiting: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let ended = waiting.await;
        self.with(step, |handles| {
            let permits = handles
                .permits
                .get_or_init(|| histogram!(table::PERMIT, "step" => step.to_owned()));
            permits.record(begun.elapsed());
        });
        ended
    }
}

/// The metrics of sagas, by definition.
#[derive(Default)]
pub(crate) struct SagaHandles(Known<OneSaga>);

impl SagaHandles {
    pub(crate) fn of(&self, saga: &str) -> Arc<OneSaga> {
        self.0.with(saga, || OneSaga::new(saga), Arc::clone)
    }
}

/// The final states of sagas.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FinalState {
    Completed,
    Compensated,
    Abandoned,
}

impl FinalState {
    const NAMES: [&'static str; 3] = ["completed", "compensated", "abandoned"];
}

/// The metrics of the sagas of one definition.
pub(crate) struct OneSaga {
    name: String,
    pub(crate) started: Counter,
    pub(crate) compensating: Counter,
    pub(crate) claims: Counter,
    pub(crate) takeovers: Counter,
    pub(crate) fenced: Counter,
    pub(crate) set_aside: Counter,
    ended: [OnceLock<(Counter, Histogram)>; 3],
}

impl OneSaga {
    fn new(saga: &str) -> Self {
        let counter = |name: &'static str| counter!(name, "saga" => saga.to_owned());
        Self {
            name: saga.to_owned(),
            started: counter(table::STARTED),
            compensating: counter(table::COMPENSATING),
            claims: counter(table::CLAIMS),
            takeovers: counter(table::TAKEOVERS),
            fenced: counter(table::FENCED),
            set_aside: counter(table::SET_ASIDE),
            ended: Default::default(),
        }
    }

    pub(crate) fn ended(&self, end: FinalState, after: Duration) {
        let (ended, duration) = self.ended[end as usize].get_or_init(|| {
            let state = FinalState::NAMES[end as usize];
            let saga = || self.name.clone();
            let ended = counter!(table::ENDED, "saga" => saga(), "state" => state);
            (
                ended,
                histogram!(table::DURATION, "saga" => saga(), "state" => state),
            )
        });
        ended.increment(1);
        duration.record(after);
    }

    /// A saga is stuck. Its code is one of the library's own.
    pub(crate) fn stuck(&self, code: &str) {
        counter!(table::STUCK, "saga" => self.name.clone(), "code" => code.to_owned()).increment(1);
    }
}

/// The operations of a journal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum JournalCall {
    Start,
    Append,
    Release,
    Claim,
    Renew,
}

/// So many calls of a journal are counted for one that is timed.
const TIMED: u32 = 16;

/// The metrics of a journal.
pub(crate) struct JournalHandles {
    calls: [(Histogram, Counter); 5],
    commits: Counter,
    calls_made: AtomicU32,
}

impl JournalHandles {
    pub(crate) fn new() -> Self {
        let calls = ["start", "append", "release", "claim", "renew"].map(|operation| {
            (
                histogram!(table::JOURNAL, "operation" => operation),
                counter!(table::ERRORS, "operation" => operation),
            )
        });
        Self {
            calls,
            commits: counter!(table::COMMITS),
            calls_made: AtomicU32::new(0),
        }
    }

    /// The time, for one call in 16.
    pub(crate) fn begin(&self) -> Option<Instant> {
        let made = self.calls_made.fetch_add(1, Ordering::Relaxed);
        made.is_multiple_of(TIMED).then(Instant::now)
    }

    pub(crate) fn called(&self, call: JournalCall, begun: Option<Instant>, is_error: bool) {
        let (duration, errors) = &self.calls[call as usize];
        if let Some(begun) = begun {
            duration.record(begun.elapsed());
        }
        if is_error {
            errors.increment(1);
        }
    }

    pub(crate) fn committed(&self, commits: u64) {
        self.commits.absolute(commits);
    }
}

/// The gauges of what is in the journal and in the process.
#[derive(Debug, Default)]
pub(crate) struct OpenHandles {
    /// The label values that a gauge has had: one that is gone is 0.
    seen: BTreeSet<(String, &'static str)>,
    paused: BTreeSet<String>,
    stuck: BTreeSet<(String, String)>,
}

/// The number of open sagas of a definition in a state, and the age of the oldest in seconds.
pub(crate) type OpenSagas = (String, &'static str, u64, f64);

impl OpenHandles {
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub(crate) fn open(&mut self, open: impl IntoIterator<Item = OpenSagas>) {
        let mut gone = self.seen.clone();
        for (saga, state, sagas, oldest) in open {
            let key = (saga.clone(), state);
            gone.remove(&key);
            self.seen.insert(key);
            set(&saga, state, sagas as f64, oldest);
        }
        for (saga, state) in gone {
            set(&saga, state, 0.0, 0.0);
        }
    }

    /// The stuck sagas, by definition and code. The codes are the library's own.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub(crate) fn stuck(&mut self, stuck: impl IntoIterator<Item = (String, String, u64)>) {
        let set = |saga: String, code: String, sagas: f64| {
            gauge!(table::OPEN_STUCK, "saga" => saga, "code" => code).set(sagas);
        };
        let mut gone = self.stuck.clone();
        for (saga, code, sagas) in stuck {
            let key = (saga.clone(), code.clone());
            gone.remove(&key);
            self.stuck.insert(key);
            set(saga, code, sagas as f64);
        }
        for (saga, code) in gone {
            set(saga, code, 0.0);
        }
    }

    pub(crate) fn paused(&mut self, paused: impl IntoIterator<Item = String>) {
        let paused: BTreeSet<String> = paused.into_iter().collect();
        for (names, value) in [(&self.paused - &paused, 0.0), (paused.clone(), 1.0)] {
            for saga in names {
                gauge!(table::PAUSED, "saga" => saga).set(value);
            }
        }
        self.paused = &self.paused | &paused;
    }

    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub(crate) fn slots(all: usize, used: usize) {
        gauge!(table::SLOTS).set(all as f64);
        gauge!(table::SLOTS_USED).set(used as f64);
    }
}

fn set(saga: &str, state: &'static str, sagas: f64, oldest: f64) {
    gauge!(table::OPEN, "saga" => saga.to_owned(), "state" => state).set(sagas);
    gauge!(table::OLDEST, "saga" => saga.to_owned(), "state" => state).set(oldest);
}
