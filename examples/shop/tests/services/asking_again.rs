//! Orders that are asked for again: under one request id nothing is ordered twice, whatever has happened meanwhile.

use shop::checkout::{CheckoutService, Engine};
use shop::delivery::DeliveryRules;
use shop::proto::checkout::PlaceOrderRequest;
use shop::proto::checkout::checkout_server::Checkout as _;
use tonic::{Code, Request};

use crate::market::{Market, SlowPayments, Trouble, request};

/// An order that can be asked for again.
fn named(request_id: &str) -> PlaceOrderRequest {
    PlaceOrderRequest {
        request_id: request_id.to_owned(),
        ..request()
    }
}

#[tokio::test]
async fn a_customer_who_hangs_up_can_ask_again() {
    let slow = SlowPayments::default();
    let market = Market::with_payments(slow.clone(), None).await;
    let mut client = market.client.clone();
    let call = tokio::spawn(async move { client.place_order(named("mine")).await });
    slow.asked.notified().await;

    call.abort();
    call.await.expect_err("the customer is gone");
    slow.answer.notify_one();
    let again = market.client.clone().place_order(named("mine")).await;
    let order = again.expect("it was placed").into_inner().order;

    assert_eq!(order.map(|order| order.id), Some(1));
    assert_eq!(market.databases.states("orders").await, ["active"]);
    assert_eq!(market.databases.states("deliveries").await, ["active"]);
}

#[tokio::test]
async fn another_order_under_the_same_request_id_is_not_placed() {
    let market = Market::in_trouble(Trouble::default()).await;
    let mut client = market.client.clone();
    client.place_order(named("mine")).await.expect("it is new");
    let other = PlaceOrderRequest {
        parcels: 1,
        ..named("mine")
    };
    let error = client.place_order(other).await.expect_err("a conflict");
    assert_eq!(error.code(), Code::AlreadyExists);
    assert_eq!(market.databases.states("orders").await, ["active"]);
}

#[tokio::test]
async fn a_failure_that_is_asked_for_again_is_the_same_failure() {
    let trouble = Trouble {
        delivery_rules: DeliveryRules {
            max_parcels: Some(1),
        },
        ..Trouble::default()
    };
    let market = Market::in_trouble(trouble).await;
    let mut client = market.client.clone();
    let first = client.place_order(named("mine")).await;
    let again = client.place_order(named("mine")).await;
    let (first, again) = (first.expect_err("too many"), again.expect_err("too many"));
    assert_eq!(
        (first.code(), again.code()),
        (Code::FailedPrecondition, Code::Aborted)
    );
    assert_eq!(first.message(), again.message());
}

#[tokio::test]
async fn what_a_checkout_that_closes_has_begun_goes_on_in_the_next() {
    let slow = SlowPayments::default();
    let market = Market::with_payments(slow.clone(), None).await;
    let mut client = market.client.clone();
    let call = tokio::spawn(async move { client.place_order(named("mine")).await });
    slow.asked.notified().await;

    let drained = tokio::spawn(market.checkout.clone().drained());
    tokio::task::yield_now().await;
    assert!(!drained.is_finished());
    let late = market.client.clone().place_order(request()).await;
    let late = late.expect_err("it is closing");
    assert_eq!(
        (late.code(), late.message()),
        (Code::Unavailable, "the checkout is closing")
    );

    slow.answer.notify_one();
    let cut_off = call.await.expect("no panic").expect_err("it goes on later");
    assert_eq!(cut_off.code(), Code::Unavailable);
    drained.await.expect("no panic");

    let next = Engine::on_journal(market.shop.clone(), market.journal.clone()).await;
    let next = CheckoutService::new(next.expect("nobody else uses the journal"));
    let receipt = next.place_order(Request::new(named("mine"))).await;
    receipt.expect("it is placed by the next");
    assert_eq!(market.databases.states("deliveries").await, ["active"]);
}
