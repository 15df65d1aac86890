//! One case: the saga runs through its processes to the end, and its history is replayed.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, LocalBoxFuture, select};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::coordinator::Coordinator;
use crate::engines::journaled::faults::Faults;
use crate::id::SagaId;
use crate::journal::{
    Entry, Event, Journal, Lease, Memory, NewSaga, Started, State, Wakeup, Worker,
};
use crate::language::is_same_json;
use crate::meta::{CompensationOrder, Kind, RetryPolicy};
use crate::panic::message;
use crate::run::Saga;
use crate::testing::matrix::case::{Case, Target};
use crate::testing::matrix::injector::Injector;
use crate::testing::matrix::watched::Watched;
use crate::testing::matrix::world::Values;
use crate::testing::matrix::{CaseEnd, Invariants};

/// The longest that a saga may take, by its own clock: enough for one that waits for months.
const LONGEST: Duration = Duration::from_hours(2 * 365 * 24);

/// The result of one case.
pub(super) struct Ran {
    pub(super) case: Case,
    pub(super) end: CaseEnd,
    pub(super) targets: Vec<(Target, Kind)>,
    pub(super) story: Vec<String>,
    pub(super) problems: Vec<String>,
    pub(super) left_out: Vec<String>,
    pub(super) is_endless: bool,
}

/// The saga under test, and the services of one case.
pub(super) struct Rehearsal<'a, G: Saga> {
    pub(super) saga: &'a dyn Fn() -> G,
    pub(super) services: &'a dyn Fn() -> LocalBoxFuture<'static, Arc<G::Services>>,
    pub(super) invariants: &'a Invariants<G::Services>,
    pub(super) refusals: &'a BTreeMap<&'static str, String>,
    pub(super) values: &'a Values,
}

/// A lease that needs no renewal: no other process claims a saga while its process lives.
const LEASE: Duration = Duration::from_hours(3 * 365 * 24);

/// The retries of what must succeed, where a step says nothing: few, since nothing mends a service of a test.
const RETRIES: RetryPolicy =
    RetryPolicy::attempts(5).backoff(Duration::from_secs(1), Duration::from_secs(10));

impl<G> Rehearsal<'_, G>
where
    G: Saga + Serialize + DeserializeOwned,
    G::Services: Send + Sync + 'static,
{
    /// Runs one case.
    pub(super) async fn run(&self, case: Case) -> Ran {
        let services = in_time((self.services)()).await;
        let journal = Memory::in_tokio_time();
        let id = SagaId::new("saga").expect("a valid id");
        let is_sequential = G::META.compensations == CompensationOrder::Sequential;
        let injector = Arc::new(Injector::new(
            case.clone(),
            id.clone(),
            journal.clone(),
            self.refusals.clone(),
            self.values.clone(),
            is_sequential,
        ));
        let mut is_first = true;
        while !self.process(&journal, &services, &injector, is_first).await {
            is_first = false;
        }
        let history = journal.load(&id).await.ok().flatten();
        let (state, entries, record) = match history {
            Some(history) => (
                history.record.state,
                history.entries.unwrap_or_default(),
                Some(history.record),
            ),
            None => (State::Running, Vec::new(), None),
        };
        let end = CaseEnd::new(case.to_string(), state, &entries);
        check_end(&case, &end, &injector, &entries);
        if let (Some(record), true) = (record, state.is_final()) {
            self.replay(record.saga, &entries, &services, &injector)
                .await;
        }
        if !end.is_stuck() {
            for invariant in self.invariants {
                let holds = AssertUnwindSafe(in_time(invariant(&services, &end)));
                let held = holds.catch_unwind().await;
                if let Err(broken) = held.unwrap_or_else(|panic| Err(message(panic))) {
                    injector
                        .heard()
                        .problem(format!("the invariant is broken: {broken}"));
                }
            }
        }
        let mut heard = injector.heard();
        Ran {
            case,
            end,
            targets: std::mem::take(&mut heard.targets),
            story: std::mem::take(&mut heard.story),
            problems: std::mem::take(&mut heard.problems),
            left_out: std::mem::take(&mut heard.left_out),
            is_endless: heard.is_endless,
        }
    }

    async fn start(
        &self,
        journal: impl Journal,
        services: &Arc<G::Services>,
        faults: Arc<dyn Faults>,
    ) -> Coordinator<G::Services> {
        let started = Coordinator::builder(Arc::clone(services))
            .journal(journal)
            .register::<G>()
            .compensation_retry(RETRIES)
            .retriable_retry(RETRIES)
            .lease(LEASE)
            .faults(faults)
            .start()
            .await;
        match started {
            Ok(coordinator) => coordinator,
            Err(error) => panic!("the saga can't run: {error}"),
        }
    }

    /// Runs one process. Returns false if it was killed.
    async fn process(
        &self,
        journal: &Memory,
        services: &Arc<G::Services>,
        injector: &Arc<Injector>,
        is_first: bool,
    ) -> bool {
        let faults = Arc::clone(injector) as Arc<dyn Faults>;
        let watched = Watched {
            memory: journal.clone(),
            injector: Arc::clone(injector),
        };
        let coordinator = self.start(watched, services, faults).await;
        let problem = |problem| injector.heard().problem(problem);
        let running = async {
            let handle = match coordinator.submit("saga", (self.saga)()).await {
                Ok(handle) => handle,
                Err(error) => panic!("the saga can't start: {error}"),
            };
            if is_first {
                for (name, value) in injector.early_events() {
                    if let Err(error) = coordinator.send_json("saga", &name, &value).await {
                        problem(format!("the event `{name}` can't be sent: {error}"));
                    }
                }
            }
            let ended = tokio::time::timeout(LONGEST, handle.wait());
            let acting = injector.world.act(&coordinator, problem);
            let (ended, acting) = (pin!(ended), pin!(acting));
            let ended = match select(ended, acting).await {
                Either::Left((ended, _)) => ended.is_ok(),
                Either::Right(_) => false,
            };
            if !ended {
                problem("the saga does not end within two years".to_owned());
            }
        };
        let ended = {
            // A process that has ended does nothing more.
            let (running, killed) = (pin!(running), pin!(injector.world.process_ended.notified()));
            matches!(select(killed, running).await, Either::Right(_))
        };
        if ended {
            coordinator.shutdown().await;
        } else {
            coordinator.crash().await;
            journal.end_leases();
        }
        ended
    }

    /// Replays the history without its end: the saga has to end in the same way, and may ask for nothing.
    async fn replay(
        &self,
        saga: NewSaga,
        entries: &[Entry],
        services: &Arc<G::Services>,
        injector: &Injector,
    ) {
        let Some((last, before)) = entries.split_last() else {
            return;
        };
        let journal = Memory::in_tokio_time();
        let id = saga.id.clone();
        if let Err(error) = record(&journal, saga, before).await {
            let problem = format!("its history can't be replayed: {error}");
            return injector.heard().problem(problem);
        }
        let replay = Arc::new(Injector::of_replay(id.clone(), journal.clone()));
        let faults = Arc::clone(&replay) as Arc<dyn Faults>;
        let coordinator = self.start(journal.clone(), services, faults).await;
        // What comes of it is compared below.
        if let Ok(handle) = coordinator.attach::<G>("saga").await {
            let _ = tokio::time::timeout(LONGEST, handle.wait()).await;
        }
        coordinator.shutdown().await;
        let history = journal.load(&id).await.ok().flatten();
        let mut heard = injector.heard();
        for problem in std::mem::take(&mut replay.heard().problems) {
            heard.problem(problem);
        }
        let again = history.and_then(|history| history.entries.unwrap_or_default().pop());
        let again = again.map(|entry| entry.event);
        match again {
            Some(event) if is_same(&event, &last.event) => {}
            Some(Event::Stuck { reason }) => heard.problem(format!(
                "its replay takes another way: {}. The body depends on something that is not recorded, such as the order of a `HashMap`, a clock or a random number",
                reason.message
            )),
            _ => heard.problem("its replay ends in another way".to_owned()),
        }
    }
}

/// Returns true if both ends say the same. The order of a map's keys does not count.
fn is_same(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::Completed { output: one }, Event::Completed { output: other }) => {
            is_same_json(one, other)
        }
        _ => one == other,
    }
}

/// Runs code of the user, in whose waits the time of the test does not jump.
async fn in_time<T>(code: impl Future<Output = T>) -> T {
    tokio::time::resume();
    let code = AssertUnwindSafe(code).catch_unwind().await;
    tokio::time::pause();
    code.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Records a saga with these entries, which no process runs.
async fn record(journal: &Memory, saga: NewSaga, entries: &[Entry]) -> Result<(), String> {
    let lease = Lease {
        worker: Worker::new("recorded"),
        duration: Duration::from_secs(1),
    };
    let started = journal.start(saga, Some(&lease)).await;
    let Started::New(Some(claim)) = started.map_err(|error| error.to_string())? else {
        return Err("there is a saga with this id".to_owned());
    };
    let events = entries.iter().map(|entry| entry.event.clone()).collect();
    let appended = journal.append(&claim, 1, events).await;
    appended.map_err(|error| error.to_string())?;
    let released = journal.release(&claim, false, Wakeup::Now).await;
    released.map_err(|error| error.to_string())
}

/// Checks the end of a case.
fn check_end(case: &Case, end: &CaseEnd, injector: &Injector, entries: &[Entry]) {
    let left = injector.left();
    let mut heard = injector.heard();
    match end.state() {
        State::Completed => {}
        State::Compensated => {
            for call in left {
                heard.problem(format!(
                    "the saga is compensated, but `{call}` was done and is not undone"
                ));
            }
        }
        State::Stuck => {
            let reason = entries.iter().rev().find_map(|entry| match &entry.event {
                Event::Stuck { reason } => Some(reason),
                _ => None,
            });
            let Some(reason) = reason else { return };
            if reason.code == "definition_changed" {
                heard.problem(format!(
                    "its body takes another way after a crash: {}. The body depends on something that is not recorded, such as the order of a `HashMap`, a clock or a random number",
                    reason.message
                ));
            } else if !case.may_be_stuck() {
                heard.problem(stuck(&reason.message, entries));
            }
        }
        state => heard.problem(format!("the saga does not end: it is {state}")),
    }
}

/// The words for a saga that is stuck, although nothing keeps its compensations from succeeding.
fn stuck(message: &str, entries: &[Entry]) -> String {
    let failed = entries.iter().find_map(|entry| match &entry.event {
        Event::CompensationFailed { step, message, .. } => Some((step, message)),
        _ => None,
    });
    let Some((step, error)) = failed else {
        return format!("the saga is stuck: {message}");
    };
    let undone = entries.iter().filter_map(|entry| match &entry.event {
        Event::CompensationDone { step, .. } => Some(format!("`{step}`")),
        _ => None,
    });
    let undone: Vec<_> = undone.collect();
    let before = if undone.is_empty() {
        String::new()
    } else {
        format!(
            ". {} was undone: does it need something that this has removed?",
            undone.join(" and then ")
        )
    };
    format!("the saga is stuck: `{step}` can't be undone: {error}{before}")
}
