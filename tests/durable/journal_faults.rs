//! Each call of the journal fails once, before it has had its effect or after it; and each caller stops waiting, at each
//! point. The saga comes to the same end, in the same order, whatever fails.

mod faulty;
mod story;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use saga_runtime::coordinator::{Builder, OperatorError, SubmitError};
use saga_runtime::journal::{Journal, Memory, Sqlite, State};
use saga_runtime::{Context, Coordinator, EventName, Saga, event, saga, sleep};
use serde::Serialize;
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::yield_now;

use faulty::{Fault, Faulty};
use story::{STORIES, Story};

use crate::shop::{Answer, Refused, Sell, Shop, charge, id, order, ship, thank};

const PAID: EventName<u32> = EventName::new("paid");

saga!(
    #[derive(Clone)]
    async fn sell_when_paid(cx: Context<'_, Shop>) -> Result<u32, Refused> {
        order(cx).await?;
        let paid = event(cx, PAID).await;
        charge(cx).await?;
        ship(cx).await?;
        thank(cx).await?;
        Ok(paid)
    }
);

saga!(
    #[saga(compensatable)]
    async fn sell_one(cx: Context<'_, Shop>) -> Result<u32, Refused> {
        order(cx).await?;
        let paid = event(cx, PAID).await;
        charge(cx).await?;
        Ok(paid)
    }
);

saga!(
    #[derive(Clone)]
    async fn sell_at_once(cx: Context<'_, Shop>) -> Result<u32, Refused> {
        let (paid, _) = try_join!(sell_one(cx), order(cx))?;
        sleep(cx, Duration::from_millis(1)).await;
        ship(cx).await?;
        thank(cx).await?;
        Ok(paid)
    }
);

/// A caller that stops waiting for an answer once, after so many polls, and then asks again.
struct Caller {
    polls: Option<usize>,
}

impl Caller {
    fn patient() -> Self {
        Self { polls: None }
    }

    /// The answer, or `None` if the caller has stopped waiting.
    async fn hears<T>(&mut self, asking: impl Future<Output = T>) -> Option<T> {
        let mut asking = pin!(asking);
        loop {
            if let Some(polls) = &mut self.polls {
                let Some(left) = polls.checked_sub(1) else {
                    self.polls = None;
                    return None;
                };
                *polls = left;
                let polled = std::future::poll_fn(|cx| Poll::Ready(asking.as_mut().poll(cx)));
                if let Poll::Ready(answer) = polled.await {
                    return Some(answer);
                }
                yield_now().await;
            } else {
                return Some(asking.await);
            }
        }
    }
}

fn builder(shop: &Shop) -> Builder<Shop> {
    Coordinator::builder(shop.clone())
        .patience(Duration::ZERO)
        .register::<SellWhenPaid>()
        .register::<SellAtOnce>()
}

/// Plays the story on this journal.
async fn play(story: Story, journal: impl Journal + Clone, caller: Caller) {
    if story.is_beside_itself() {
        play_with(story, journal, caller, SellAtOnce {}).await;
    } else {
        play_with(story, journal, caller, SellWhenPaid {}).await;
    }
}

async fn play_with<G>(story: Story, journal: impl Journal + Clone, mut caller: Caller, selling: G)
where
    G: Saga<Services = Shop> + Serialize + Clone,
{
    let shop = story.shop();
    let coordinator = loop {
        let started = builder(&shop).journal(journal.clone()).start().await;
        if let Ok(coordinator) = started {
            break coordinator;
        }
    };
    let saga = id("order-1");
    loop {
        let submitted = caller.hears(coordinator.submit("order-1", selling.clone()));
        match submitted.await {
            Some(Ok(_)) => break,
            Some(Err(SubmitError::Journal(_))) | None => {}
            Some(Err(error)) => panic!("{error}"),
        }
    }
    loop {
        let asked = async {
            if story == Story::IsCancelled {
                coordinator.cancel(&saga, "changed my mind").await.map(drop)
            } else {
                coordinator.send(&saga, PAID, &3).await
            }
        };
        match caller.hears(asked).await {
            // It was sent, and the answer was lost.
            Some(Ok(()) | Err(OperatorError::Final(_) | OperatorError::Stuck)) => break,
            Some(Err(OperatorError::Journal(_) | OperatorError::TakenOver)) | None => {}
            Some(Err(error)) => panic!("{error}"),
        }
    }
    if story == Story::IsStuck {
        settles(&coordinator, State::Stuck).await;
        shop.behaves();
        loop {
            match caller.hears(coordinator.retry(&saga, "mended")).await {
                // It was done, and the answer was lost.
                Some(Ok(_) | Err(OperatorError::Final(_))) => break,
                // It goes on, or another worker holds it and does not know yet.
                Some(Err(OperatorError::NotStuck(_))) => {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Some(Err(OperatorError::Journal(_) | OperatorError::TakenOver)) | None => {}
                Some(Err(error)) => panic!("{error}"),
            }
        }
    }
    settles(&coordinator, story.end()).await;
    let mut asked = shop.asked();
    if story.is_beside_itself() {
        asked.sort();
    }
    asked.dedup();
    assert_eq!(asked, story.asked());
    coordinator.shutdown().await;
}

/// Waits until the saga is in this state, whatever fails meanwhile.
async fn settles(coordinator: &Coordinator<Shop>, state: State) {
    for pause in 0.. {
        let inspected = coordinator.inspect(&id("order-1")).await;
        if let Ok(Some(inspected)) = inspected
            && inspected.record.state == state
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

/// Waits long, by the clock of the runtime, which may be paused.
async fn comes_to_an_end(what: String, playing: impl Future<Output = ()>) {
    println!("{what}");
    let played = tokio::time::timeout(Duration::from_mins(10), playing).await;
    assert!(played.is_ok(), "{what}: the saga has not come to its end");
}

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_nothing_is_lost() {
    for story in STORIES {
        for fault in [Fault::Fails, Fault::AnswerIsLost] {
            for number in 0.. {
                let journal = Faulty::new(Memory::new(), Some((number, fault)));
                let playing = play(story, journal.clone(), Caller::patient());
                comes_to_an_end(format!("{story:?}, {fault:?} at {number}"), playing).await;
                if journal.calls.load(Ordering::SeqCst) <= number {
                    assert!(number > 10, "{story:?} asks for more than {number} things");
                    break;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn if_a_caller_goes_away_nothing_is_lost() {
    for story in STORIES {
        for polls in 0..60 {
            let journal = Faulty::new(Memory::new(), None);
            let caller = Caller { polls: Some(polls) };
            let playing = play(story, journal, caller);
            comes_to_an_end(format!("{story:?}, {polls} polls"), playing).await;
        }
    }
}

/// A worker sends an event just when another one sets the saga aside: nothing but a decision of an operator may follow that.
#[tokio::test(start_paused = true)]
async fn an_event_that_comes_when_the_saga_gets_stuck_leaves_it_as_it_is() {
    let mut stuck_meanwhile = 0;
    for polls in 0..20 {
        let until = Arc::new(Notify::new());
        let shop = Shop::default()
            .answers("order", [Answer::Waits(Arc::clone(&until))])
            .always("ship", Answer::Refuses)
            .always("refund", Answer::Refuses);
        let memory = Memory::new();
        let holder = builder(&shop).register::<Sell>().journal(memory.clone());
        let holder = holder.start().await.expect("the journal works");
        let other = builder(&shop).journal(Faulty::new(memory, None));
        let other = other.start().await.expect("the journal works");
        let submitted = holder.submit("order-1", Sell { amount: 3 }).await;
        drop(submitted.expect("it is new"));
        shop.is_asked("order").await;
        let saga = id("order-1");
        let mut sending = pin!(other.send(&saga, PAID, &3));
        let mut sent = None;
        for _ in 0..polls {
            let polled = std::future::poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx)));
            if let Poll::Ready(answer) = polled.await {
                sent = Some(answer);
                break;
            }
            yield_now().await;
        }
        until.notify_one();
        settles(&holder, State::Stuck).await;
        let sent = match sent {
            Some(sent) => sent,
            None => sending.await,
        };
        match sent {
            Err(OperatorError::Stuck) => stuck_meanwhile += 1,
            Err(OperatorError::Held(_)) => {}
            other => panic!("{other:?}"),
        }
        shop.behaves();
        let retried = holder.retry(&saga, "mended").await;
        retried.expect("it is stuck, and can be read");
        settles(&holder, State::Compensated).await;
    }
    assert!(stuck_meanwhile > 0, "it is held whenever it is asked for");
}

#[tokio::test]
async fn if_a_caller_goes_away_nothing_is_lost_on_disk() {
    let folder = TempDir::new().expect("a folder for the test");
    for story in STORIES {
        for polls in 0..8 {
            let file = folder.path().join(format!("{story:?}-{polls}.db"));
            let journal = Sqlite::open(file).await.expect("it is new");
            let caller = Caller { polls: Some(polls) };
            let playing = play(story, journal, caller);
            comes_to_an_end(format!("{story:?}, {polls} polls"), playing).await;
        }
    }
}
