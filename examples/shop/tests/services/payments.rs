//! Payments: one answer per key, for good.

use std::time::{Duration, Instant};

use shop::money::Money;
use shop::payments::{PaymentFaults, PaymentRules};
use shop::proto::payments::cancel_payment_request::Payment as Target;
use shop::proto::payments::payments_client::PaymentsClient;
use shop::proto::payments::{CancelPaymentRequest, CreatePaymentRequest};
use tonic::Code;
use tonic::transport::Channel;

use crate::fixture::Databases;

async fn payments(databases: &Databases, rules: PaymentRules) -> PaymentsClient<Channel> {
    PaymentsClient::new(
        databases
            .start_payments(rules, PaymentFaults::default())
            .await
            .channel(),
    )
}

fn create(key: &str, amount: i64) -> CreatePaymentRequest {
    CreatePaymentRequest {
        idempotency_key: key.to_owned(),
        order_id: 7,
        amount,
    }
}

fn cancel(target: Target) -> CancelPaymentRequest {
    CancelPaymentRequest {
        payment: Some(target),
    }
}

fn limit(amount: &str) -> PaymentRules {
    PaymentRules {
        limit: Some(amount.parse().expect("an amount")),
    }
}

fn key(key: &str) -> Target {
    Target::IdempotencyKey(key.to_owned())
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let databases = Databases::new();
    let mut payments = payments(&databases, PaymentRules::default()).await;

    let first = payments
        .create_payment(create("key", 100))
        .await
        .expect("it is taken");
    let again = payments
        .create_payment(create("key", 100))
        .await
        .expect("it was taken");

    assert_eq!(first.into_inner(), again.into_inner());
    assert_eq!(databases.states("payments").await, ["active"]);
}

#[tokio::test]
async fn requests_with_one_key_at_the_same_time_take_one_payment() {
    let databases = Databases::new();
    let payments = payments(&databases, PaymentRules::default()).await;

    let requests = (0..8).map(|_| {
        let mut payments = payments.clone();
        tokio::spawn(async move { payments.create_payment(create("key", 100)).await })
    });
    for request in requests.collect::<Vec<_>>() {
        let payment = request.await.expect("no panic").expect("it is taken");
        assert_eq!(payment.into_inner().id, 1);
    }
    assert_eq!(databases.states("payments").await, ["active"]);
}

#[tokio::test]
async fn a_creation_and_its_cancellation_at_the_same_time_leave_nothing() {
    let databases = Databases::new();
    let payments = payments(&databases, PaymentRules::default()).await;
    for round in 0..20 {
        let name = format!("key-{round}");
        let (mut early, mut late) = (payments.clone(), payments.clone());
        let (_either, cancelled) = tokio::join!(
            early.create_payment(create(&name, 100)),
            late.cancel_payment(cancel(key(&name)))
        );
        cancelled.expect("cancelling always works");
    }
    assert!(
        !databases
            .states("payments")
            .await
            .contains(&"active".to_owned())
    );
}

#[tokio::test]
async fn a_refusal_is_final_even_when_the_limit_is_raised() {
    let databases = Databases::new();
    let mut strict = payments(&databases, limit("1.00")).await;
    let refusal = strict
        .create_payment(create("key", 101))
        .await
        .expect_err("over the limit");
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    assert_eq!(refusal.message(), "1.01 is over the limit of 1.00");

    let mut generous = payments(&databases, limit("9.00")).await;
    let again = generous
        .create_payment(create("key", 101))
        .await
        .expect_err("it was refused");
    assert_eq!(
        (again.code(), again.message()),
        (refusal.code(), refusal.message())
    );

    generous
        .create_payment(create("another key", 101))
        .await
        .expect_err("no visible ASCII");
    generous
        .create_payment(create("another-key", 101))
        .await
        .expect("within the new limit");
}

#[tokio::test]
async fn a_key_that_is_cancelled_first_refuses_late_requests() {
    let databases = Databases::new();
    let mut payments = payments(&databases, PaymentRules::default()).await;

    payments
        .cancel_payment(cancel(key("key")))
        .await
        .expect("nothing to cancel yet");
    for _ in 0..2 {
        let late = payments
            .create_payment(create("key", 100))
            .await
            .expect_err("too late");
        assert_eq!(late.code(), Code::FailedPrecondition);
        assert_eq!(late.message(), "this idempotency key was cancelled");
    }
    assert!(databases.states("payments").await.is_empty());
}

#[tokio::test]
async fn a_cancelled_payment_stays_cancelled() {
    let databases = Databases::new();
    let mut payments = payments(&databases, PaymentRules::default()).await;
    let payment = payments
        .create_payment(create("key", 100))
        .await
        .expect("it is taken");
    let id = payment.into_inner().id;

    for target in [Target::Id(id), key("key"), Target::Id(id)] {
        payments
            .cancel_payment(cancel(target))
            .await
            .expect("cancelled");
        assert_eq!(databases.states("payments").await, ["cancelled"]);
    }
    let again = payments
        .create_payment(create("key", 100))
        .await
        .expect_err("it was cancelled");
    assert_eq!(again.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_refused_key_can_be_cancelled() {
    let mut payments = payments(&Databases::new(), limit("1.00")).await;
    payments
        .create_payment(create("key", 101))
        .await
        .expect_err("over the limit");
    payments
        .cancel_payment(cancel(key("key")))
        .await
        .expect("there is nothing to undo");
}

#[tokio::test]
async fn a_key_cannot_be_used_for_another_request() {
    let mut payments = payments(&Databases::new(), PaymentRules::default()).await;
    payments
        .create_payment(create("key", 100))
        .await
        .expect("it is taken");
    let other = payments
        .create_payment(create("key", 101))
        .await
        .expect_err("another amount");
    assert_eq!(other.code(), Code::AlreadyExists);
}

#[tokio::test]
async fn an_answer_can_be_kept_back() {
    let stall = Duration::from_millis(50);
    let amount = Money::from_minor_units(100).expect("positive");
    let faults = PaymentFaults {
        stall_after_commit: Some(stall),
        stall_amount: vec![amount],
    };
    let running = Databases::new()
        .start_payments(PaymentRules::default(), faults)
        .await;
    let mut payments = PaymentsClient::new(running.channel());

    let begin = Instant::now();
    payments
        .create_payment(create("key", 100))
        .await
        .expect("it is taken");
    assert!(begin.elapsed() >= stall);
}

#[tokio::test]
async fn bad_input_is_an_invalid_argument_that_says_what_is_wrong() {
    let mut payments = payments(&Databases::new(), PaymentRules::default()).await;
    let long = "k".repeat(256);
    for (request, message) in [
        (
            create("", 100),
            "`idempotency_key` must be 1 to 255 visible ASCII characters",
        ),
        (
            create(&long, 100),
            "`idempotency_key` must be 1 to 255 visible ASCII characters",
        ),
        (
            create("schlüssel", 100),
            "`idempotency_key` must be 1 to 255 visible ASCII characters",
        ),
        (create("key", 0), "an amount must be more than zero"),
        (create("key", -1), "an amount must be more than zero"),
        (
            CreatePaymentRequest {
                order_id: 0,
                ..create("key", 1)
            },
            "`order_id` must be more than zero",
        ),
    ] {
        let error = payments.create_payment(request).await.expect_err(message);
        assert_eq!(
            (error.code(), error.message()),
            (Code::InvalidArgument, message)
        );
    }
    let nothing = payments
        .cancel_payment(CancelPaymentRequest { payment: None })
        .await;
    let nothing = nothing.expect_err("no target");
    assert_eq!(
        (nothing.code(), nothing.message()),
        (Code::InvalidArgument, "`payment` is missing")
    );
    let unknown = payments
        .cancel_payment(cancel(Target::Id(99)))
        .await
        .expect_err("no such");
    assert_eq!(
        (unknown.code(), unknown.message()),
        (Code::NotFound, "there is no payment 99")
    );
}
