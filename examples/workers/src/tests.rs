//! Nothing is lost and nothing is left over, whatever fails. `cargo run` kills a worker.

use std::sync::Arc;

use saga_runtime::testing::FailureMatrix;
use test_postgres::Server;
use tokio::sync::OnceCell;

use crate::order::PlaceOrder;
use crate::shop::{Shop, ShopError};
use crate::work;

#[tokio::test]
async fn an_order_is_the_same_in_both_workers() {
    let database = Server::shared().database().await;
    let first = work(database.url(), "first").await.expect("it is new");
    let second = work(database.url(), "second").await.expect("it is there");
    let order = first.submit("a", PlaceOrder { amount: 9 }).await;
    let same = second.execute("a", PlaceOrder { amount: 9 }).await;
    assert_eq!(same.expect("nothing fails"), 9);
    let order = order.expect("it is recorded").wait().await;
    assert_eq!(order.expect("nothing fails"), 9);
    let shop = Shop::open(database.url(), "first").await;
    let effects = shop.expect("it is there").effects().await;
    assert_eq!(effects.expect("it answers").0, 3);
    first.shutdown().await;
    second.shutdown().await;
}

#[test]
fn every_failure_of_an_order_ends_well() {
    let opened = Arc::new(OnceCell::new());
    // Each case has the same table, empty.
    let fresh = move || {
        let opened = Arc::clone(&opened);
        async move {
            let shop = opened.get_or_init(|| async {
                let database = Server::shared().database().await;
                let shop = Shop::open(database.url(), "first").await;
                (Arc::new(shop.expect("it is new")), database)
            });
            let (shop, _) = shop.await;
            shop.begin_anew().await.expect("it answers");
            Arc::clone(shop)
        }
    };
    FailureMatrix::new_async(fresh, || PlaceOrder { amount: 9 })
        .invariant_async("three effects, or none", async |shop, end| {
            let (effects, _) = shop.effects().await?;
            let all = if end.is_completed() { 3 } else { 0 };
            let is_right = effects == all;
            is_right
                .then_some(())
                .ok_or(ShopError::Refused("too many, or too few"))
        })
        .check();
}
