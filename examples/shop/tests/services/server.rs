//! The server around every service.

use std::sync::Arc;

use shop::proto::orders::orders_client::OrdersClient;
use shop::proto::orders::orders_server::{Orders, OrdersServer};
use shop::proto::orders::{
    CancelOrderRequest, CancelOrderResponse, CreateOrderRequest, GetOrderRequest, Order,
};
use shop::server::Server;
use tokio::sync::Notify;
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::fixture::Running;

/// Orders that panic when they are read, and that are cancelled only when the test lets them.
#[derive(Default)]
struct Fragile {
    arrived: Notify,
    released: Notify,
}

/// The same one on both sides of the wire.
struct Shared(Arc<Fragile>);

#[tonic::async_trait]
impl Orders for Shared {
    async fn create_order(
        &self,
        _: Request<CreateOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        Ok(Response::new(Order::default()))
    }

    async fn cancel_order(
        &self,
        _: Request<CancelOrderRequest>,
    ) -> Result<Response<CancelOrderResponse>, Status> {
        self.0.arrived.notify_one();
        self.0.released.notified().await;
        Ok(Response::new(CancelOrderResponse {}))
    }

    async fn get_order(&self, _: Request<GetOrderRequest>) -> Result<Response<Order>, Status> {
        panic!("a bug")
    }
}

async fn start(fragile: &Arc<Fragile>) -> Running {
    let service = OrdersServer::new(Shared(Arc::clone(fragile)));
    Running::start(Server::new().offer(service).await).await
}

#[tokio::test]
async fn a_panic_in_a_handler_is_an_internal_error_and_nothing_worse() {
    let running = start(&Arc::default()).await;
    let mut orders = OrdersClient::new(running.channel());

    let panicked = orders
        .get_order(GetOrderRequest::default())
        .await
        .expect_err("it panics");
    assert_eq!(panicked.code(), Code::Internal);
    assert!(
        !panicked.message().contains("a bug"),
        "{}",
        panicked.message()
    );

    orders
        .create_order(CreateOrderRequest::default())
        .await
        .expect("the server lives");
}

#[tokio::test]
async fn the_health_check_knows_the_server_and_its_services() {
    let running = start(&Arc::default()).await;
    let mut health = HealthClient::new(running.channel());
    for service in ["", "shop.orders.v1.Orders"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let answer = health
            .check(request)
            .await
            .expect("it is known")
            .into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    let request = HealthCheckRequest {
        service: "shop.unknown".to_owned(),
    };
    assert_eq!(
        health.check(request).await.expect_err("unknown").code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn a_server_that_stops_lets_calls_under_way_end() {
    let fragile = Arc::<Fragile>::default();
    let running = start(&fragile).await;
    let mut orders = OrdersClient::new(running.channel());

    let call =
        tokio::spawn(async move { orders.cancel_order(CancelOrderRequest::default()).await });
    fragile.arrived.notified().await;
    let stopped = tokio::spawn(running.stop());
    tokio::task::yield_now().await;
    assert!(!stopped.is_finished());

    fragile.released.notify_one();
    call.await.expect("no panic").expect("it is answered");
    stopped.await.expect("no panic");
}
