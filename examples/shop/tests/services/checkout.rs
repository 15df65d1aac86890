//! The checkout: all of an order, or none of it.

use std::time::Duration;

use shop::checkout::CheckoutService;
use shop::delivery::{DeliveryFaults, DeliveryRules};
use shop::money::Money;
use shop::payments::{PaymentFaults, PaymentRules};
use shop::proto::checkout::checkout_server::Checkout as _;
use shop::proto::checkout::{Compensation, PlaceOrderRequest};
use tonic::{Code, Request};

use crate::fixture::Databases;
use crate::market::{GreedyPayments, Market, REQUEST, SlowPayments, Trouble};

/// Longer than anybody waits.
const FOREVER: Option<Duration> = Some(Duration::from_hours(1));

fn undone(steps: &[&str]) -> Vec<Compensation> {
    steps
        .iter()
        .map(|step| Compensation {
            step: (*step).to_owned(),
            error: None,
        })
        .collect()
}

#[tokio::test]
async fn an_order_is_placed_with_its_payment_and_its_delivery() {
    let market = Market::in_trouble(Trouble::default()).await;
    let receipt = market
        .client
        .clone()
        .place_order(REQUEST)
        .await
        .expect("all is well")
        .into_inner();

    let order = receipt.order.expect("an order");
    let payment = receipt.payment.expect("a payment");
    let delivery = receipt.delivery.expect("a delivery");
    assert_eq!((order.amount, order.parcels), (9_900, 2));
    assert_eq!((payment.order_id, payment.amount), (order.id, 9_900));
    assert_eq!((delivery.order_id, delivery.parcels), (order.id, 2));
}

#[tokio::test]
async fn a_refused_payment_cancels_the_order_and_is_not_cancelled_itself() {
    let limit = Some("50".parse().expect("an amount"));
    let market = Market::in_trouble(Trouble {
        payment_rules: PaymentRules { limit },
        ..Trouble::default()
    })
    .await;

    let (status, failure) = market.fail().await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(
        status.message(),
        "saga `place_order` failed at step `charge`: payments refused: 99.00 is over the limit of 50.00; \
         compensated: `create_order`"
    );
    assert_eq!(failure.step, "charge");
    assert_eq!(
        failure.cause,
        "payments refused: 99.00 is over the limit of 50.00"
    );
    assert_eq!(failure.compensations, undone(&["create_order"]));
    assert!(failure.compensated);
    assert_eq!(market.states().await, [vec!["cancelled"], vec![], vec![]]);
}

#[tokio::test]
async fn a_refused_delivery_gives_the_money_back() {
    let delivery_rules = DeliveryRules {
        max_parcels: Some(1),
    };
    let market = Market::in_trouble(Trouble {
        delivery_rules,
        ..Trouble::default()
    })
    .await;

    let (status, failure) = market.fail().await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(failure.step, "ship");
    assert_eq!(failure.compensations, undone(&["charge", "create_order"]));
    assert_eq!(
        market.states().await,
        [vec!["cancelled"], vec!["cancelled"], vec![]]
    );
}

#[tokio::test]
async fn a_payment_that_was_taken_but_answered_too_late_is_given_back() {
    let amount = Money::from_minor_units(REQUEST.amount).expect("positive");
    let payment_faults = PaymentFaults {
        stall_after_commit: FOREVER,
        stall_amount: vec![amount],
    };
    let market = Market::in_trouble(Trouble {
        payment_faults,
        ..Trouble::default()
    })
    .await;

    let (status, failure) = market.fail().await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(failure.step, "charge");
    assert_eq!(failure.cause, "no answer within 2s");
    assert_eq!(failure.compensations, undone(&["charge", "create_order"]));
    assert_eq!(
        market.states().await,
        [vec!["cancelled"], vec!["cancelled"], vec![]]
    );
}

#[tokio::test]
async fn a_delivery_that_was_booked_but_answered_too_late_is_called_off() {
    let delivery_faults = DeliveryFaults {
        stall_after_commit: FOREVER,
        stall_parcels: vec![REQUEST.parcels],
    };
    let market = Market::in_trouble(Trouble {
        delivery_faults,
        ..Trouble::default()
    })
    .await;

    let (status, failure) = market.fail().await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(failure.step, "ship");
    assert_eq!(
        failure.compensations,
        undone(&["ship", "charge", "create_order"])
    );
    assert_eq!(
        market.states().await,
        [vec!["cancelled"], vec!["cancelled"], vec!["cancelled"]]
    );
}

#[tokio::test]
async fn a_service_that_is_not_there_was_never_asked_and_needs_no_compensation() {
    let databases = Databases::new();
    let payments = databases
        .start_payments(PaymentRules::default(), PaymentFaults::default())
        .await;
    let delivery = databases
        .start_delivery(DeliveryRules::default(), DeliveryFaults::default())
        .await;
    let market = Market::open(databases, &payments, &delivery).await;
    payments.stop().await;

    let (status, failure) = market.fail().await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(failure.cause, "payments cannot be reached");
    assert_eq!(failure.compensations, undone(&["create_order"]));
    assert_eq!(market.states().await, [vec!["cancelled"], vec![], vec![]]);
}

#[tokio::test]
async fn bad_input_is_an_invalid_argument_and_starts_nothing() {
    let market = Market::in_trouble(Trouble::default()).await;
    for (request, message) in [
        (
            PlaceOrderRequest {
                amount: 0,
                ..REQUEST
            },
            "an amount must be more than zero",
        ),
        (
            PlaceOrderRequest {
                parcels: -1,
                ..REQUEST
            },
            "`parcels` must be more than zero",
        ),
    ] {
        let error = market
            .client
            .clone()
            .place_order(request)
            .await
            .expect_err(message);
        assert_eq!(
            (error.code(), error.message()),
            (Code::InvalidArgument, message)
        );
    }
    assert!(market.databases.states("orders").await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_compensated_is_named_and_the_rest_is_compensated_all_the_same() {
    let market = Market::with_payments(GreedyPayments, Some(1)).await;

    let (status, failure) = market.fail().await;
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(
        status.message(),
        "saga `place_order` failed at step `ship`: delivery refused: 2 parcels, but a courier takes 1; \
         compensated: `create_order`; \
         NOT compensated: `charge`: payments gave no answer: the till is stuck (5 attempts)"
    );
    assert_eq!(failure.compensations[0].step, "charge");
    assert_eq!(
        failure.compensations[0].error.as_deref(),
        Some("payments gave no answer: the till is stuck (5 attempts)")
    );
    assert_eq!(failure.compensations[1..], undone(&["create_order"]));
    assert!(!failure.compensated);
}

/// An order that can be asked for again.
fn named(request_id: &str) -> PlaceOrderRequest {
    PlaceOrderRequest {
        request_id: request_id.to_owned(),
        ..REQUEST
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
        amount: 1,
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
    let late = market.client.clone().place_order(REQUEST).await;
    let late = late.expect_err("it is closing");
    assert_eq!(
        (late.code(), late.message()),
        (Code::Unavailable, "the checkout is closing")
    );

    slow.answer.notify_one();
    let cut_off = call.await.expect("no panic").expect_err("it goes on later");
    assert_eq!(cut_off.code(), Code::Unavailable);
    drained.await.expect("no panic");

    let next = CheckoutService::open(market.shop.clone(), market.journal.clone()).await;
    let next = next.expect("nobody else uses the journal");
    let receipt = next.place_order(Request::new(named("mine"))).await;
    receipt.expect("it is placed by the next");
    assert_eq!(market.databases.states("deliveries").await, ["active"]);
}
