//! An operator pauses a definition, and resumes it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use saga_runtime::journal::{Filter, Journal, Memory, Postgres, Sqlite, State};
use saga_runtime::{Context, Coordinator, saga, sleep, step};
use test_postgres::Server;
use tokio::sync::Notify;

use crate::shop::{Answer, Refused, Sell, Shop, becomes, builder, events, id, inspected, started};

#[step(compensate = ())]
async fn look(cx: Context<'_, Shop>) -> Result<String, Refused> {
    cx.ask("look").await
}

saga!(
    async fn looking(cx: Context<'_, Shop>) -> Result<(), Refused> {
        look(cx).await?;
        Ok(())
    }
);

saga!(
    async fn looking_later(cx: Context<'_, Shop>, millis: u64) -> Result<(), Refused> {
        sleep(cx, Duration::from_millis(millis)).await;
        look(cx).await?;
        Ok(())
    }
);

/// Waits until nothing runs here.
async fn rests(coordinator: &Coordinator<Shop>) {
    while !format!("{coordinator:?}").contains("running: 0") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn coordinator(shop: &Shop, journal: impl Journal) -> Coordinator<Shop> {
    let builder = builder(shop)
        .register::<Looking>()
        .register::<LookingLater>();
    let started = builder.patience(Duration::ZERO).journal(journal).start();
    started.await.expect("the journal works")
}

/// A saga whose attempt is under way when its definition is paused, one that is started meanwhile, and one of another definition.
async fn is_paused_and_resumed(journal: impl Journal) {
    let until = Arc::new(Notify::new());
    let shop = Shop::default().answers("order", [Answer::Waits(until.clone())]);
    let coordinator = coordinator(&shop, journal).await;
    let first = coordinator.submit("first", Sell { amount: 1 }).await;
    shop.is_asked("order").await;
    coordinator
        .pause("sell", "the bank is closed")
        .await
        .expect("it works");
    until.notify_one();
    rests(&coordinator).await;
    let second = coordinator.submit("second", Sell { amount: 2 }).await;
    let other = coordinator.execute("other", Looking {}).await;
    other.expect("it is not paused");
    assert_eq!(
        shop.asked(),
        ["order", "look"],
        "the attempt has ended, and no other was made"
    );
    assert_eq!(events(&coordinator, "first").await, ["step_done"]);

    let listed = coordinator.list(&Filter::default().name("sell")).await;
    for record in listed.expect("it works").sagas {
        let pause = record.pause.expect("its definition is paused");
        assert_eq!(
            (&*pause.name, &*pause.reason),
            ("sell", "the bank is closed")
        );
        assert_eq!(record.state, State::Waiting);
    }
    let shown = inspected(&coordinator, "first").await.to_string();
    assert!(shown.contains("  paused: the bank is closed\n"), "{shown}");
    assert_eq!(inspected(&coordinator, "other").await.record.pause, None);

    assert!(coordinator.resume("sell").await.expect("it works"));
    assert_eq!(
        first.expect("it is new").wait().await.expect("it goes on"),
        1
    );
    assert_eq!(
        second.expect("it is new").wait().await.expect("it goes on"),
        2
    );
    assert_eq!(
        shop.asked()
            .iter()
            .filter(|asked| *asked == "order")
            .count(),
        2
    );
    assert!(!coordinator.resume("sell").await.expect("it works"));
    assert_eq!(coordinator.paused().await.expect("it works"), []);
    coordinator.shutdown().await;
}

#[tokio::test]
async fn a_definition_is_paused_and_resumed_in_memory() {
    is_paused_and_resumed(Memory::new()).await;
}

#[tokio::test]
async fn a_definition_is_paused_and_resumed_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    let journal = Sqlite::open(folder.path().join("paused.db")).await;
    is_paused_and_resumed(journal.expect("it is new")).await;
}

#[tokio::test]
async fn a_definition_is_paused_and_resumed_on_postgres() {
    let database = Server::shared().database().await;
    let journal = Postgres::connect(database.url()).await;
    is_paused_and_resumed(journal.expect("it is there")).await;
}

#[tokio::test]
async fn a_pause_survives_a_restart() {
    let (shop, journal) = (Shop::default(), Memory::new());
    let before = started(&shop, journal.clone()).await;
    before
        .pause("sell", "the bank is closed")
        .await
        .expect("it works");
    drop(
        before
            .submit("a", Sell { amount: 1 })
            .await
            .expect("it is new"),
    );
    before.shutdown().await;
    let after = started(&shop, journal).await;
    let sold = after
        .submit("b", Sell { amount: 2 })
        .await
        .expect("it is new");
    assert_eq!(shop.asked(), Vec::<String>::new());
    after.resume("sell").await.expect("it works");
    assert_eq!(sold.wait().await.expect("it goes on"), 2);
    becomes(&after, "a", State::Completed).await;
}

#[tokio::test]
async fn another_process_hears_of_a_pause_on_postgres() {
    let database = Server::shared().database().await;
    let shop = Shop::default().always("thank", Answer::Refuses);
    let connect = async || {
        let journal = Postgres::connect(database.url()).await;
        // The one that does not run the saga to its end polls within a third of the lease.
        let builder = builder(&shop).lease(Duration::from_secs(3));
        let started = builder.journal(journal.expect("it is there")).start();
        started.await.expect("the journal works")
    };
    let (here, there) = (connect().await, connect().await);
    // It is attempted again and again.
    let sold = here
        .submit("a", Sell { amount: 1 })
        .await
        .expect("it is new");
    shop.is_asked("thank").await;
    there
        .pause("sell", "the mail is down")
        .await
        .expect("it works");
    becomes(&here, "a", State::Waiting).await;
    shop.behaves();
    there.resume("sell").await.expect("it works");
    assert_eq!(sold.wait().await.expect("it goes on"), 1);
    here.shutdown().await;
    there.shutdown().await;
}

#[tokio::test]
async fn a_saga_whose_sleep_is_over_does_not_wake_while_its_definition_is_paused() {
    let (shop, journal) = (Shop::default(), Memory::new());
    let coordinator = coordinator(&shop, journal.clone()).await;
    let millis = 200;
    let sleeping = coordinator.submit("a", LookingLater { millis }).await;
    rests(&coordinator).await;
    coordinator
        .pause("looking_later", "not now")
        .await
        .expect("it works");
    let is_due = async || {
        let next = journal.next_rest().await.expect("it is in memory");
        next.is_some_and(|next| next < SystemTime::now())
    };
    while !is_due().await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let other = coordinator.execute("other", Looking {}).await;
    other.expect("it is not paused");
    assert_eq!(shop.asked(), ["look"], "only the other one has looked");
    coordinator.resume("looking_later").await.expect("it works");
    let handle = sleeping.expect("it is new");
    handle.wait().await.expect("it goes on");
    assert_eq!(shop.asked(), ["look", "look"]);
}

#[tokio::test]
async fn a_step_that_is_to_be_attempted_again_is_parked_with_its_attempts() {
    let shop = Shop::default().always("thank", Answer::Refuses);
    let coordinator = coordinator(&shop, Memory::new()).await;
    let sold = coordinator
        .submit("a", Sell { amount: 1 })
        .await
        .expect("it is new");
    shop.is_asked("thank").await;
    coordinator
        .pause("sell", "the mail is down")
        .await
        .expect("it works");
    rests(&coordinator).await;
    let inspected = inspected(&coordinator, "a").await;
    let failing = inspected.record.failing.first().expect("it has failed");
    assert_eq!(failing.call.name, "thank");
    assert!(failing.attempts >= 1);
    assert_eq!(inspected.record.saga.id, id("a"));
    shop.behaves();
    coordinator.resume("sell").await.expect("it works");
    assert_eq!(sold.wait().await.expect("it goes on"), 1);
}

#[tokio::test]
async fn a_saga_that_is_being_undone_is_paused_and_resumed() {
    let until = Arc::new(Notify::new());
    let shop = Shop::default()
        .always("ship", Answer::Refuses)
        .answers("refund", [Answer::Waits(until.clone())]);
    let journal = Memory::new();
    let first = coordinator(&shop, journal.clone()).await;
    let _ = first
        .submit("a", Sell { amount: 1 })
        .await
        .expect("it is new");
    shop.is_asked("refund").await;
    first
        .pause("sell", "the stock is counted")
        .await
        .expect("it works");
    until.notify_one();
    rests(&first).await;
    let undone = ["order", "charge", "ship", "ship", "refund"];
    assert_eq!(shop.asked(), undone, "its attempt has ended");
    first.shutdown().await;
    let second = coordinator(&shop, journal).await;
    second.execute("b", Looking {}).await.expect("it looks");
    assert_eq!(shop.asked()[5..], ["look"], "only the other one goes on");
    second.resume("sell").await.expect("it works");
    becomes(&second, "a", State::Compensated).await;
    assert_eq!(shop.asked()[6..], ["cancel"]);
}
