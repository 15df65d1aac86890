//! `sleep` and `event`: the saga waits, and then continues.

use std::time::Duration;

use saga_runtime::{Cause, Context, EventName, event, event_within, saga, sleep};

use super::undone;
use crate::engine;
use crate::participant::{Answer, Participant, Refusal, ends};
use crate::steps::{look, pay, reserve, ship, thank};

const TOLD: EventName<u32> = EventName::new("told");
const OTHER: EventName<u32> = EventName::new("other");

saga!(
    async fn sleeping(cx: Context<'_, Participant>, nap: Duration) -> Result<Duration, Refusal> {
        let before = cx.now();
        reserve(cx).await?;
        sleep(cx, nap).await;
        look(cx).await?;
        Ok(cx.now().duration_since(before).unwrap_or_default())
    }
);

saga!(
    async fn listening(cx: Context<'_, Participant>) -> Result<(u32, u32), Refusal> {
        reserve(cx).await?;
        let other = event(cx, OTHER).await;
        let told = event(cx, TOLD).await;
        pay(cx).await?;
        Ok((told, other))
    }
);

saga!(
    async fn listening_for_a_while(
        cx: Context<'_, Participant>,
        limit: Duration,
    ) -> Result<Option<u32>, Refusal> {
        ship(cx).await?;
        let told = event_within(cx, TOLD, limit).await;
        thank(cx).await?;
        Ok(told)
    }
);

saga!(
    async fn listening_in_a_loop(cx: Context<'_, Participant>) -> Result<Vec<u32>, Refusal> {
        let mut told = Vec::new();
        while told.len() < 3 {
            told.push(event(cx, TOLD).await);
        }
        reserve(cx).await?;
        Ok(told)
    }
);

saga!(
    #[saga(compensatable)]
    async fn listening_inside(cx: Context<'_, Participant>) -> Result<u32, Refusal> {
        pay(cx).await?;
        Ok(event(cx, TOLD).await)
    }
);

saga!(
    async fn listening_at_once(cx: Context<'_, Participant>) -> Result<u32, Refusal> {
        let (_, told, other) = try_join!(reserve(cx), listening_inside(cx), listening_inside(cx))?;
        look(cx).await?;
        Ok(told + other)
    }
);

saga!(
    #[saga(deadline = "50ms")]
    async fn listening_in_vain(cx: Context<'_, Participant>) -> Result<u32, Refusal> {
        reserve(cx).await?;
        Ok(event(cx, TOLD).await)
    }
);

#[tokio::test]
async fn a_sleep_takes_its_time() {
    let participant = Participant::new();
    let nap = Duration::from_millis(30);
    let slept = participant.run(Sleeping { nap }).await;
    assert!(slept.expect("nothing fails") >= nap);
    assert_eq!(participant.asked(), ["reserve", "look"]);
}

#[tokio::test]
async fn events_come_by_their_names_whatever_the_order() {
    let participant = Participant::new();
    let told = [(TOLD, 1), (OTHER, 2)];
    let listened = ends(engine::run_told(&participant, Listening {}, &told)).await;
    assert_eq!(listened.expect("nothing fails"), (1, 2));
    assert_eq!(participant.asked(), ["reserve", "pay"]);
}

#[tokio::test]
async fn an_event_comes_in_time() {
    let participant = Participant::new();
    let limit = Duration::from_hours(1);
    let listening = engine::run_told(&participant, ListeningForAWhile { limit }, &[(TOLD, 7)]);
    assert_eq!(ends(listening).await.expect("nothing fails"), Some(7));
}

#[tokio::test]
async fn an_event_does_not_come_in_time() {
    let participant = Participant::new();
    let limit = Duration::from_millis(20);
    let listening = engine::run_told(&participant, ListeningForAWhile { limit }, &[]);
    assert_eq!(ends(listening).await.expect("nothing fails"), None);
    assert_eq!(participant.asked(), ["ship", "thank"]);
}

#[tokio::test]
async fn each_event_ends_one_wait() {
    let participant = Participant::new();
    let told = [(TOLD, 1), (TOLD, 2), (TOLD, 3)];
    let listened = ends(engine::run_told(&participant, ListeningInALoop {}, &told)).await;
    assert_eq!(listened.expect("nothing fails"), [1, 2, 3]);
}

#[tokio::test]
async fn members_of_a_group_wait_beside_one_another() {
    let participant = Participant::new().answers("look", [Answer::Refused]);
    let told = [(TOLD, 1), (TOLD, 2)];
    let listened = ends(engine::run_told(&participant, ListeningAtOnce {}, &told)).await;
    listened.expect_err("look refuses");
    assert_eq!(
        undone(&participant),
        [
            "saga/listening_inside#1/pay/0",
            "saga/listening_inside/pay/0",
            "saga/reserve/0",
        ]
    );
}

#[tokio::test]
async fn what_was_done_before_a_wait_is_undone_after_it() {
    let participant = Participant::new().answers("pay", [Answer::Refused]);
    let told = [(TOLD, 1), (OTHER, 2)];
    let listened = ends(engine::run_told(&participant, Listening {}, &told)).await;
    assert_eq!(listened.expect_err("pay refuses").step(), Some("pay"));
    assert_eq!(undone(&participant), ["saga/reserve/0"]);
}

#[tokio::test]
async fn a_saga_that_waits_can_be_cancelled() {
    let participant = Participant::new().cancels_at("reserve", 1);
    let error = participant.run_cancellable(Listening {}).await;
    let error = error.expect_err("it is cancelled");
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert_eq!(undone(&participant), ["saga/reserve/0"]);
}

#[tokio::test]
async fn a_deadline_ends_a_wait() {
    let participant = Participant::new();
    let error = participant.run(ListeningInVain {}).await;
    let error = error.expect_err("no event comes");
    assert_eq!(*error.cause(), Cause::DeadlineExceeded);
    assert_eq!(undone(&participant), ["saga/reserve/0"]);
}
