//! Limits on the attempts of one step at a time.

use std::sync::Arc;
use std::time::Duration;

use saga_runtime::journal::{Memory, State};
use saga_runtime::{Context, Coordinator, saga, step};
use tokio::sync::Notify;

use crate::shop::{Answer, Refused, Shop, becomes, charge, order};

#[step(retriable, retry(backoff = "1ms..1ms"))]
async fn thank(cx: Context<'_, Shop>) -> Result<(), Refused> {
    cx.ask("thank").await.map(drop)
}

saga!(
    async fn charging(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        charge(cx).await?;
        Ok(())
    }
);

saga!(
    async fn thanking(cx: Context<'_, Shop>) -> Result<(), Refused> {
        thank(cx).await?;
        Ok(())
    }
);

fn count(shop: &Shop, what: &str) -> usize {
    shop.asked().iter().filter(|one| *one == what).count()
}

#[tokio::test]
async fn no_more_attempts_than_allowed_are_under_way_and_who_waits_holds_no_slot() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().always("charge", Answer::Waits(Arc::clone(&until)));
    let coordinator = Coordinator::builder(shop.clone())
        .limit(charge, 2)
        .in_flight(3)
        .patience(Duration::ZERO)
        .journal(Memory::new())
        .register::<Charging>()
        .register::<Thanking>()
        .start()
        .await
        .expect("the journal works");
    for number in 0..8 {
        let id = format!("charging-{number}");
        let submitted = coordinator.submit(id.as_str(), Charging {}).await;
        let _ = submitted.expect("it is new");
    }
    while count(&shop, "charge") < 2 || count(&shop, "order") < 8 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Two sagas hold a slot each, and the other six share the third.
    for number in 0..8 {
        let id = format!("thanking-{number}");
        let thanked = coordinator.execute(id.as_str(), Thanking {}).await;
        thanked.expect("nothing fails");
    }
    assert_eq!(count(&shop, "charge"), 2);
    shop.behaves();
    until.notify_waiters();
    for number in 0..8 {
        becomes(
            &coordinator,
            &format!("charging-{number}"),
            State::Completed,
        )
        .await;
    }
    assert_eq!(count(&shop, "charge"), 8);
    assert_eq!(count(&shop, "order"), 8);
}

#[tokio::test]
async fn retries_are_limited_as_well() {
    let shop = Shop::default().answers("thank", [(); 20].map(|()| Answer::Refuses));
    let coordinator = Coordinator::builder(shop.clone())
        .limit(thank, 1)
        .journal(Memory::new())
        .register::<Thanking>()
        .start()
        .await
        .expect("the journal works");
    for number in 0..4 {
        let id = format!("thanking-{number}");
        let submitted = coordinator.submit(id.as_str(), Thanking {}).await;
        let _ = submitted.expect("it is new");
    }
    for number in 0..4 {
        becomes(
            &coordinator,
            &format!("thanking-{number}"),
            State::Completed,
        )
        .await;
    }
    assert_eq!(count(&shop, "thank"), 24);
}
