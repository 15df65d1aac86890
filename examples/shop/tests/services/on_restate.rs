//! The checkout with its sagas on a Restate server: what its clients see is the same, but for what `checkout.proto` says.

use std::time::Duration;

use saga_restate::testing::Server as Restate;
use shop::checkout::{ApprovalRules, CheckoutService, Engine};
use shop::payments::PaymentRules;
use shop::proto::checkout::checkout_client::CheckoutClient;
use shop::proto::checkout::checkout_server::CheckoutServer;
use shop::proto::checkout::{ApproveRequest, Failure, PlaceOrderRequest, Receipt, RejectRequest};
use shop::server::Server;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tonic::codegen::http::Method;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::fixture::Running;
use crate::market::{GreedyPayments, Market, Trouble, request, undone};

/// A market with a second checkout, whose sagas are on a Restate server.
struct OnRestate {
    market: Market,
    restate: Restate,
    checkout: CheckoutService,
    client: CheckoutClient<Channel>,
}

impl OnRestate {
    async fn over(market: Market) -> Self {
        let restate = Restate::start().await.expect("a server");
        let (sagas, checkout, client) = serve(&market, &restate.ingress()).await;
        let registered = restate.register(&sagas).await;
        registered.expect("the sagas are there");
        Self {
            market,
            restate,
            checkout,
            client,
        }
    }

    /// All is well, but orders over 50.00 need an approval.
    async fn with_approvals() -> Self {
        let approval = ApprovalRules {
            approval_over: Some("50".parse().expect("an amount")),
            ..ApprovalRules::default()
        };
        let trouble = Trouble {
            approval,
            ..Trouble::default()
        };
        Self::over(Market::in_trouble(trouble).await).await
    }

    async fn place(&self, request_id: &str) -> Result<Receipt, Status> {
        let placed = self.client.clone().place_order(named(request_id)).await;
        placed.map(tonic::Response::into_inner)
    }

    /// Places the order in a task of its own, and waits until it waits for its approval.
    async fn place_large(&self) -> JoinHandle<Result<Receipt, Status>> {
        let mut client = self.client.clone();
        let order = tokio::spawn(async move {
            let placed = client.place_order(named("large")).await;
            placed.map(tonic::Response::into_inner)
        });
        let waits = async { while !self.waits().await {} };
        let waits = tokio::time::timeout(Duration::from_mins(1), waits).await;
        waits.expect("it waits for an approval");
        order
    }

    async fn waits(&self) -> bool {
        let waits = "SELECT key FROM sys_promise WHERE key = 'event/approval/0' AND NOT completed";
        let query = format!(r#"{{"query": "{waits}"}}"#);
        let answer = self.restate.ask(Method::POST, "/query", query).await;
        let answer = answer.expect("it tells");
        String::from_utf8_lossy(&answer).contains("event/approval/0")
    }

    async fn approve(&self, id: &str) -> Result<(), Status> {
        let request_id = id.to_owned();
        let mut client = self.client.clone();
        let approved = client.approve(ApproveRequest { request_id }).await;
        approved.map(|_| ())
    }

    /// Whether a command of the shop succeeds, and what it says.
    async fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_shop"))
            .args(arguments)
            .env("SHOP_RESTATE", self.restate.ingress())
            .output()
            .await
            .expect("it runs");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        (output.status.success(), text)
    }
}

/// Serves a checkout on the Restate server with this ingress; says where that would find its sagas.
async fn serve(
    market: &Market,
    ingress: &str,
) -> (String, CheckoutService, CheckoutClient<Channel>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let sagas = format!("http://{}", listener.local_addr().expect("it is bound"));
    let ingress = ingress.parse().expect("an address");
    let engine = Engine::on_restate(market.shop.clone(), &ingress, listener);
    let checkout = CheckoutService::new(engine.expect("an address"));
    let service = CheckoutServer::new(checkout.clone());
    let running = Running::start(Server::new().offer(service).await).await;
    let client = CheckoutClient::new(running.channel());
    (sagas, checkout, client)
}

fn named(request_id: &str) -> PlaceOrderRequest {
    PlaceOrderRequest {
        request_id: request_id.to_owned(),
        ..request()
    }
}

#[tokio::test]
async fn under_one_request_id_there_is_one_order_whatever_the_id_looks_like() {
    let shop = OnRestate::over(Market::in_trouble(Trouble::default()).await).await;
    for id in ["mine", "not mine/but yours?&%20#ü"] {
        let first = shop.place(id).await.expect("all is well");
        assert_eq!(first.delivery.expect("a delivery").parcels, 2);
        let again = shop.place(id).await.expect("it is known");
        assert_eq!(again, first);
        let other = PlaceOrderRequest {
            parcels: 1,
            ..named(id)
        };
        let conflict = shop.client.clone().place_order(other).await;
        assert_eq!(conflict.expect_err("another").code(), Code::AlreadyExists);
    }
    let unnamed = shop.place("").await.expect("it gets an id of its own");
    assert_eq!(unnamed.order.expect("an order").id, 3);
    assert_eq!(
        shop.market.databases.states("orders").await,
        ["active", "active", "active"]
    );
    let (shown, text) = shop.run(&["saga", "mine"]).await;
    assert!(shown, "{text}");
    assert!(text.starts_with("saga mine: completed\n"), "{text}");
    assert!(text.contains("/ui/invocations/inv_"), "{text}");
    let (shown, text) = shop.run(&["saga", "yours"]).await;
    assert_eq!(
        (shown, text.as_str()),
        (false, "there is no saga `yours`\n")
    );
    let (listed, text) = shop.run(&["sagas"]).await;
    assert!(!listed && text.contains("lists them itself"), "{text}");
    let (both, text) = shop.run(&["sagas", "--journal", "sagas.db"]).await;
    assert!(!both && text.contains("cannot be used with"), "{text}");
}

#[tokio::test]
async fn a_failure_says_the_same_as_on_a_journal() {
    let limit = Some("50".parse().expect("an amount"));
    let trouble = Trouble {
        payment_rules: PaymentRules { limit },
        ..Trouble::default()
    };
    let shop = OnRestate::over(Market::in_trouble(trouble).await).await;
    let (on_journal, failure_on_journal) = shop.market.fail().await;
    let first = shop.place("mine").await.expect_err("over the limit");
    let again = shop.place("mine").await.expect_err("over the limit");
    for status in [first, again] {
        assert_eq!(status.code(), Code::Aborted);
        assert_eq!(status.message(), on_journal.message());
        assert_eq!(
            Failure::from_status(&status).as_ref(),
            Some(&failure_on_journal)
        );
    }
    let (_, text) = shop.run(&["saga", "mine"]).await;
    assert!(
        text.starts_with("saga mine: saga `place_order` failed at step `charge`: payments refused"),
        "{text}"
    );
}

#[tokio::test]
async fn what_can_not_be_undone_is_an_internal_error() {
    let shop = OnRestate::over(Market::with_payments(GreedyPayments, Some(1)).await).await;
    let status = shop.place("mine").await.expect_err("too many parcels");
    assert_eq!(status.code(), Code::Internal);
    let failure = Failure::from_status(&status).expect("the checkout says why");
    assert!(!failure.compensated);
    let charge = &failure.compensations[0];
    assert_eq!(charge.step, "charge");
    let error = charge.error.as_deref().expect("it is not undone");
    assert!(error.contains("the till is stuck (5 attempts)"), "{error}");
    let late = shop.approve("mine").await.expect_err("it has ended");
    assert_eq!(
        (late.code(), late.message()),
        (
            Code::FailedPrecondition,
            "order `mine` does not wait for an approval: it is stuck"
        )
    );
}

#[tokio::test]
async fn large_orders_are_approved_or_rejected() {
    let shop = OnRestate::with_approvals().await;
    let unknown = shop.approve("large").await.expect_err("not yet");
    assert_eq!(
        (unknown.code(), unknown.message()),
        (Code::NotFound, "there is no order `large`")
    );
    let order = shop.place_large().await;
    assert_eq!(
        shop.market.databases.states("deliveries").await,
        Vec::<String>::new()
    );
    shop.approve("large").await.expect("it waits for that");
    order.await.expect("no panic").expect("it is approved");
    let late = shop.approve("large").await.expect_err("it is placed");
    assert_eq!(
        (late.code(), late.message()),
        (
            Code::FailedPrecondition,
            "order `large` does not wait for an approval: it is completed"
        )
    );

    // Too early for one that waits; but it is kept for it.
    let mut client = shop.client.clone();
    let order = tokio::spawn(async move { client.place_order(named("dear")).await });
    let rejection = RejectRequest {
        request_id: "dear".to_owned(),
        reason: "too dear".to_owned(),
    };
    let rejected = async {
        let mut client = shop.client.clone();
        while let Err(status) = client.reject(rejection.clone()).await {
            assert_eq!(status.code(), Code::NotFound, "{status}");
        }
    };
    let rejected = tokio::time::timeout(Duration::from_mins(1), rejected).await;
    rejected.expect("it is there");
    let status = order.await.expect("no panic").expect_err("it is rejected");
    assert_eq!(status.code(), Code::Aborted);
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
    let late = shop.approve("dear").await.expect_err("it is undone");
    assert!(late.message().ends_with("it is compensated"), "{late}");
}

#[tokio::test]
async fn every_checkout_on_the_server_can_be_asked_for_every_order() {
    let shop = OnRestate::with_approvals().await;
    let order = shop.place_large().await;
    let (_, _, client) = serve(&shop.market, &shop.restate.ingress()).await;
    let other = OnRestate { client, ..shop };
    other.approve("large").await.expect("it waits for that");
    let receipt = other.place("large").await.expect("it is approved");
    assert_eq!(order.await.expect("no panic").expect("here, too"), receipt);
    assert_eq!(
        other.market.databases.states("deliveries").await,
        ["active"]
    );
}

#[tokio::test]
async fn a_checkout_that_closes_begins_nothing_and_leaves_open_what_waits() {
    let shop = OnRestate::with_approvals().await;
    let order = shop.place_large().await;
    shop.checkout.clone().drained().await;
    let cut_off = order.await.expect("no panic").expect_err("it goes on");
    assert_eq!(
        (cut_off.code(), cut_off.message()),
        (
            Code::Unavailable,
            "order `large` is still in progress: the checkout is closing"
        )
    );
    let late = shop.place("late").await.expect_err("it is closing");
    assert_eq!(
        (late.code(), late.message()),
        (Code::Unavailable, "the checkout is closing")
    );
    assert!(shop.waits().await);
    assert_eq!(shop.market.databases.states("orders").await, ["active"]);
}

#[tokio::test]
async fn without_its_server_a_checkout_is_unavailable() {
    let market = Market::in_trouble(Trouble::default()).await;
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = gone.local_addr().expect("it is bound");
    drop(gone);
    let (_, _, mut client) = serve(&market, &format!("http://{address}")).await;
    let status = client.place_order(named("mine")).await.expect_err("nobody");
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "Restate can't be reached")
    );

    // A server that has not been told where the sagas are.
    let restate = Restate::start().await.expect("a server");
    let (_, _, mut client) = serve(&market, &restate.ingress()).await;
    let status = client.place_order(named("mine")).await.expect_err("nobody");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("place_order"), "{status}");
}
