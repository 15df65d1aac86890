//! `first_of`: the first of several events ends the wait, and the others stay for later waits.

use std::time::Duration;

use saga_runtime::{Cause, Context, EventName, First, event, first_of, first_of_within, saga};

use super::undone;
use crate::engine;
use crate::participant::{Participant, Refusal, ends};
use crate::steps::{look, pay, reserve, ship};

const PAID: EventName<u32> = EventName::new("paid");
const DECLINED: EventName<u32> = EventName::new("declined");
const WITHDRAWN: EventName<u32> = EventName::new("withdrawn");

saga!(
    async fn deciding(cx: Context<'_, Participant>) -> Result<String, Refusal> {
        reserve(cx).await?;
        let answer = match first_of(cx, (PAID, DECLINED)).await {
            First::A(paid) => format!("paid {paid}"),
            First::B(declined) => format!("declined {declined}"),
        };
        pay(cx).await?;
        Ok(answer)
    }
);

saga!(
    async fn deciding_twice(cx: Context<'_, Participant>) -> Result<(u32, u32), Refusal> {
        reserve(cx).await?;
        let both = match first_of(cx, (PAID, DECLINED)).await {
            First::A(paid) => {
                look(cx).await?;
                (paid, event(cx, DECLINED).await)
            }
            First::B(declined) => {
                look(cx).await?;
                (event(cx, PAID).await, declined)
            }
        };
        ship(cx).await?;
        Ok(both)
    }
);

saga!(
    async fn deciding_in_time(
        cx: Context<'_, Participant>,
        limit: Duration,
    ) -> Result<Option<(char, u32)>, Refusal> {
        reserve(cx).await?;
        let answer = first_of_within(cx, (PAID, DECLINED, WITHDRAWN), limit).await;
        ship(cx).await?;
        Ok(answer.map(|first| match first {
            First::A(paid) => ('a', paid),
            First::B(declined) => ('b', declined),
            First::C(withdrawn) => ('c', withdrawn),
        }))
    }
);

saga!(
    #[saga(compensatable)]
    async fn deciding_inside(cx: Context<'_, Participant>) -> Result<u32, Refusal> {
        pay(cx).await?;
        match first_of(cx, (PAID, DECLINED)).await {
            First::A(told) | First::B(told) => Ok(told),
        }
    }
);

saga!(
    async fn deciding_at_once(cx: Context<'_, Participant>) -> Result<u32, Refusal> {
        let (one, other) = try_join!(deciding_inside(cx), deciding_inside(cx))?;
        look(cx).await?;
        Ok(one + other)
    }
);

saga!(
    #[saga(deadline = "50ms")]
    async fn deciding_in_vain(cx: Context<'_, Participant>) -> Result<u32, Refusal> {
        reserve(cx).await?;
        match first_of(cx, (PAID, DECLINED)).await {
            First::A(told) | First::B(told) => Ok(told),
        }
    }
);

#[tokio::test]
async fn either_event_ends_the_wait() {
    for (event, expected) in [(PAID, "paid 7"), (DECLINED, "declined 7")] {
        let participant = Participant::new();
        let decided = ends(engine::run_told(&participant, Deciding {}, &[(event, 7)])).await;
        assert_eq!(decided.expect("nothing fails"), expected);
        assert_eq!(participant.asked(), ["reserve", "pay"]);
    }
}

#[tokio::test]
async fn the_other_event_stays_for_a_later_wait() {
    for told in [[(PAID, 1), (DECLINED, 2)], [(DECLINED, 2), (PAID, 1)]] {
        let participant = Participant::new();
        let decided = ends(engine::run_told(&participant, DecidingTwice {}, &told)).await;
        assert_eq!(decided.expect("nothing fails"), (1, 2));
        assert_eq!(participant.asked(), ["reserve", "look", "ship"]);
    }
}

#[tokio::test]
async fn one_of_three_events_comes_in_time() {
    let limit = Duration::from_hours(1);
    for (told, expected) in [(PAID, 'a'), (DECLINED, 'b'), (WITHDRAWN, 'c')] {
        let participant = Participant::new();
        let told = [(told, 9)];
        let deciding = engine::run_told(&participant, DecidingInTime { limit }, &told);
        let decided = ends(deciding).await;
        assert_eq!(decided.expect("nothing fails"), Some((expected, 9)));
    }
}

#[tokio::test]
async fn none_of_three_events_comes_in_time() {
    let participant = Participant::new();
    let limit = Duration::from_millis(20);
    let deciding = engine::run_told(&participant, DecidingInTime { limit }, &[]);
    assert_eq!(ends(deciding).await.expect("nothing fails"), None);
    assert_eq!(participant.asked(), ["reserve", "ship"]);
}

#[tokio::test]
async fn two_members_of_a_group_take_one_event_each() {
    let participant = Participant::new();
    let told = [(DECLINED, 1), (PAID, 2)];
    let decided = ends(engine::run_told(&participant, DecidingAtOnce {}, &told)).await;
    assert_eq!(decided.expect("nothing fails"), 3);
}

#[tokio::test]
async fn a_saga_that_waits_for_the_first_of_two_can_be_cancelled() {
    let participant = Participant::new().cancels_at("reserve", 1);
    let error = participant.run_cancellable(Deciding {}).await;
    let error = error.expect_err("it is cancelled");
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert_eq!(undone(&participant), ["saga/reserve/0"]);
}

#[tokio::test]
async fn a_deadline_ends_a_wait_for_the_first_of_two() {
    let participant = Participant::new();
    let error = participant.run(DecidingInVain {}).await;
    let error = error.expect_err("no event comes");
    assert_eq!(*error.cause(), Cause::DeadlineExceeded);
    assert_eq!(undone(&participant), ["saga/reserve/0"]);
}
