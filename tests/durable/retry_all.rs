//! The retry of many stuck sagas at once.

use std::time::{Duration, SystemTime};

use saga_runtime::coordinator::StuckFilter;
use saga_runtime::journal::{Event, State};

use crate::shop::{Answer, Sell, SellAndHalt, Shop, becomes, in_memory, inspected};

#[tokio::test]
async fn all_sagas_that_are_stuck_for_one_reason_go_on_and_no_other() {
    let shop = Shop::default()
        .always("ship", Answer::Refuses)
        .always("refund", Answer::Refuses);
    let coordinator = in_memory(&shop).await;
    for number in 0..250 {
        let id = format!("order-{number}");
        let submitted = coordinator.submit(id.as_str(), Sell { amount: 3 }).await;
        let _ = submitted.expect("it is new");
    }
    let submitted = coordinator.submit("halting", SellAndHalt {}).await;
    let _ = submitted.expect("it is new");
    for number in 0..250 {
        becomes(&coordinator, &format!("order-{number}"), State::Stuck).await;
    }
    becomes(&coordinator, "halting", State::Stuck).await;
    shop.behaves();

    let sold = StuckFilter::default().name("sell");
    let later = SystemTime::now() + Duration::from_hours(1);
    for other in [
        sold.clone().code("damaged"),
        sold.clone().step("order"),
        sold.clone().since(later),
        StuckFilter::default().name("buy"),
    ] {
        let retried = coordinator.retry_all(&other, "never", |_| {}).await;
        assert_eq!(retried.expect("the journal works").retried, 0, "{other:?}");
    }
    let refunds = sold
        .code("compensation_failed")
        .step("charge")
        .since(SystemTime::UNIX_EPOCH);
    let mut seen = Vec::new();
    let retried = coordinator
        .retry_all(&refunds, "the bank is open again", |progress| {
            seen.push(progress.retried);
        })
        .await
        .expect("the journal works");
    assert_eq!((retried.examined, retried.retried), (250, 250));
    assert!(retried.failed.is_empty(), "{retried:?}");
    assert_eq!(seen, (1..=250).collect::<Vec<_>>());
    for number in 0..250 {
        let id = format!("order-{number}");
        becomes(&coordinator, &id, State::Compensated).await;
        let entries = inspected(&coordinator, &id).await.entries;
        let reason = entries.iter().find_map(|entry| match &entry.event {
            Event::Retried { reason } => Some(reason.as_str()),
            _ => None,
        });
        assert_eq!(reason, Some("the bank is open again"));
    }
    becomes(&coordinator, "halting", State::Stuck).await;
}
