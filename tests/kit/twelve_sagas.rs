//! Twelve sagas of all constructs, the participant that they ask, and what they leave when they are dropped or killed.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;
use std::time::Duration;

use fastrand::Rng;
use saga_runtime::coordinator::Registrable;
use saga_runtime::{
    Context, EventName, Events, IdempotencyKey, InProcess, SagaId, event, saga, sleep, step,
    try_join_all,
};
use tokio::task::yield_now;

use crate::seed::seed;

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

    /// What was asked for with keys that begin like this.
    pub(crate) fn of(&self, prefix: &str) -> Self {
        let ledger = self.ledger();
        let begins = |key: &&String| key.starts_with(prefix);
        let keys = |keys: &BTreeSet<String>| keys.iter().filter(begins).cloned().collect();
        let ledger = Ledger {
            asked: ledger.asked.iter().filter(begins).cloned().collect(),
            effects: keys(&ledger.effects),
            undone: keys(&ledger.undone),
        };
        Self {
            refuses: self.refuses,
            ledger: Arc::new(Mutex::new(ledger)),
        }
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
    pub(crate) fn times(&self) -> BTreeMap<String, usize> {
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
pub(crate) struct Undisturbed {
    pub(crate) is_completed: bool,
    pub(crate) effects: BTreeSet<String>,
    pub(crate) asked: Vec<String>,
}

impl Undisturbed {
    /// The same with keys that begin like this.
    pub(crate) fn with_keys(&self, prefix: &str) -> Self {
        let with_prefix = |key: &String| key.replacen("saga/", prefix, 1);
        Self {
            is_completed: self.is_completed,
            effects: self.effects.iter().map(with_prefix).collect(),
            asked: self.asked.iter().map(with_prefix).collect(),
        }
    }
}

pub(crate) async fn undisturbed<G: Registrable<Desk> + Default>(desk: &Desk) -> Undisturbed {
    let ended = in_process::<G>(desk, None).await;
    let ledger = desk.ledger();
    Undisturbed {
        is_completed: ended.expect("it is not dropped"),
        effects: ledger.effects.clone(),
        asked: ledger.asked.clone(),
    }
}

/// Polls a future so often. `None` if it was dropped before it was ready.
pub(crate) async fn until_poll<T>(
    polls: Option<usize>,
    future: impl Future<Output = T>,
) -> Option<T> {
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
pub(crate) async fn in_process<G: Registrable<Desk> + Default>(
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

/// Checks what a saga has left after its end.
pub(crate) fn is_whole(
    desk: &Desk,
    is_completed: bool,
    expected: &Undisturbed,
    most: usize,
    what: &str,
) {
    assert_eq!(is_completed, expected.is_completed, "{what}");
    assert_eq!(desk.ledger().effects, expected.effects, "{what}");
    let once: BTreeSet<_> = expected.asked.iter().cloned().collect();
    let times = desk.times();
    let asked: BTreeSet<_> = times.keys().cloned().collect();
    assert_eq!(asked, once, "{what}: what was asked");
    for (key, times) in times {
        // Without any disturbance these are asked more than once.
        let is_of = |step| key.contains(step);
        let most = most + usize::from(is_of("/slow/")) + 2 * usize::from(is_of("/lost/"));
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

pub(crate) fn fresh(desk: &Desk) -> Desk {
    Desk {
        refuses: desk.refuses,
        ..Desk::default()
    }
}

/// The polls at which a process is killed: each, or one of a few, from a random one on.
#[derive(Debug, Clone)]
pub(crate) enum Polls {
    Each,
    Some { every: u64, dice: Rng },
}

impl Polls {
    /// About every so manieth poll, chosen by a seed that is printed.
    pub(crate) fn some(every: u64) -> Self {
        let dice = Rng::with_seed(seed());
        Self::Some { every, dice }
    }

    pub(crate) fn after(&mut self, poll: Option<u64>) -> u64 {
        let next = poll.map_or(0, |poll| poll + 1);
        match self {
            Self::Each => next,
            Self::Some { every, dice } => next + dice.u64(..*every * 2 - 1),
        }
    }
}
