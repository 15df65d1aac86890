//! Orders: one answer per key, for good.

use shop::proto::orders::cancel_order_request::Order as Target;
use shop::proto::orders::orders_client::OrdersClient;
use shop::proto::orders::{
    CancelOrderRequest, CreateOrderRequest, GetOrderRequest, LineItem, OrderState,
};
use tonic::Code;
use tonic::transport::Channel;

use crate::fixture::Databases;

async fn orders(databases: &Databases) -> OrdersClient<Channel> {
    OrdersClient::new(databases.start_orders().await.channel())
}

/// Two pieces at this price.
fn create(key: &str, price: i64) -> CreateOrderRequest {
    CreateOrderRequest {
        idempotency_key: key.to_owned(),
        items: vec![tea(2, price)],
        parcels: 2,
    }
}

fn tea(quantity: i32, price: i64) -> LineItem {
    LineItem {
        article: "tea".to_owned(),
        quantity,
        price,
    }
}

fn cancel(target: Target) -> CancelOrderRequest {
    CancelOrderRequest {
        order: Some(target),
    }
}

fn key(key: &str) -> Target {
    Target::IdempotencyKey(key.to_owned())
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let databases = Databases::new();
    let mut orders = orders(&databases).await;

    let first = orders
        .create_order(create("key", 100))
        .await
        .expect("it is taken down");
    let again = orders
        .create_order(create("key", 100))
        .await
        .expect("it was taken down");

    assert_eq!(first.into_inner(), again.into_inner());
    assert_eq!(databases.states("orders").await, ["active"]);
}

#[tokio::test]
async fn an_order_can_be_read_until_and_after_it_is_cancelled() {
    let mut orders = orders(&Databases::new()).await;
    let created = orders
        .create_order(create("key", 100))
        .await
        .expect("it is taken down")
        .into_inner();
    let read = GetOrderRequest { id: created.id };

    let active = orders
        .get_order(read)
        .await
        .expect("it is there")
        .into_inner();
    assert_eq!((active.amount, active.parcels), (200, 2));
    assert_eq!(active.items, [tea(2, 100)]);
    assert_eq!(active.state(), OrderState::Active);
    assert_eq!(active, created);

    orders
        .cancel_order(cancel(Target::Id(created.id)))
        .await
        .expect("cancelled");
    let cancelled = orders
        .get_order(read)
        .await
        .expect("it is still there")
        .into_inner();
    assert_eq!(cancelled.state(), OrderState::Cancelled);
}

#[tokio::test]
async fn a_key_that_is_cancelled_first_refuses_late_requests() {
    let databases = Databases::new();
    let mut orders = orders(&databases).await;

    orders
        .cancel_order(cancel(key("key")))
        .await
        .expect("nothing to cancel yet");
    let late = orders
        .create_order(create("key", 100))
        .await
        .expect_err("too late");

    assert_eq!(late.code(), Code::FailedPrecondition);
    assert!(databases.states("orders").await.is_empty());
}

#[tokio::test]
async fn a_key_cannot_be_used_for_other_items() {
    let databases = Databases::new();
    let mut orders = orders(&databases).await;
    let created = orders.create_order(create("key", 100)).await;
    created.expect("it is taken down");
    // As dear, but less of it.
    let other = CreateOrderRequest {
        items: vec![tea(1, 200)],
        ..create("key", 100)
    };
    let other = orders.create_order(other).await.expect_err("other items");
    assert_eq!(other.code(), Code::AlreadyExists);
    assert_eq!(databases.states("orders").await, ["active"]);
}

#[tokio::test]
async fn a_cancelled_order_stays_cancelled() {
    let databases = Databases::new();
    let mut orders = orders(&databases).await;
    let order = orders
        .create_order(create("key", 100))
        .await
        .expect("it is taken down");
    let id = order.into_inner().id;

    for target in [Target::Id(id), key("key"), Target::Id(id)] {
        orders
            .cancel_order(cancel(target))
            .await
            .expect("cancelled");
        assert_eq!(databases.states("orders").await, ["cancelled"]);
    }
    let again = orders
        .create_order(create("key", 100))
        .await
        .expect_err("it was cancelled");
    assert_eq!(again.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn bad_input_is_an_invalid_argument_that_says_what_is_wrong() {
    let mut orders = orders(&Databases::new()).await;
    for (request, message) in [
        (
            create("", 100),
            "`idempotency_key` must be 1 to 255 visible ASCII characters",
        ),
        (create("key", -5), "an amount must be more than zero"),
        (
            CreateOrderRequest {
                items: vec![tea(0, 5)],
                ..create("key", 1)
            },
            "`quantity` must be more than zero",
        ),
        (
            CreateOrderRequest {
                items: vec![tea(2, i64::MAX)],
                ..create("key", 1)
            },
            "the amount is too large",
        ),
        (
            CreateOrderRequest {
                items: Vec::new(),
                ..create("key", 1)
            },
            "`items` is missing",
        ),
        (
            CreateOrderRequest {
                parcels: 0,
                ..create("key", 1)
            },
            "`parcels` must be more than zero",
        ),
    ] {
        let error = orders.create_order(request).await.expect_err(message);
        assert_eq!(
            (error.code(), error.message()),
            (Code::InvalidArgument, message)
        );
    }
    let nothing = orders
        .cancel_order(CancelOrderRequest { order: None })
        .await
        .expect_err("no target");
    assert_eq!(
        (nothing.code(), nothing.message()),
        (Code::InvalidArgument, "`order` is missing")
    );
    let unknown = orders
        .get_order(GetOrderRequest { id: 99 })
        .await
        .expect_err("no such");
    assert_eq!(
        (unknown.code(), unknown.message()),
        (Code::NotFound, "there is no order 99")
    );
}
