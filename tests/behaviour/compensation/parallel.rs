//! Compensations that run at the same time.

use std::time::Duration;

use saga_runtime::{Context, saga};
use tokio::time::Instant;

use super::{outcomes, refusing, seal};
use crate::participant::{Answer, Participant, Refusal};
use crate::steps::{look, pack, pay, reserve};

saga!(
    #[saga(compensations = parallel)]
    async fn buy_parallel(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        look(cx).await?;
        pay(cx).await?;
        pack(cx).await?;
        seal(cx).await
    }
);

saga!(
    #[saga(compensations = parallel, on_compensation_failure = halt)]
    async fn buy_parallel_halting(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        look(cx).await?;
        pay(cx).await?;
        pack(cx).await?;
        seal(cx).await
    }
);

#[tokio::test(start_paused = true)]
async fn parallel_compensations_are_all_under_way_at_once() {
    let participant = refusing();
    let holds = ["undo reserve", "undo pay", "undo pack"].map(|what| participant.holds(what));
    let (ended, ()) = tokio::join!(participant.run(BuyParallel {}), async {
        for hold in &holds {
            hold.arrived().await;
        }
        // Let go in the order of the steps: none waits for a later one.
        for hold in &holds {
            hold.release();
            tokio::task::yield_now().await;
        }
    });
    let error = ended.expect_err("`seal` is refused");
    assert!(error.is_compensated());
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn parallel_compensations_are_retried_beside_each_other() {
    let participant = refusing()
        .answers("undo reserve", [Answer::Busy; 4])
        .answers("undo pay", [Answer::Busy; 4])
        .answers("undo pack", [Answer::Busy; 4]);
    let began = Instant::now();
    let error = participant
        .run(BuyParallel {})
        .await
        .expect_err("`seal` is refused");
    assert!(error.is_compensated());
    // Four waits of at most 1.5 seconds together; one after the other they would take at least 2.25 seconds.
    let took = began.elapsed();
    assert!(took <= Duration::from_millis(1504), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_parallel_compensation_that_fails_does_not_stop_the_others_even_if_the_saga_halts() {
    for halts in [false, true] {
        let participant = refusing()
            .always("undo pack", Answer::Panics)
            .answers("undo reserve", [Answer::Busy; 3]);
        let ended = if halts {
            participant.run(BuyParallelHalting {}).await
        } else {
            participant.run(BuyParallel {}).await
        };
        let error = ended.expect_err("`seal` is refused");
        assert_eq!(
            outcomes(&error),
            [
                "pack failed: panicked: undo pack broke (5 attempts)",
                "pay compensated",
                "reserve compensated",
            ],
            "halts: {halts}"
        );
        assert_eq!(participant.left(), ["pack"]);
    }
}
