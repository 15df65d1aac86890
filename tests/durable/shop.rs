//! A shop whose services record their requests. A test sets their answers.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use saga_runtime::coordinator::{Builder, Inspection};
use saga_runtime::journal::{Event, Journal, Memory, State};
use saga_runtime::meta::RetryPolicy;
use saga_runtime::{Context, Coordinator, SagaId, saga, step};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// The answer of a service.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Refuses,
    Panics,
    /// Never, and the coordinator does not wait for it for ever.
    Never,
    /// When the test lets it.
    Waits(Arc<Notify>),
}

#[derive(Debug, Default)]
struct Said {
    asked: Vec<String>,
    answers: HashMap<&'static str, VecDeque<Answer>>,
    always: HashMap<&'static str, Answer>,
}

/// Clones are the same shop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shop {
    said: Arc<Mutex<Said>>,
    pub(crate) asked_something: Arc<Notify>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused(pub(crate) String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} was refused", self.0)
    }
}

impl std::error::Error for Refused {}

impl Shop {
    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().expect("nothing panics under the lock")
    }

    /// Sets the answers to the next requests for `what`.
    pub(crate) fn answers(
        self,
        what: &'static str,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Self {
        self.said().answers.entry(what).or_default().extend(answers);
        self
    }

    /// Sets the answer to every request for `what` from now on.
    pub(crate) fn always(self, what: &'static str, answer: Answer) -> Self {
        self.said().always.insert(what, answer);
        self
    }

    /// Lets all requests succeed from now on.
    pub(crate) fn behaves(&self) {
        let mut said = self.said();
        said.answers.clear();
        said.always.clear();
    }

    /// All requests, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.said().asked.clone()
    }

    /// Waits for a request for `what`.
    pub(crate) async fn is_asked(&self, what: &str) {
        loop {
            let asked = self.asked_something.notified();
            if self.asked().iter().any(|one| one == what) {
                return;
            }
            asked.await;
        }
    }

    /// Adds a note to the requests.
    pub(crate) fn note(&self, what: &str) {
        self.said().asked.push(what.to_owned());
    }

    pub(crate) async fn ask(&self, what: &'static str) -> Result<String, Refused> {
        let answer = {
            let mut said = self.said();
            said.asked.push(what.to_owned());
            let next = said.answers.get_mut(what).and_then(VecDeque::pop_front);
            next.or_else(|| said.always.get(what).cloned())
        };
        self.asked_something.notify_waiters();
        match answer {
            None => Ok(what.to_owned()),
            Some(Answer::Refuses) => Err(Refused(what.to_owned())),
            Some(Answer::Panics) => std::panic::resume_unwind(Box::new(format!("{what} broke"))),
            Some(Answer::Never) => std::future::pending().await,
            Some(Answer::Waits(until)) => {
                until.notified().await;
                Ok(what.to_owned())
            }
        }
    }
}

macro_rules! steps {
    ($($step:ident undone by $undo:ident;)+) => {$(
        #[step(compensate = $undo, compensation(retry(attempts = 2, backoff = "1ms..1ms")))]
        pub(crate) async fn $step(cx: Context<'_, Shop>) -> Result<String, Refused> {
            cx.ask(stringify!($step)).await
        }

        pub(crate) async fn $undo(cx: Context<'_, Shop>, done: &str) -> Result<(), Refused> {
            assert_eq!(done, stringify!($step));
            cx.ask(stringify!($undo)).await.map(drop)
        }
    )+};
}

steps! {
    order undone by cancel;
    charge undone by refund;
}

#[step(pivot, retry(attempts = 2, backoff = "1ms..1ms"))]
pub(crate) async fn ship(cx: Context<'_, Shop>) -> Result<String, Refused> {
    cx.ask("ship").await
}

#[step(retriable, retry(backoff = "1ms..1ms"))]
pub(crate) async fn thank(cx: Context<'_, Shop>) -> Result<String, Refused> {
    cx.ask("thank").await
}

saga!(
    #[derive(Clone)]
    pub(crate) async fn sell(cx: Context<'_, Shop>, amount: u64) -> Result<u64, Refused> {
        order(cx).await?;
        charge(cx).await?;
        ship(cx).await?;
        thank(cx).await?;
        Ok(amount)
    }
);

saga!(
    #[saga(on_compensation_failure = halt)]
    pub(crate) async fn sell_and_halt(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        charge(cx).await?;
        ship(cx).await?;
        Ok(())
    }
);

pub(crate) fn builder(shop: &Shop) -> Builder<Shop> {
    Coordinator::builder(shop.clone())
        // The tests run on a virtual clock, which does not wake a saga that is released.
        .compensation_retry(RetryPolicy::COMPENSATION)
        .register::<Sell>()
        .register::<SellAndHalt>()
}

pub(crate) async fn started(shop: &Shop, journal: impl Journal) -> Coordinator<Shop> {
    let started = builder(shop).journal(journal).start().await;
    started.expect("the journal works")
}

pub(crate) async fn in_memory(shop: &Shop) -> Coordinator<Shop> {
    started(shop, Memory::new()).await
}

pub(crate) fn id(id: &str) -> SagaId {
    SagaId::new(id).expect("a valid id")
}

pub(crate) async fn inspected(coordinator: &Coordinator<Shop>, saga: &str) -> Inspection {
    let inspected = coordinator.inspect(&id(saga)).await;
    inspected.expect("the journal works").expect("it is there")
}

/// The names of the events of a saga.
pub(crate) async fn events(coordinator: &Coordinator<Shop>, saga: &str) -> Vec<&'static str> {
    let inspected = inspected(coordinator, saga).await;
    let events = inspected.entries.iter().map(|entry| entry.event.name());
    events.collect()
}

/// Waits until a saga is in a state.
pub(crate) async fn becomes(coordinator: &Coordinator<Shop>, saga: &str, state: State) {
    let becoming = async {
        while inspected(coordinator, saga).await.record.state != state {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let became = tokio::time::timeout(Duration::from_mins(10), becoming).await;
    let inspected = inspected(coordinator, saga).await;
    assert!(became.is_ok(), "{inspected}");
}

/// The steps that were skipped, undone by hand, and so on: the reason in each entry that an operator made.
pub(crate) fn reasons(inspection: &Inspection) -> Vec<String> {
    let by_hand = |event: &Event| match event {
        Event::Retried { reason }
        | Event::CompensationResolved { reason, .. }
        | Event::CompensationSkipped { reason, .. }
        | Event::StepCompleted { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    inspection
        .entries
        .iter()
        .filter_map(|entry| by_hand(&entry.event))
        .collect()
}
