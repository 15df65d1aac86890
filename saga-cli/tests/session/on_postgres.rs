//! A session on a database, beside the service.

use std::sync::Arc;

use saga_runtime::Coordinator;
use saga_runtime::journal::{Postgres, State};
use saga_runtime::meta::RetryPolicy;
use test_postgres::Server;

use crate::program::saga;
use crate::shop::{Approve, Bank, PlaceOrder, becomes, stuck};

#[tokio::test(flavor = "multi_thread")]
async fn sagas_on_postgres_are_seen_and_mended_beside_the_service() {
    let database = Server::shared().database().await;
    let url = database.url().to_owned();
    let bank = Arc::new(Bank::default());
    let journal = Postgres::options().schema("shop").connect(&url).await;
    let started = Coordinator::builder(Arc::clone(&bank))
        .journal(journal.expect("the database is there"))
        .compensation_retry(RetryPolicy::COMPENSATION)
        .worker("orders-1")
        .register::<PlaceOrder>()
        .register::<Approve>()
        .start();
    let coordinator = started.await.expect("the journal works");
    stuck(&coordinator, 3).await;
    let waiting = coordinator.submit("approval-1", Approve {}).await;
    drop(waiting.expect("it is new"));

    let on = ["--journal", &url, "--schema", "shop"];
    let shell = |words: &[&str]| {
        [&on[..], words]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let run = async |words: &[&str]| {
        let words = shell(words);
        saga(&words.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    let stats = run(&["stats"]).await.works();
    for part in [
        "3  stuck         place_order version 1",
        "worker orders-1",
        "its lease runs for",
    ] {
        assert!(stats.contains(part), "{part} in {stats}");
    }
    let shown = run(&["show", "order-1"]).await.works();
    assert!(shown.contains("charge: ! NOT undone"), "{shown}");
    let needs = run(&["compensate", "order-1", "--reason", "x"])
        .await
        .fails(3);
    assert!(needs.contains("http://"), "{needs}");

    bank.opens();
    let reason = ["--reason", "the bank is open again", "--yes"];
    let retried = run(&[&["retry", "state=stuck"], &reason[..]].concat())
        .await
        .works();
    assert!(
        retried.contains("3 of 3 sagas have accepted `retry`"),
        "{retried}"
    );
    for number in 0..3 {
        becomes(&coordinator, &format!("order-{number}"), State::Compensated).await;
    }
    run(&["pause", "place_order", "--reason", "a look"])
        .await
        .works();
    let paused = run(&["stats"]).await.works();
    assert!(paused.contains("paused: place_order"), "{paused}");
    run(&["resume", "place_order"]).await.works();
    coordinator.shutdown().await;

    let password = "postgres://ann:secret@127.0.0.1:1/shop";
    let unreachable = saga(&["--journal", password, "list"]).await.fails(1);
    assert!(!unreachable.contains("secret"), "{unreachable}");
}
