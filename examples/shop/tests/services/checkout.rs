//! The checkout: all of an order, or none of it.

use std::time::Duration;

use shop::checkout::ApprovalRules;
use shop::delivery::{DeliveryFaults, DeliveryRules};
use shop::payments::{PaymentFaults, PaymentRules};
use shop::proto::checkout::PlaceOrderRequest;
use shop::stock::{StockFaults, StockRules};
use tonic::Code;

use crate::fixture::Databases;
use crate::market::{GreedyPayments, Market, SlowPayments, Trouble, request, undone};

/// Longer than anybody waits.
const FOREVER: Option<Duration> = Some(Duration::from_hours(1));

/// The step that sets one item aside, in the saga that sets all of them aside.
const RESERVE: &str = "set_aside/reserve";

#[tokio::test]
async fn an_order_is_placed_with_its_payment_and_its_delivery() {
    let market = Market::in_trouble(Trouble::default()).await;
    let receipt = market
        .client
        .clone()
        .place_order(request())
        .await
        .expect("all is well")
        .into_inner();

    let order = receipt.order.expect("an order");
    let payment = receipt.payment.expect("a payment");
    let delivery = receipt.delivery.expect("a delivery");
    assert_eq!((order.amount, order.parcels), (9_900, 2));
    assert_eq!((payment.order_id, payment.amount), (order.id, 9_900));
    assert_eq!((delivery.order_id, delivery.parcels), (order.id, 2));
    let reserved = receipt.reservations.iter().map(|one| {
        assert_eq!(one.order_id, order.id);
        (one.article.as_str(), one.quantity)
    });
    assert!(reserved.eq([("tea", 2), ("pot", 1)]));
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
         compensated: `set_aside/reserve#1`, `set_aside/reserve`, `create_order`"
    );
    assert_eq!(failure.step, "charge");
    assert_eq!(
        failure.cause,
        "payments refused: 99.00 is over the limit of 50.00"
    );
    assert_eq!(
        failure.compensations,
        undone(&[RESERVE, RESERVE, "create_order"])
    );
    assert!(failure.compensated);
    assert_eq!(
        market.states().await,
        [
            vec!["cancelled"],
            vec!["cancelled", "cancelled"],
            vec![],
            vec![]
        ]
    );
}

#[tokio::test]
async fn an_item_that_is_out_of_stock_gives_the_others_and_the_money_back() {
    let stock_rules = StockRules {
        pieces: vec!["pot=0".parse().expect("pieces")],
    };
    let market = Market::in_trouble(Trouble {
        stock_rules,
        ..Trouble::default()
    })
    .await;

    let (status, failure) = market.fail().await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(failure.step, RESERVE);
    assert_eq!(
        failure.cause,
        "stock refused: 1 of `pot` are wanted, and 0 are left"
    );
    assert_eq!(
        failure.compensations,
        undone(&["charge", RESERVE, "create_order"])
    );
    assert_eq!(
        market.states().await,
        [
            vec!["cancelled"],
            vec!["cancelled"],
            vec!["cancelled"],
            vec![]
        ]
    );
}

#[tokio::test]
async fn an_item_that_was_set_aside_but_answered_too_late_is_put_back() {
    let stock_faults = StockFaults {
        stall_after_commit: FOREVER,
        stall_article: vec!["pot".parse().expect("an article")],
    };
    let market = Market::in_trouble(Trouble {
        stock_faults,
        ..Trouble::default()
    })
    .await;

    let (status, failure) = market.fail().await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(failure.step, RESERVE);
    assert_eq!(failure.cause, "no answer within 2s");
    assert!(failure.compensated);
    assert_eq!(
        market.states().await,
        [
            vec!["cancelled"],
            vec!["cancelled", "cancelled"],
            vec!["cancelled"],
            vec![]
        ]
    );
}

#[tokio::test]
async fn stock_and_payments_are_asked_at_the_same_time() {
    let slow = SlowPayments::default();
    let market = Market::with_payments(slow.clone(), None).await;
    let mut client = market.client.clone();
    let call = tokio::spawn(async move { client.place_order(request()).await });
    slow.asked.notified().await;

    let set_aside = async {
        while market.databases.states("reservations").await.len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let set_aside = tokio::time::timeout(Duration::from_mins(1), set_aside).await;
    set_aside.expect("stock does not wait for payments");
    slow.answer.notify_one();
    call.await.expect("no panic").expect("it is placed");
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
    assert_eq!(
        failure.compensations,
        undone(&["charge", RESERVE, RESERVE, "create_order"])
    );
    assert_eq!(
        market.states().await,
        [
            vec!["cancelled"],
            vec!["cancelled", "cancelled"],
            vec!["cancelled"],
            vec![]
        ]
    );
}

#[tokio::test]
async fn a_payment_that_was_taken_but_answered_too_late_is_given_back() {
    let amount = "99.00".parse().expect("an amount");
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
    assert_eq!(
        failure.compensations,
        undone(&["charge", RESERVE, RESERVE, "create_order"])
    );
    assert_eq!(
        market.states().await,
        [
            vec!["cancelled"],
            vec!["cancelled", "cancelled"],
            vec!["cancelled"],
            vec![]
        ]
    );
}

#[tokio::test]
async fn a_delivery_that_was_booked_but_answered_too_late_is_called_off() {
    let delivery_faults = DeliveryFaults {
        stall_after_commit: FOREVER,
        stall_parcels: vec![request().parcels],
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
        undone(&["ship", "charge", RESERVE, RESERVE, "create_order"])
    );
    assert_eq!(
        market.states().await,
        [
            vec!["cancelled"],
            vec!["cancelled", "cancelled"],
            vec!["cancelled"],
            vec!["cancelled"]
        ]
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
    let stock = databases
        .start_stock(StockRules::default(), StockFaults::default())
        .await;
    let approval = ApprovalRules::default();
    let market = Market::open(databases, &stock, &payments, &delivery, approval).await;
    payments.stop().await;

    let (status, failure) = market.fail().await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(failure.cause, "payments cannot be reached");
    assert_eq!(
        failure.compensations,
        undone(&[RESERVE, RESERVE, "create_order"])
    );
    let [orders, reservations, ..] = market.states().await;
    assert_eq!(orders, ["cancelled"]);
    assert_eq!(reservations, ["cancelled", "cancelled"]);
}

#[tokio::test]
async fn bad_input_is_an_invalid_argument_and_starts_nothing() {
    let market = Market::in_trouble(Trouble::default()).await;
    let mut free = request().items.remove(0);
    free.price = 0;
    for (request, message) in [
        (
            PlaceOrderRequest {
                items: Vec::new(),
                ..request()
            },
            "`items` is missing",
        ),
        (
            PlaceOrderRequest {
                items: vec![free],
                ..request()
            },
            "an amount must be more than zero",
        ),
        (
            PlaceOrderRequest {
                parcels: -1,
                ..request()
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
         compensated: `set_aside/reserve#1`, `set_aside/reserve`, `create_order`; \
         NOT compensated: `charge`: payments gave no answer: the till is stuck (5 attempts)"
    );
    assert_eq!(failure.compensations[0].step, "charge");
    assert_eq!(
        failure.compensations[0].error.as_deref(),
        Some("payments gave no answer: the till is stuck (5 attempts)")
    );
    assert_eq!(
        failure.compensations[1..],
        undone(&[RESERVE, RESERVE, "create_order"])
    );
    assert!(!failure.compensated);
}
