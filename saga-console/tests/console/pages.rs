//! What an operator sees, and does by forms, without JavaScript.

use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use saga_console::Console;
use saga_runtime::journal::{Journal, Lease, Memory, NewSaga, State, Worker};
use saga_runtime::operator::Operator;

use crate::stage::{Stage, stage};

#[tokio::test]
async fn a_stuck_saga_is_found_understood_and_resolved() {
    let stage = stage(2, Console::writable).await;
    let overview = stage.get("/sagas", &[]).await;
    assert_eq!(overview.status, StatusCode::OK);
    assert!(
        overview.text.contains("href=\"/sagas/saga/order%2D0\""),
        "{}",
        overview.text
    );
    let list = stage
        .get(
            "/sagas/sagas?q=state%3Dstuck+step%3Dcharge+text%3DCLOSED",
            &[],
        )
        .await
        .text;
    assert!(
        list.contains("order-0") && list.contains("order-1") && !list.contains("approval-1"),
        "{list}"
    );

    let filter = "q=state%3Dstuck+text%3Dclosed";
    assert!(list.contains("&amp;count=yes\">Count these</a>"), "{list}");
    let counted = format!("/sagas/sagas?{filter}&count=yes");
    let counted = stage.get(&counted, &[]).await.text;
    assert!(
        counted.contains("<b>2</b> sagas are like that."),
        "{counted}"
    );

    let page = stage.get("/sagas/saga/order%2D0", &[]).await.text;
    for part in [
        "amount &gt; 100",
        "compensation_failed",
        "NOT undone after 2 attempts",
        "resolve charge",
        "class=\"arm taken\"",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let form = stage
        .form(
            "/sagas/saga/order-0",
            "command=resolve&target=charge&reason=paid+in+cash&by=J%C3%B6rg",
        )
        .await;
    let answer = stage.post("/sagas/saga/order-0", &[], &form).await;
    assert_eq!(
        (answer.status, answer.header(header::LOCATION)),
        (StatusCode::SEE_OTHER, "/sagas/saga/order%2D0?done=done")
    );
    stage.becomes("order-0", State::Compensated).await;
    let cookie = answer
        .header(header::SET_COOKIE)
        .split(';')
        .next()
        .unwrap_or_default()
        .to_owned();
    let page = stage
        .get("/sagas/saga/order-1?done=done", &[("cookie", &cookie)])
        .await
        .text;
    assert!(page.contains("value=\"Jörg\""), "the name stays: {page}");
    let again = stage.post("/sagas/saga/order-0", &[], &form).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text.contains("compensated already"), "{}", again.text);
}

#[tokio::test]
async fn a_saga_that_waits_is_approved() {
    let stage = stage(0, Console::writable).await;
    let page = stage.get("/sagas/saga/approval-1", &[]).await.text;
    assert!(
        page.contains("Waits for") && page.contains("event:approved"),
        "{page}"
    );
    let fields = "command=send&target=approved&reason=asked+by+phone&by=ann";
    let wrong = stage
        .form("/sagas/saga/approval-1", &format!("{fields}&value=yes"))
        .await;
    let wrong = stage.post("/sagas/saga/approval-1", &[], &wrong).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let form = stage
        .form("/sagas/saga/approval-1", &format!("{fields}&value=true"))
        .await;
    let sent = stage.post("/sagas/saga/approval-1", &[], &form).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER);
    stage.becomes("approval-1", State::Completed).await;
}

#[tokio::test]
async fn many_sagas_are_mended_after_a_dry_run() {
    let stage = stage(7, Console::writable).await;
    stage.bank.opens();
    let fields =
        "q=state%3Dstuck+code%3Dcompensation_failed&command=retry&reason=the+bank+is+open&by=ann";
    let form = stage.form("/sagas/bulk", fields).await;
    let tried = stage.post("/sagas/bulk", &[], &form).await.text;
    assert!(
        tried.contains("7 of 7 sagas would accept the command"),
        "{tried}"
    );
    assert_eq!(
        stage.coordinator.status("order-0").await.expect("it works"),
        Some(State::Stuck)
    );
    let done = stage
        .post("/sagas/bulk", &[], &format!("{form}&really=yes"))
        .await
        .text;
    assert!(
        done.contains("7 of 7 sagas have accepted the command"),
        "{done}"
    );
    for number in 0..7 {
        stage
            .becomes(&format!("order-{number}"), State::Compensated)
            .await;
    }
}

#[tokio::test]
async fn mistakes_are_answered_with_what_helps() {
    let stage = stage(0, |console| console).await;
    let page = stage.get("/sagas/sagas?q=status%3Dstuck", &[]).await.text;
    assert!(page.contains("there is no filter `status`"), "{page}");
    let page = stage.get("/sagas/saga/nothing", &[]).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.text.contains("there is no saga with this id"));
    let definitions = stage.get("/sagas/definitions", &[]).await.text;
    assert!(
        definitions.contains("<svg") && definitions.contains("compensated by refund"),
        "{definitions}"
    );
}

#[tokio::test]
async fn pages_lead_to_the_next_ones() {
    let stage = stage(5, |console| console).await;
    let page = stage
        .get("/sagas/sagas?q=name%3Dsell&limit=2", &[])
        .await
        .text;
    let (before, _) = page
        .split_once("\" rel=\"next\"")
        .expect("there is a next page");
    let (_, next) = before.rsplit_once("href=\"").expect("it is a link");
    let next = next.replace("&amp;", "&");
    let page = stage.get(&next, &[]).await.text;
    assert!(
        page.contains("order-2") && !page.contains("order-4"),
        "{page}"
    );
}

#[tokio::test]
async fn a_definition_is_paused_on_its_page_and_the_overview_says_so() {
    let stage = stage(1, Console::writable).await;
    let page = stage.get("/sagas/definitions", &[]).await.text;
    assert!(page.contains("no saga of it begins an attempt"), "{page}");
    let asks = |fields: &'static str| stage.form("/sagas/definitions", fields);
    let wrong = asks("command=pause&name=buy&reason=x&by=ann").await;
    let wrong = stage.post("/sagas/definitions", &[], &wrong).await;
    assert_eq!(wrong.status, StatusCode::CONFLICT);
    assert!(wrong.text.contains("no definition `buy`"), "{}", wrong.text);
    let no_form = "command=pause&name=sell&reason=x&by=ann&form=guessed";
    let no_form = stage.post("/sagas/definitions", &[], no_form).await;
    assert_eq!(no_form.status, StatusCode::FORBIDDEN);
    let pause = asks("command=pause&name=sell&reason=the+bank+is+closed&by=ann").await;
    let paused = stage.post("/sagas/definitions", &[], &pause).await;
    assert_eq!(paused.status, StatusCode::SEE_OTHER);
    for path in ["/sagas", "/sagas/definitions"] {
        let page = stage.get(path, &[]).await.text;
        assert!(page.contains("the bank is closed (by ann)"), "{page}");
    }
    let list = stage.get("/sagas/sagas", &[]).await.text;
    assert!(list.contains("(paused)"), "{list}");
    let resume = asks("command=resume&name=sell&by=ann").await;
    let resumed = stage.post("/sagas/definitions", &[], &resume).await;
    assert_eq!(resumed.status, StatusCode::SEE_OTHER);
    let overview = stage.get("/sagas", &[]).await.text;
    assert!(!overview.contains("is paused since"), "{overview}");
}

#[tokio::test]
async fn the_overview_shows_workers_and_how_many_sagas_start_and_end_in_a_minute() {
    let memory = Memory::new();
    let duration = Duration::from_mins(1);
    let worker = Worker::new("orders-1");
    let saga = NewSaga {
        id: "order-1".parse().expect("it is an id"),
        name: "sell".to_owned(),
        version: 1,
        fingerprint: 7,
        input: "{}".to_owned(),
        trace: None,
    };
    let started = memory.start(saga, Some(&Lease { worker, duration })).await;
    drop(started.expect("it is new"));
    let console = Console::new(Operator::read_only(memory, "the journal is only read"));
    let stage = Stage {
        app: Router::new().nest("/sagas", console.router()),
        ..stage(0, |console| console).await
    };
    let first = stage.get("/sagas", &[]).await.text;
    for part in [
        "are counted while this page is open",
        "orders-1",
        "owns the journal",
    ] {
        assert!(first.contains(part), "{part} in {first}");
    }
    loop {
        let page = stage.get("/sagas", &[]).await.text;
        if page.contains("0 started and 0 ended per minute") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
