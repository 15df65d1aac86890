//! The saga does not know where it runs: every failure of it is tried in memory.

use saga_runtime::testing::FailureMatrix;

use crate::order::{PAID, PlaceOrder, Shop};

#[test]
fn every_failure_of_an_order_ends_well() {
    FailureMatrix::new(Shop::default, || PlaceOrder { amount: 80 })
        .event(PAID, &80)
        .invariant("it is created and shipped, or nothing", |shop, end| {
            shop.effects().len() == if end.is_completed() { 2 } else { 0 }
        })
        .check();
}

#[test]
fn a_request_that_comes_after_its_cancellation_is_refused() {
    let shop = Shop::default();
    shop.carry_out("a").expect("it is new");
    shop.cancel("a");
    shop.cancel("b");
    for key in ["a", "b"] {
        let late = shop.carry_out(key);
        late.expect_err("it was cancelled");
    }
    assert!(shop.effects().is_empty());
}

#[test]
fn an_order_is_shipped_although_its_service_was_away() {
    crate::main().expect("the server has kept the payment");
}
