//! A checkout over four services, and payments that make trouble.

use std::sync::Arc;

use saga_runtime::journal::Memory;
use shop::checkout::{Addresses, ApprovalRules, CheckoutService, Engine, Shop};
use shop::delivery::{DeliveryFaults, DeliveryRules};
use shop::item::LineItem;
use shop::payments::{PaymentFaults, PaymentRules};
use shop::proto::checkout::checkout_client::CheckoutClient;
use shop::proto::checkout::checkout_server::CheckoutServer;
use shop::proto::checkout::{Compensation, Failure, PlaceOrderRequest};
use shop::proto::orders;
use shop::proto::payments::payments_server::{Payments, PaymentsServer};
use shop::proto::payments::{
    CancelPaymentRequest, CancelPaymentResponse, CreatePaymentRequest, Payment,
};
use shop::server::Server;
use shop::stock::{StockFaults, StockRules};
use tokio::sync::Notify;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::fixture::{Databases, Running};

/// What is ordered: for 99.00, in two parcels.
pub(crate) fn request() -> PlaceOrderRequest {
    PlaceOrderRequest {
        items: vec![item("tea=2@12.00"), item("pot=1@75.00")],
        parcels: 2,
        request_id: String::new(),
    }
}

fn item(text: &str) -> orders::LineItem {
    let item: LineItem = text.parse().expect("an item");
    orders::LineItem::from(&item)
}

/// These steps, all of them undone.
pub(crate) fn undone(steps: &[&str]) -> Vec<Compensation> {
    steps
        .iter()
        .map(|step| Compensation {
            step: (*step).to_owned(),
            error: None,
        })
        .collect()
}

/// A checkout over orders, stock, payments and delivery.
pub(crate) struct Market {
    pub(crate) databases: Databases,
    pub(crate) shop: Shop,
    pub(crate) journal: Memory,
    pub(crate) checkout: CheckoutService,
    pub(crate) client: CheckoutClient<Channel>,
}

/// What goes wrong in a market.
#[derive(Default)]
pub(crate) struct Trouble {
    pub(crate) approval: ApprovalRules,
    pub(crate) stock_rules: StockRules,
    pub(crate) stock_faults: StockFaults,
    pub(crate) payment_rules: PaymentRules,
    pub(crate) payment_faults: PaymentFaults,
    pub(crate) delivery_rules: DeliveryRules,
    pub(crate) delivery_faults: DeliveryFaults,
}

impl Market {
    pub(crate) async fn in_trouble(trouble: Trouble) -> Self {
        let databases = Databases::new();
        let stock = databases.start_stock(trouble.stock_rules, trouble.stock_faults);
        let payments = databases.start_payments(trouble.payment_rules, trouble.payment_faults);
        let delivery = databases.start_delivery(trouble.delivery_rules, trouble.delivery_faults);
        let (stock, payments, delivery) = tokio::join!(stock, payments, delivery);
        Self::open(databases, &stock, &payments, &delivery, trouble.approval).await
    }

    /// A market with these payments, and a delivery that takes so many parcels.
    pub(crate) async fn with_payments(payments: impl Payments, max_parcels: Option<i32>) -> Self {
        let service = Server::new().offer(PaymentsServer::new(payments)).await;
        let payments = Running::start(service).await;
        let databases = Databases::new();
        let rules = DeliveryRules { max_parcels };
        let delivery = databases.start_delivery(rules, DeliveryFaults::default());
        let stock = databases.start_stock(StockRules::default(), StockFaults::default());
        let (stock, delivery) = tokio::join!(stock, delivery);
        let approval = ApprovalRules::default();
        Self::open(databases, &stock, &payments, &delivery, approval).await
    }

    pub(crate) async fn open(
        databases: Databases,
        stock: &Running,
        payments: &Running,
        delivery: &Running,
        approval: ApprovalRules,
    ) -> Self {
        let orders = databases.start_orders().await;
        let addresses = Addresses {
            orders: orders.address,
            stock: stock.address.clone(),
            payments: payments.address.clone(),
            delivery: delivery.address.clone(),
        };
        let shop = Shop::connect(&addresses, approval);
        let journal = Memory::new();
        let engine = Engine::on_journal(shop.clone(), journal.clone()).await;
        let checkout = CheckoutService::new(engine.expect("the journal is new"));
        let server = Server::new()
            .offer(CheckoutServer::new(checkout.clone()))
            .await;
        let client = CheckoutClient::new(Running::start(server).await.channel());
        Self {
            databases,
            shop,
            journal,
            checkout,
            client,
        }
    }

    /// Places the order, which must fail.
    pub(crate) async fn fail(&self) -> (Status, Failure) {
        let status = self
            .client
            .clone()
            .place_order(request())
            .await
            .expect_err("trouble");
        let failure = Failure::from_status(&status).expect("the checkout says why");
        (status, failure)
    }

    /// The states of all orders, reservations, payments and deliveries.
    pub(crate) async fn states(&self) -> [Vec<String>; 4] {
        let states = ["orders", "reservations", "payments", "deliveries"];
        let [orders, reservations, payments, deliveries] =
            states.map(|table| self.databases.states(table));
        tokio::join!(orders, reservations, payments, deliveries).into()
    }
}

/// Payments that says when it is asked, and answers when it is told to.
#[derive(Clone, Default)]
pub(crate) struct SlowPayments {
    pub(crate) asked: Arc<Notify>,
    pub(crate) answer: Arc<Notify>,
}

#[tonic::async_trait]
impl Payments for SlowPayments {
    async fn create_payment(
        &self,
        request: Request<CreatePaymentRequest>,
    ) -> Result<Response<Payment>, Status> {
        self.asked.notify_one();
        self.answer.notified().await;
        Ok(taken(&request.into_inner()))
    }

    async fn cancel_payment(
        &self,
        _: Request<CancelPaymentRequest>,
    ) -> Result<Response<CancelPaymentResponse>, Status> {
        Ok(Response::new(CancelPaymentResponse {}))
    }
}

/// Payments that takes money, and never gives it back.
pub(crate) struct GreedyPayments;

#[tonic::async_trait]
impl Payments for GreedyPayments {
    async fn create_payment(
        &self,
        request: Request<CreatePaymentRequest>,
    ) -> Result<Response<Payment>, Status> {
        Ok(taken(&request.into_inner()))
    }

    async fn cancel_payment(
        &self,
        _: Request<CancelPaymentRequest>,
    ) -> Result<Response<CancelPaymentResponse>, Status> {
        Err(Status::internal("the till is stuck"))
    }
}

fn taken(request: &CreatePaymentRequest) -> Response<Payment> {
    Response::new(Payment {
        id: 1,
        order_id: request.order_id,
        amount: request.amount,
    })
}
