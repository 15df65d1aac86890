//! A saga in process lives in the future of its caller. To drop that future is to drop the saga, and nothing is undone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use saga_runtime::{Context, saga};

use crate::participant::{Answer, Participant, Refusal};
use crate::steps::{pay, reserve, ship};

saga!(
    async fn shipping(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        pay(cx).await?;
        ship(cx).await?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_never_polled_does_nothing() {
    let participant = Participant::new();
    drop(participant.run(Shipping {}));
    tokio::task::yield_now().await;
    assert_eq!(participant.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_dropped_ends_where_it_is_and_nothing_is_compensated() {
    let participant = Participant::new();
    let hold = participant.holds("pay");
    tokio::select! {
        biased;
        _ = participant.run(Shipping {}) => unreachable!("`pay` is held"),
        () = hold.arrived() => {}
    }
    hold.release();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(participant.asked(), ["reserve", "pay"]);
    assert_eq!(participant.left(), ["reserve"]);
}

#[tokio::test(start_paused = true)]
async fn a_saga_that_is_dropped_while_it_compensates_compensates_no_more() {
    let participant = Participant::new().answers("ship", [Answer::Refused]);
    let hold = participant.holds("undo pay");
    tokio::select! {
        biased;
        _ = participant.run(Shipping {}) => unreachable!("`undo pay` is held"),
        () = hold.arrived() => {}
    }
    assert_eq!(
        participant.asked().last().map(String::as_str),
        Some("undo pay")
    );
    assert_eq!(participant.left(), ["reserve", "pay"]);
}

/// The documentation recommends this where the caller may be dropped.
#[tokio::test(start_paused = true)]
async fn a_saga_in_a_task_of_its_own_outlives_a_caller_that_is_dropped() {
    let participant = Arc::new(Participant::new());
    let hold = participant.holds("pay");
    let ended = Arc::new(AtomicBool::new(false));
    let caller = tokio::spawn({
        let (participant, ended) = (Arc::clone(&participant), Arc::clone(&ended));
        async move {
            let saga = tokio::spawn({
                let participant = Arc::clone(&participant);
                async move { participant.run(Shipping {}).await }
            });
            saga.await
                .expect("the saga does not panic")
                .expect("nothing fails");
            ended.store(true, Ordering::SeqCst);
        }
    });
    hold.arrived().await;
    caller.abort();
    assert!(caller.await.is_err_and(|gone| gone.is_cancelled()));
    let last = participant.holds("ship");
    hold.release();
    last.arrived().await;
    assert_eq!(participant.asked(), ["reserve", "pay", "ship"]);
    assert!(
        !ended.load(Ordering::SeqCst),
        "the caller did not see the end"
    );
}
