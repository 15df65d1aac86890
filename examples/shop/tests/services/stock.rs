//! Stock: one answer per key, for good, and never more set aside than there is.

use std::time::{Duration, Instant};

use shop::proto::stock::release_request::Reservation as Target;
use shop::proto::stock::stock_client::StockClient;
use shop::proto::stock::{ReleaseRequest, ReserveRequest};
use shop::stock::{StockFaults, StockRules};
use tonic::Code;
use tonic::transport::Channel;

use crate::fixture::Databases;

async fn stock(databases: &Databases, rules: StockRules) -> StockClient<Channel> {
    let running = databases.start_stock(rules, StockFaults::default()).await;
    StockClient::new(running.channel())
}

fn reserve(key: &str, quantity: i32) -> ReserveRequest {
    ReserveRequest {
        idempotency_key: key.to_owned(),
        order_id: 7,
        article: "tea".to_owned(),
        quantity,
    }
}

fn release(target: Target) -> ReleaseRequest {
    ReleaseRequest {
        reservation: Some(target),
    }
}

fn key(key: &str) -> Target {
    Target::IdempotencyKey(key.to_owned())
}

/// So much tea.
fn pieces(pieces: &str) -> StockRules {
    StockRules {
        pieces: vec![pieces.parse().expect("pieces")],
    }
}

#[tokio::test]
async fn a_repeated_request_gets_the_first_answer() {
    let databases = Databases::new();
    let mut stock = stock(&databases, pieces("tea=3")).await;
    let first = stock.reserve(reserve("key", 2)).await;
    let again = stock.reserve(reserve("key", 2)).await;
    let first = first.expect("there is enough").into_inner();
    assert_eq!(first, again.expect("it is set aside").into_inner());
    assert_eq!(
        (first.order_id, first.article.as_str(), first.quantity),
        (7, "tea", 2)
    );
    assert_eq!(databases.states("reservations").await, ["active"]);
}

#[tokio::test]
async fn what_is_set_aside_is_there_for_others_again_when_it_is_released() {
    let databases = Databases::new();
    let mut stock = stock(&databases, pieces("tea=3")).await;
    let first = stock.reserve(reserve("first", 2)).await;
    let id = first.expect("there is enough").into_inner().id;

    let refused = stock.reserve(reserve("second", 2)).await;
    let refused = refused.expect_err("there is one");
    assert_eq!(
        (refused.code(), refused.message()),
        (
            Code::FailedPrecondition,
            "2 of `tea` are wanted, and 1 are left"
        )
    );

    let released = stock.release(release(Target::Id(id))).await;
    released.expect("it can be released");
    let third = stock.reserve(reserve("third", 3)).await;
    third.expect("all are back");
    let again = stock.reserve(reserve("second", 2)).await;
    let again = again.expect_err("a refusal is final");
    assert_eq!(again.message(), refused.message());
    assert_eq!(
        databases.states("reservations").await,
        ["cancelled", "active"]
    );
}

#[tokio::test]
async fn requests_at_the_same_time_never_get_more_than_there_is() {
    let databases = Databases::new();
    let stock = stock(&databases, pieces("tea=3")).await;
    let requests = (0..8).map(|number| {
        let mut stock = stock.clone();
        let request = reserve(&format!("key-{number}"), 1);
        tokio::spawn(async move { stock.reserve(request).await.is_ok() })
    });
    let mut set_aside = 0;
    for request in requests.collect::<Vec<_>>() {
        set_aside += u32::from(request.await.expect("no panic"));
    }
    assert_eq!(set_aside, 3);
    assert_eq!(databases.states("reservations").await, ["active"; 3]);
}

#[tokio::test]
async fn an_article_that_nobody_counts_is_never_out_of_stock() {
    let mut stock = stock(&Databases::new(), pieces("pot=0")).await;
    let reserved = stock.reserve(reserve("key", i32::MAX)).await;
    reserved.expect("there is as much as anybody wants");
}

#[tokio::test]
async fn a_key_that_is_released_first_refuses_late_requests() {
    let databases = Databases::new();
    let mut stock = stock(&databases, StockRules::default()).await;
    let released = stock.release(release(key("key"))).await;
    released.expect("nothing to release yet");
    for _ in 0..2 {
        let late = stock.reserve(reserve("key", 1)).await;
        let late = late.expect_err("too late");
        assert_eq!(
            (late.code(), late.message()),
            (
                Code::FailedPrecondition,
                "this idempotency key was cancelled"
            )
        );
    }
    assert!(databases.states("reservations").await.is_empty());
}

#[tokio::test]
async fn a_released_reservation_stays_released() {
    let databases = Databases::new();
    let mut stock = stock(&databases, StockRules::default()).await;
    let reserved = stock.reserve(reserve("key", 1)).await;
    let id = reserved.expect("there is enough").into_inner().id;
    for target in [Target::Id(id), key("key"), Target::Id(id)] {
        stock.release(release(target)).await.expect("released");
        assert_eq!(databases.states("reservations").await, ["cancelled"]);
    }
    let again = stock.reserve(reserve("key", 1)).await;
    let again = again.expect_err("it was released");
    assert_eq!(again.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_key_cannot_be_used_for_another_request() {
    let mut stock = stock(&Databases::new(), StockRules::default()).await;
    let reserved = stock.reserve(reserve("key", 1)).await;
    reserved.expect("there is enough");
    let other = stock.reserve(reserve("key", 2)).await;
    let other = other.expect_err("another number");
    assert_eq!(other.code(), Code::AlreadyExists);
}

#[tokio::test]
async fn an_answer_can_be_kept_back() {
    let stall = Duration::from_millis(50);
    let faults = StockFaults {
        stall_after_commit: Some(stall),
        stall_article: vec!["tea".parse().expect("an article")],
    };
    let databases = Databases::new();
    let running = databases.start_stock(StockRules::default(), faults).await;
    let mut stock = StockClient::new(running.channel());
    let begin = Instant::now();
    let reserved = stock.reserve(reserve("key", 1)).await;
    reserved.expect("there is enough");
    assert!(begin.elapsed() >= stall);
}

#[tokio::test]
async fn bad_input_is_an_invalid_argument_that_says_what_is_wrong() {
    let mut stock = stock(&Databases::new(), StockRules::default()).await;
    let named = |article: &str| ReserveRequest {
        article: article.to_owned(),
        ..reserve("key", 1)
    };
    for (request, message) in [
        (
            reserve("", 1),
            "`idempotency_key` must be 1 to 255 visible ASCII characters",
        ),
        (reserve("key", 0), "`quantity` must be more than zero"),
        (
            named(""),
            "an article has 1 to 64 letters, digits and hyphens",
        ),
        (
            named("green tea"),
            "an article has 1 to 64 letters, digits and hyphens",
        ),
        (
            ReserveRequest {
                order_id: -1,
                ..reserve("key", 1)
            },
            "`order_id` must be more than zero",
        ),
    ] {
        let error = stock.reserve(request).await.expect_err(message);
        assert_eq!(
            (error.code(), error.message()),
            (Code::InvalidArgument, message)
        );
    }
    let nothing = stock.release(ReleaseRequest { reservation: None }).await;
    let nothing = nothing.expect_err("no target");
    assert_eq!(
        (nothing.code(), nothing.message()),
        (Code::InvalidArgument, "`reservation` is missing")
    );
    let unknown = stock.release(release(Target::Id(99))).await;
    let unknown = unknown.expect_err("no such");
    assert_eq!(
        (unknown.code(), unknown.message()),
        (Code::NotFound, "there is no reservation 99")
    );
}
