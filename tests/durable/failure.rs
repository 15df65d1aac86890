//! The failure that a compensation sees: the same in the run that failed and in each replay.

use saga_runtime::coordinator::ExecuteError;
use saga_runtime::journal::{Memory, State};
use saga_runtime::{Context, saga, step};

use crate::shop::{Answer, Refused, Shop, becomes, builder, id, order};

/// Is undone at the third attempt.
#[step(compensate = cancel, compensation(retry(attempts = 2, backoff = "1ms..1ms")))]
async fn book(cx: Context<'_, Shop>) -> Result<(), Refused> {
    cx.note("book");
    Ok(())
}

async fn cancel(cx: Context<'_, Shop>, (): &()) -> Result<(), Refused> {
    let why = cx
        .failure()
        .map(|failure| format!("{failure} ({})", failure.code()))
        .unwrap_or_default();
    cx.note(&format!("cancel, since {why}"));
    let asked = cx.asked();
    if asked
        .iter()
        .filter(|one| one.starts_with("cancel,"))
        .count()
        < 3
    {
        return Err(Refused("cancel".to_owned()));
    }
    Ok(())
}

saga!(
    #[derive(Clone)]
    async fn travel(cx: Context<'_, Shop>) -> Result<(), Refused> {
        book(cx).await?;
        order(cx).await?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn a_replay_compensates_for_the_same_failure() {
    for (answer, why) in [
        (Answer::Refuses, "`order` failed: order was refused (error)"),
        (
            Answer::Panics,
            "`order` failed: panicked: order broke (panicked)",
        ),
    ] {
        let shop = Shop::default().answers("order", [answer]);
        let started = builder(&shop)
            .register::<Travel>()
            .journal(Memory::new())
            .start();
        let coordinator = started.await.expect("the journal works");
        let ended = coordinator.execute("order-1", Travel {}).await;
        assert!(matches!(ended, Err(ExecuteError::Stuck(_))), "{ended:?}");
        let retried = coordinator.retry(&id("order-1"), "once more").await;
        retried.expect("it is stuck");
        becomes(&coordinator, "order-1", State::Compensated).await;
        let asked = shop.asked();
        let cancels: Vec<_> = asked
            .iter()
            .filter(|one| one.starts_with("cancel,"))
            .collect();
        assert_eq!(cancels, [&format!("cancel, since {why}"); 3]);
    }
}
