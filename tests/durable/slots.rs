//! The slots of a coordinator are for sagas that have something to do: an operator needs none.

use std::sync::Arc;
use std::time::Duration;

use saga_runtime::Coordinator;
use saga_runtime::journal::{Memory, State};
use tokio::sync::Notify;

use crate::shop::{Answer, Sell, Shop, becomes, builder, inspected, reasons};

/// A coordinator with one slot, which `busy` has taken, and the stuck sagas `stuck-0` and `stuck-1`.
async fn full(shop: &Shop) -> Coordinator<Shop> {
    let builder = builder(shop).in_flight(1).journal(Memory::new());
    let coordinator = builder.start().await.expect("the journal works");
    let refusing = shop
        .clone()
        .always("ship", Answer::Refuses)
        .always("refund", Answer::Refuses);
    for saga in ["stuck-0", "stuck-1"] {
        let stuck = coordinator.execute(saga, Sell { amount: 1 }).await;
        assert!(stuck.is_err(), "{stuck:?}");
        becomes(&coordinator, saga, State::Stuck).await;
    }
    refusing.behaves();
    coordinator
}

#[tokio::test]
async fn an_operator_decides_while_every_slot_is_taken() {
    let shop = Shop::default();
    let coordinator = full(&shop).await;
    let until = Arc::new(Notify::new());
    let shop = shop.answers("order", [Answer::Waits(Arc::clone(&until))]);
    let asked = shop.asked().len();
    let _ = coordinator
        .submit("busy", Sell { amount: 2 })
        .await
        .expect("it is new");
    while shop.asked().len() == asked {
        tokio::task::yield_now().await;
    }
    let deciding = async {
        let resolved = coordinator.resolve_compensation("stuck-0", "charge", "paid back");
        resolved.await.expect("it is stuck");
        let retried = coordinator.retry("stuck-1", "the bank is back").await;
        retried.expect("it is stuck");
    };
    let decided = tokio::time::timeout(Duration::from_secs(30), deciding).await;
    assert!(decided.is_ok(), "a decision waits for a slot");
    for (saga, reason) in [("stuck-0", "paid back"), ("stuck-1", "the bank is back")] {
        let inspected = inspected(&coordinator, saga).await;
        assert_eq!(inspected.record.state, State::Waiting);
        assert_eq!(reasons(&inspected), [reason]);
    }
    until.notify_one();
    becomes(&coordinator, "busy", State::Completed).await;
    becomes(&coordinator, "stuck-0", State::Compensated).await;
    becomes(&coordinator, "stuck-1", State::Compensated).await;
}
