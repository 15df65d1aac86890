//! Large orders: each waits until somebody approves of it or rejects it, but not for ever.

use std::time::Duration;

use saga_runtime::coordinator::Inspector;
use saga_runtime::{Events, InProcess, SagaId};
use shop::checkout::{
    APPROVAL, ApprovalRules, CheckoutService, Engine, OrderRequest, PlaceOrder, Shop, Verdict,
};
use shop::proto::checkout::checkout_server::Checkout as _;
use shop::proto::checkout::{
    ApproveRequest, ApproveResponse, Failure, PlaceOrderRequest, Receipt, RejectRequest,
};
use tokio::task::JoinHandle;
use tonic::{Code, Request, Status};

use crate::market::{Market, Trouble, request, undone};

/// A market in which the order needs an approval.
async fn market(within: Duration) -> Market {
    let approval = ApprovalRules {
        approval_over: Some("50".parse().expect("an amount")),
        approval_within: within,
    };
    Market::in_trouble(Trouble {
        approval,
        ..Trouble::default()
    })
    .await
}

const HOUR: Duration = Duration::from_hours(1);

impl Market {
    /// Places the order in a task of its own, and waits until it waits for its approval.
    async fn place_large(&self) -> JoinHandle<Result<Receipt, Status>> {
        let mut client = self.client.clone();
        let order = tokio::spawn(async move {
            let placed = client.place_order(large()).await;
            placed.map(tonic::Response::into_inner)
        });
        self.until_it_waits().await;
        order
    }

    async fn until_it_waits(&self) {
        let inspector = Inspector::new(self.journal.clone());
        let id = SagaId::new("large").expect("an id");
        let waits = async {
            loop {
                let saga = inspector.inspect(&id).await.expect("it can be read");
                if saga.is_some_and(|saga| saga.awaits(APPROVAL)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let waits = tokio::time::timeout(Duration::from_mins(1), waits).await;
        waits.expect("it waits for an approval");
    }

    async fn approve(&self, id: &str) -> Result<ApproveResponse, Status> {
        let request_id = id.to_owned();
        let mut client = self.client.clone();
        let approved = client.approve(ApproveRequest { request_id }).await;
        approved.map(tonic::Response::into_inner)
    }
}

fn large() -> PlaceOrderRequest {
    PlaceOrderRequest {
        request_id: "large".to_owned(),
        ..request()
    }
}

#[tokio::test]
async fn a_large_order_is_delivered_when_it_is_approved_and_not_before() {
    let market = market(HOUR).await;
    let order = market.place_large().await;
    assert_eq!(
        market.states().await,
        [
            vec!["active"],
            vec!["active", "active"],
            vec!["active"],
            vec![]
        ]
    );
    market.approve("large").await.expect("it waits for that");
    let receipt = order.await.expect("no panic").expect("it is approved");
    assert_eq!(receipt.delivery.expect("a delivery").order_id, 1);
}

#[tokio::test]
async fn a_rejected_order_is_undone_and_says_why() {
    let market = market(HOUR).await;
    let order = market.place_large().await;
    let rejection = RejectRequest {
        request_id: "large".to_owned(),
        reason: "too dear".to_owned(),
    };
    let rejected = market.client.clone().reject(rejection).await;
    rejected.expect("it waits for that");
    let status = order.await.expect("no panic").expect_err("it is rejected");
    assert_eq!(status.code(), Code::FailedPrecondition);
    let failure = Failure::from_status(&status).expect("the checkout says why");
    assert_eq!(
        (failure.step.as_str(), failure.cause.as_str()),
        ("", "rejected: too dear")
    );
    let all = [
        "charge",
        "set_aside/reserve",
        "set_aside/reserve",
        "create_order",
    ];
    assert_eq!(failure.compensations, undone(&all));
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
async fn an_order_that_nobody_approves_of_in_time_is_undone() {
    let market = market(Duration::from_millis(50)).await;
    let (status, failure) = market.fail().await;
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(failure.cause, "nobody has approved it within 50ms");
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
async fn only_an_order_that_waits_is_approved_of_and_only_once() {
    let market = market(HOUR).await;
    let unknown = market.approve("large").await.expect_err("not yet");
    assert_eq!(
        (unknown.code(), unknown.message()),
        (Code::NotFound, "there is no order `large`")
    );
    let order = market.place_large().await;
    market.approve("large").await.expect("it waits for that");
    let twice = market.approve("large").await.expect_err("once is enough");
    assert_eq!(twice.code(), Code::FailedPrecondition);
    order.await.expect("no panic").expect("it is approved");
    let late = market.approve("large").await.expect_err("it is placed");
    assert_eq!(
        (late.code(), late.message()),
        (
            Code::FailedPrecondition,
            "order `large` does not wait for an approval: it is completed"
        )
    );
}

#[tokio::test]
async fn an_order_that_waits_goes_on_in_the_next_checkout_under_the_rule_it_was_begun_with() {
    let market = market(HOUR).await;
    let order = market.place_large().await;
    market.checkout.clone().drained().await;
    let cut_off = order
        .await
        .expect("no panic")
        .expect_err("it goes on later");
    assert_eq!(cut_off.code(), Code::Unavailable);

    let shop = Shop {
        approval: ApprovalRules::default(),
        ..market.shop.clone()
    };
    let next = Engine::on_journal(shop, market.journal.clone()).await;
    let next = CheckoutService::new(next.expect("nobody else uses the journal"));
    let again = next.clone();
    let again = tokio::spawn(async move { again.place_order(Request::new(large())).await });
    let request_id = "large".to_owned();
    let approved = next.approve(Request::new(ApproveRequest { request_id }));
    approved.await.expect("it still waits");
    again.await.expect("no panic").expect("it is approved");
    assert_eq!(market.databases.states("orders").await, ["active"]);
    assert_eq!(market.databases.states("payments").await, ["active"]);
    assert_eq!(market.databases.states("deliveries").await, ["active"]);
}

#[tokio::test]
async fn the_same_saga_waits_for_its_approval_without_a_journal() {
    let market = market(HOUR).await;
    let request = OrderRequest {
        items: vec!["tea=2@40".parse().expect("an item")],
        parcels: 1,
    };
    let events = Events::new();
    let order = InProcess::new(&market.shop)
        .receives(events.clone())
        .execute(PlaceOrder { request });
    let approved = events.send(APPROVAL, &Verdict::Approved);
    approved.expect("a verdict can be written down");
    let receipt = order.await.expect("it is approved");
    assert_eq!(receipt.order.amount, 8_000);
    assert_eq!(market.databases.states("deliveries").await, ["active"]);
}
