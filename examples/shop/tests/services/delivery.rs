//! Delivery: one answer per key, for good.

use std::time::{Duration, Instant};

use shop::delivery::{DeliveryFaults, DeliveryRules};
use shop::proto::delivery::cancel_delivery_request::Delivery as Target;
use shop::proto::delivery::deliveries_client::DeliveriesClient;
use shop::proto::delivery::{CancelDeliveryRequest, CreateDeliveryRequest};
use tonic::Code;
use tonic::transport::Channel;

use crate::fixture::Databases;

async fn delivery(databases: &Databases, rules: DeliveryRules) -> DeliveriesClient<Channel> {
    DeliveriesClient::new(
        databases
            .start_delivery(rules, DeliveryFaults::default())
            .await
            .channel(),
    )
}

fn create(key: &str, parcels: i32) -> CreateDeliveryRequest {
    CreateDeliveryRequest {
        idempotency_key: key.to_owned(),
        order_id: 7,
        parcels,
    }
}

fn cancel(target: Target) -> CancelDeliveryRequest {
    CancelDeliveryRequest {
        delivery: Some(target),
    }
}

fn key(key: &str) -> Target {
    Target::IdempotencyKey(key.to_owned())
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let databases = Databases::new();
    let mut delivery = delivery(&databases, DeliveryRules::default()).await;

    let first = delivery
        .create_delivery(create("key", 2))
        .await
        .expect("it is booked");
    let again = delivery
        .create_delivery(create("key", 2))
        .await
        .expect("it was booked");

    assert_eq!(first.into_inner(), again.into_inner());
    assert_eq!(databases.states("deliveries").await, ["active"]);
}

#[tokio::test]
async fn a_refusal_is_final_even_when_larger_couriers_come() {
    let databases = Databases::new();
    let mut small = delivery(
        &databases,
        DeliveryRules {
            max_parcels: Some(3),
        },
    )
    .await;
    let refusal = small
        .create_delivery(create("key", 4))
        .await
        .expect_err("too many");
    assert_eq!(refusal.code(), Code::FailedPrecondition);
    assert_eq!(refusal.message(), "4 parcels, but a courier takes 3");

    let mut large = delivery(
        &databases,
        DeliveryRules {
            max_parcels: Some(9),
        },
    )
    .await;
    let again = large
        .create_delivery(create("key", 4))
        .await
        .expect_err("it was refused");
    assert_eq!(
        (again.code(), again.message()),
        (refusal.code(), refusal.message())
    );
}

#[tokio::test]
async fn a_key_that_is_cancelled_first_refuses_late_requests() {
    let databases = Databases::new();
    let mut delivery = delivery(&databases, DeliveryRules::default()).await;

    delivery
        .cancel_delivery(cancel(key("key")))
        .await
        .expect("nothing to cancel yet");
    let late = delivery
        .create_delivery(create("key", 1))
        .await
        .expect_err("too late");

    assert_eq!(late.code(), Code::FailedPrecondition);
    assert!(databases.states("deliveries").await.is_empty());
}

#[tokio::test]
async fn a_cancelled_delivery_stays_cancelled() {
    let databases = Databases::new();
    let mut delivery = delivery(&databases, DeliveryRules::default()).await;
    let booked = delivery
        .create_delivery(create("key", 1))
        .await
        .expect("it is booked");
    let id = booked.into_inner().id;

    for target in [Target::Id(id), key("key"), Target::Id(id)] {
        delivery
            .cancel_delivery(cancel(target))
            .await
            .expect("cancelled");
        assert_eq!(databases.states("deliveries").await, ["cancelled"]);
    }
    let again = delivery
        .create_delivery(create("key", 1))
        .await
        .expect_err("it was cancelled");
    assert_eq!(again.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn an_answer_can_be_kept_back() {
    let stall = Duration::from_millis(50);
    let faults = DeliveryFaults {
        stall_after_commit: Some(stall),
        stall_parcels: vec![2],
    };
    let running = Databases::new()
        .start_delivery(DeliveryRules::default(), faults)
        .await;
    let mut delivery = DeliveriesClient::new(running.channel());

    let begin = Instant::now();
    delivery
        .create_delivery(create("key", 2))
        .await
        .expect("it is booked");
    assert!(begin.elapsed() >= stall);
}

#[tokio::test]
async fn bad_input_is_an_invalid_argument_that_says_what_is_wrong() {
    let mut delivery = delivery(&Databases::new(), DeliveryRules::default()).await;
    for (request, message) in [
        (
            create("", 1),
            "`idempotency_key` must be 1 to 255 visible ASCII characters",
        ),
        (create("key", 0), "`parcels` must be more than zero"),
        (
            CreateDeliveryRequest {
                order_id: -1,
                ..create("key", 1)
            },
            "`order_id` must be more than zero",
        ),
    ] {
        let error = delivery.create_delivery(request).await.expect_err(message);
        assert_eq!(
            (error.code(), error.message()),
            (Code::InvalidArgument, message)
        );
    }
    let nothing = delivery
        .cancel_delivery(CancelDeliveryRequest { delivery: None })
        .await;
    let nothing = nothing.expect_err("no target");
    assert_eq!(
        (nothing.code(), nothing.message()),
        (Code::InvalidArgument, "`delivery` is missing")
    );
    let unknown = delivery
        .cancel_delivery(cancel(Target::Id(99)))
        .await
        .expect_err("no such");
    assert_eq!(
        (unknown.code(), unknown.message()),
        (Code::NotFound, "there is no delivery 99")
    );
}
