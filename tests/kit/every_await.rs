//! Twelve sagas, dropped or killed at every `await`: whatever is left is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use fastrand::Rng;
use saga_runtime::coordinator::{Builder, ExecuteError, Registrable};
use saga_runtime::journal::State;
use saga_runtime::testing::TestCoordinator;
use saga_runtime::{
    Context, Coordinator, EventName, Events, IdempotencyKey, InProcess, SagaId, event, saga, sleep,
    step, try_join_all,
};
use tokio::task::yield_now;

use crate::arbitrary::seed;
use crate::place::Place;

pub(crate) const PAID: EventName<u64> = EventName::new("paid");

/// A participant that answers finally per key, and awaits before and after its effects. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desk {
    /// The requests that are refused, by the name of the step.
    pub(crate) refuses: &'static [&'static str],
    ledger: Arc<Mutex<Ledger>>,
}

#[derive(Debug, Default)]
struct Ledger {
    /// All requests, in order.
    asked: Vec<String>,
    /// The keys of the effects that are there.
    effects: BTreeSet<String>,
    /// The keys of steps that were undone: a late request has no effect.
    undone: BTreeSet<String>,
}

impl Ledger {
    /// Has this effect, unless it was undone before.
    fn act(&mut self, key: String) -> bool {
        let may_act = !self.undone.contains(&key);
        if may_act {
            self.effects.insert(key);
        }
        may_act
    }

    fn undo(&mut self, key: String, action: String) {
        self.asked.push(key);
        self.effects.remove(&action);
        self.undone.insert(action);
    }
}

impl Desk {
    /// All requests, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.ledger().asked.clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().expect("no test panics in between")
    }

    async fn ask(&self, step: &str, key: IdempotencyKey) -> Result<u64, String> {
        yield_now().await;
        self.ledger().asked.push(key.to_string());
        yield_now().await;
        if self.refuses.contains(&step) {
            return Err(format!("no {step}"));
        }
        let is_done = self.ledger().act(key.to_string());
        yield_now().await;
        if is_done {
            Ok(1)
        } else {
            Err(format!("{step} was undone"))
        }
    }

    async fn undo(&self, key: IdempotencyKey, action: IdempotencyKey) -> Result<(), String> {
        yield_now().await;
        self.ledger().undo(key.to_string(), action.to_string());
        yield_now().await;
        Ok(())
    }

    /// Like [`ask`](Self::ask). So many requests are done, and get no answer.
    async fn ask_late(&self, step: &str, key: IdempotencyKey, late: usize) -> Result<u64, String> {
        let before = self.times().get(key.as_str()).copied().unwrap_or_default();
        let asked = self.ask(step, key).await;
        if before < late {
            pending::<()>().await;
        }
        asked
    }

    /// The number of requests with each key.
    fn times(&self) -> BTreeMap<String, usize> {
        let mut times = BTreeMap::new();
        for key in &self.ledger().asked {
            *times.entry(key.clone()).or_default() += 1;
        }
        times
    }
}

/// Steps that are undone, with these names.
macro_rules! steps {
    ($($name:ident)*) => {
        $(
            #[step(compensate = undo)]
            async fn $name(cx: Context<'_, Desk>) -> Result<u64, String> {
                cx.ask(stringify!($name), cx.idempotency_key()).await
            }
        )*
    };
}

steps!(a b c);

async fn undo(cx: Context<'_, Desk>, _: &u64) -> Result<(), String> {
    cx.undo(cx.idempotency_key(), cx.action_key()).await
}

/// Gives no answer to the first request, although it is done. The second attempt succeeds.
#[step(compensate = undo, timeout = "400ms", retry(attempts = 3, when = |_| true))]
async fn slow(cx: Context<'_, Desk>) -> Result<u64, String> {
    cx.ask_late("slow", cx.idempotency_key(), 1).await
}

/// Gives no answer to two requests, so that the step ends in doubt.
#[step(compensate = undo, timeout = "400ms")]
async fn lost(cx: Context<'_, Desk>) -> Result<u64, String> {
    cx.ask_late("lost", cx.idempotency_key(), 2).await
}

#[step(pivot)]
async fn ship(cx: Context<'_, Desk>) -> Result<u64, String> {
    cx.ask("ship", cx.idempotency_key()).await
}

#[step(retriable)]
async fn thank(cx: Context<'_, Desk>) -> Result<u64, String> {
    cx.ask("thank", cx.idempotency_key()).await
}

/// Sagas without inputs.
macro_rules! sagas {
    ($($name:ident = |$cx:ident| $body:block)*) => {
        $(saga!(
            #[derive(Clone, Default)]
            pub(crate) async fn $name($cx: Context<'_, Desk>) -> Result<u64, String> $body
        );)*
    };
}

saga!(
    #[saga(compensatable)]
    pub(crate) async fn part(cx: Context<'_, Desk>) -> Result<u64, String> {
        a(cx).await?;
        b(cx).await
    }
);

sagas! {
    line = |cx| { a(cx).await?; b(cx).await?; c(cx).await }
    branch = |cx| { match a(cx).await? { 1 => b(cx).await?, _ => a(cx).await? }; c(cx).await }
    rounds = |cx| { for _ in 0..3 { a(cx).await?; } c(cx).await }
    group = |cx| { try_join!(a(cx), b(cx))?; c(cx).await }
    fan_out = |cx| {
        let items = [1, 2, 3];
        try_join_all(2, &items, |_| a(cx)).await?;
        c(cx).await
    }
    called = |cx| { try_join!(part(cx), a(cx))?; part(cx).await?; c(cx).await }
    waiting = |cx| { a(cx).await?; let paid = event(cx, PAID).await; c(cx).await?; Ok(paid) }
    sleeping = |cx| { a(cx).await?; sleep(cx, Duration::from_mins(5)).await; c(cx).await }
    napping = |cx| { a(cx).await?; sleep(cx, Duration::from_millis(40)).await; c(cx).await }
    handled = |cx| { a(cx).await?; match c(cx).await { Ok(c) => c, Err(_) => b(cx).await? }; ship(cx).await }
    late = |cx| { a(cx).await?; slow(cx).await?; c(cx).await }
    in_doubt = |cx| { a(cx).await?; lost(cx).await?; c(cx).await }
    forward = |cx| { a(cx).await?; ship(cx).await?; thank(cx).await?; Ok(1) }
}

/// The undisturbed run of a saga.
struct Undisturbed {
    is_completed: bool,
    effects: BTreeSet<String>,
    asked: Vec<String>,
}

async fn undisturbed<G: Registrable<Desk> + Default>(desk: &Desk) -> Undisturbed {
    let ended = in_process::<G>(desk, None).await;
    let ledger = desk.ledger();
    Undisturbed {
        is_completed: ended.expect("it is not dropped"),
        effects: ledger.effects.clone(),
        asked: ledger.asked.clone(),
    }
}

/// Polls a future so often. `None` if it was dropped before it was ready.
async fn until_poll<T>(polls: Option<usize>, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|cx| {
        if polls == Some(polled) {
            return Poll::Ready(None);
        }
        polled += 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Runs a saga in process, and returns whether it has completed. `None` if its future was dropped at this poll.
async fn in_process<G: Registrable<Desk> + Default>(
    desk: &Desk,
    polls: Option<usize>,
) -> Option<bool> {
    let id = SagaId::new("saga").expect("an id");
    let events = Events::new();
    events.send(PAID, &1).expect("a number is JSON");
    let engine = InProcess::new(desk).saga_id(id).receives(events);
    let ended = until_poll(polls, engine.execute(G::default())).await?;
    Some(ended.is_ok())
}

pub(crate) fn settings<G: Registrable<Desk>>(desk: &Desk) -> impl Fn() -> Builder<Desk> + use<G> {
    let desk = desk.clone();
    move || Coordinator::builder(desk.clone()).register::<G>()
}

/// Executes a saga, and sends the event that it may wait for. Returns whether it has completed.
async fn executed<G: Registrable<Desk> + Default>(coordinator: &TestCoordinator<Desk>) -> bool {
    let executing = async {
        let execute = coordinator.execute("saga", G::default());
        tokio::join!(execute, paid(coordinator)).0
    };
    let ended = tokio::time::timeout(Duration::from_hours(2), executing).await;
    match ended.expect("it ends within two hours of its own clock") {
        Ok(_) => true,
        Err(ExecuteError::Failed(error)) => {
            assert!(error.is_compensated(), "{error}");
            false
        }
        Err(other) => panic!("{other}"),
    }
}

/// Sends the event as soon as the saga is there.
pub(crate) async fn paid(coordinator: &TestCoordinator<Desk>) {
    while coordinator.send("saga", PAID, &1).await.is_err() {
        let state = coordinator.status("saga").await;
        if state.is_ok_and(|state| state.is_some_and(State::is_final)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Checks what a saga has left after its end.
fn is_whole(desk: &Desk, is_completed: bool, expected: &Undisturbed, most: usize, what: &str) {
    assert_eq!(is_completed, expected.is_completed, "{what}");
    assert_eq!(desk.ledger().effects, expected.effects, "{what}");
    let once: BTreeSet<_> = expected.asked.iter().cloned().collect();
    let times = desk.times();
    let asked: BTreeSet<_> = times.keys().cloned().collect();
    assert_eq!(asked, once, "{what}: what was asked");
    for (key, times) in times {
        // Without any disturbance these are asked more than once.
        let most = match key.split('/').nth(1) {
            Some("slow") => most + 1,
            Some("lost") => most + 2,
            _ => most,
        };
        assert!(times <= most, "{what}: {key} was asked {times} times");
    }
}

/// The services of a saga that completes, and of sagas that fail.
pub(crate) fn desks() -> [Desk; 3] {
    let refusals: [&[&str]; 3] = [&[], &["c"], &["c", "ship"]];
    refusals.map(|refuses| Desk {
        refuses,
        ..Desk::default()
    })
}

fn fresh(desk: &Desk) -> Desk {
    Desk {
        refuses: desk.refuses,
        ..Desk::default()
    }
}

/// Drops the future of a saga in process at each poll: it ends there, and all that it has asked for came in its order. The same saga again,
/// under the same id, does the rest.
async fn dropped_in_process<G: Registrable<Desk> + Default>() -> usize {
    let mut dropped = 0;
    for desk in desks() {
        let expected = undisturbed::<G>(&desk).await;
        for polls in 0.. {
            let desk = fresh(&desk);
            let what = format!(
                "{}, {:?}, dropped at poll {polls}",
                G::META.name,
                desk.refuses
            );
            let ended = in_process::<G>(&desk, Some(polls)).await;
            let asked = desk.ledger().asked.clone();
            for _ in 0..10 {
                yield_now().await;
            }
            assert_eq!(desk.ledger().asked, asked, "{what}: it goes on");
            assert!(expected.asked.starts_with(&asked), "{what}: {asked:?}");
            if ended.is_some() {
                break;
            }
            dropped += 1;
            // What was undone can't be done again under the same key, nor what was in doubt get the same answer.
            let is_undoing = asked.iter().any(|key| key.ends_with("/compensation"));
            let is_repeated = desk.times().values().any(|times| *times > 1);
            if !is_undoing && !is_repeated {
                let again = in_process::<G>(&desk, None).await;
                is_whole(&desk, again == Some(true), &expected, 2, &what);
            }
        }
    }
    dropped
}

/// Drops the caller of a durable saga at each poll: the saga comes to its end, or was never there.
async fn dropped_caller<G: Registrable<Desk> + Default>() -> usize {
    let mut dropped = 0;
    for desk in desks() {
        let expected = undisturbed::<G>(&desk).await;
        for polls in 0.. {
            let desk = fresh(&desk);
            let what = format!(
                "{}, {:?}, its caller goes at poll {polls}",
                G::META.name,
                desk.refuses
            );
            let coordinator = TestCoordinator::start(settings::<G>(&desk)).await;
            let execute = coordinator.execute("saga", G::default());
            let execute = until_poll(Some(polls), execute);
            let (ended, ()) = tokio::join!(execute, async {
                if polls > 0 {
                    paid(&coordinator).await;
                }
            });
            let is_completed = executed::<G>(&coordinator).await;
            is_whole(&desk, is_completed, &expected, 1, &what);
            if ended.is_some() {
                break;
            }
            dropped += 1;
        }
    }
    dropped
}

/// The polls at which a process is killed: each, or one of a few, from a random one on.
#[derive(Debug, Clone)]
enum Polls {
    Each,
    Some { every: u64, dice: Rng },
}

impl Polls {
    /// About every so manieth poll, chosen by a seed that is printed.
    fn some(every: u64) -> Self {
        let dice = Rng::with_seed(seed());
        Self::Some { every, dice }
    }

    fn after(&mut self, poll: Option<u64>) -> u64 {
        let next = poll.map_or(0, |poll| poll + 1);
        match self {
            Self::Each => next,
            Self::Some { every, dice } => next + dice.u64(..*every * 2 - 1),
        }
    }
}

/// Kills the process of a durable saga at these polls of its tasks, and starts the next one: the saga comes to the same end.
async fn killed<G: Registrable<Desk> + Default>(mut place: Place, mut polls: Polls) -> usize {
    let mut kills = 0;
    for desk in desks() {
        let expected = undisturbed::<G>(&desk).await;
        let mut last = None;
        loop {
            let poll = polls.after(last);
            last = Some(poll);
            let desk = fresh(&desk);
            let what = format!(
                "{}, {:?}, killed at poll {poll}",
                G::META.name,
                desk.refuses
            );
            let mut coordinator = place.start(settings::<G>(&desk)).await;
            let was_killed = {
                let running = async {
                    let execute = coordinator.execute("saga", G::default());
                    tokio::join!(execute, paid(&coordinator)).0
                };
                tokio::select! {
                    biased;
                    () = coordinator.crash_at_poll(poll) => true,
                    Ok(_) | Err(ExecuteError::Failed(_)) = running => false,
                }
            };
            coordinator.restart().await;
            let is_completed = executed::<G>(&coordinator).await;
            is_whole(&desk, is_completed, &expected, 2, &what);
            coordinator.crash().await;
            if !was_killed {
                break;
            }
            kills += 1;
        }
    }
    println!("{kills} kills");
    kills
}

/// Tests for each saga. Where time is real, the process is killed at each poll, or at about every so manieth.
macro_rules! every_await {
    ($($name:ident: $saga:ident, $real:ident at $polls:expr;)*) => {
        $(
            mod $name {
                use super::{Place, Polls};

                #[tokio::test(start_paused = true)]
                async fn dropped_at_every_poll_in_process() {
                    let dropped = super::dropped_in_process::<super::$saga>().await;
                    assert!(dropped > 12, "{dropped}");
                }

                #[tokio::test(start_paused = true)]
                async fn its_caller_goes_at_every_poll() {
                    let dropped = super::dropped_caller::<super::$saga>().await;
                    assert!(dropped > 2, "{dropped}");
                }

                #[tokio::test(start_paused = true)]
                async fn killed_at_every_poll() {
                    let kills = super::killed::<super::$saga>(Place::Memory, Polls::Each).await;
                    assert!(kills > 20, "{kills}");
                }

                #[tokio::test]
                async fn killed_at_polls_on_a_file() {
                    let polls = $polls;
                    let kills = super::killed::<super::$real>(Place::file(), polls).await;
                    assert!(kills > 5, "{kills}");
                }

                #[tokio::test]
                async fn killed_at_polls_on_postgres() {
                    let polls = $polls;
                    let place = Place::database(concat!("every_await_", stringify!($name))).await;
                    let kills = super::killed::<super::$real>(place, polls).await;
                    assert!(kills > 5, "{kills}");
                }
            }
        )*
    };
}

every_await! {
    of_a_line: Line, Line at Polls::Each;
    of_a_branch: Branch, Branch at Polls::some(5);
    of_a_loop: Rounds, Rounds at Polls::some(5);
    of_a_group: Group, Group at Polls::Each;
    of_a_fan_out: FanOut, FanOut at Polls::some(5);
    of_a_called_saga: Called, Called at Polls::some(7);
    of_a_wait: Waiting, Waiting at Polls::some(5);
    of_a_sleep: Sleeping, Napping at Polls::some(5);
    of_a_handled_refusal: Handled, Handled at Polls::Each;
    of_a_late_answer: Late, Late at Polls::some(9);
    of_a_step_in_doubt: InDoubt, InDoubt at Polls::some(9);
    of_a_pivot: Forward, Forward at Polls::some(5);
}
