//! A session at night: the service is down, and the file is there.

use saga_runtime::Coordinator;
use saga_runtime::journal::State;
use saga_runtime::testing::replay_of;
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{Ended, saga};
use crate::shop::{Approve, Bank, PlaceOrder, becomes, service, stuck};

/// A shell in which the journal is set.
struct Shell(String);

impl Shell {
    async fn on(&self, words: &[&str]) -> Ended {
        saga(&[&["--journal", self.0.as_str()], words].concat()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eleven_stuck_sagas_are_mended_while_the_service_is_down() {
    let directory = TempDir::new().expect("there is room");
    let path = directory.path().join("shop.db");
    let shell = Shell(path.to_str().expect("it is text").to_owned());
    let (coordinator, _) = service(&path).await;
    stuck(&coordinator, 11).await;
    let waiting = coordinator.submit("approval-1", Approve {}).await;
    drop(waiting.expect("it is new"));
    coordinator.shutdown().await;

    sees_what_is_wrong(&shell).await;
    mends_it(&shell).await;
    is_refused_with_a_reason(&shell).await;
    pauses_and_checks(&shell).await;

    let (coordinator, bank) = service(&path).await;
    bank.opens();
    for number in 0..11 {
        becomes(&coordinator, &format!("order-{number}"), State::Compensated).await;
    }
    coordinator.shutdown().await;
    let watched = shell.on(&["watch", "order-0"]).await.works();
    assert!(
        watched.contains("charge undone by hand: paid in cash (by ann)"),
        "{watched}"
    );
    let exported = shell
        .on(&["export", "id=order-1", "--payloads"])
        .await
        .works();
    assert_eq!(exported.lines().count(), 2, "order-1 and order-10");
    assert!(
        exported.contains(r#""input":"{\"pieces\":3}""#),
        "{exported}"
    );
    exports_what_a_test_replays(&shell).await;
    let purge = ["purge", "--before", "2999-01-01T00:00:00Z"];
    assert!(shell.on(&purge).await.works().contains("add --yes"));
    let purged = shell.on(&[&purge[..], &["--yes"]].concat()).await.works();
    assert_eq!(purged, "removed 12 sagas\n");
}

/// What is exported is test data for the service.
async fn exports_what_a_test_replays(shell: &Shell) {
    let sagas = Coordinator::builder(Bank::default())
        .register::<PlaceOrder>()
        .register::<Approve>();
    let whole = shell.on(&["export", "--payloads"]).await.works();
    let report = replay_of(&whole, &sagas).await;
    let report = report.expect("they are histories");
    assert!(report.is_fine(), "{report}");
    assert_eq!((report.replayed, report.compared), (12, 0));

    let masked = shell.on(&["export", "order-1"]).await.works();
    assert_eq!(masked.lines().count(), 1, "no filter: one saga");
    assert!(!masked.contains("pieces"), "{masked}");
    let report = replay_of(&masked, &sagas).await;
    let report = report.expect("it is a history");
    assert!(report.is_fine(), "{report}");
    assert_eq!((report.replayed, report.compared), (0, 1));
    shell.on(&["export", "order-99"]).await.fails(4);
}

async fn sees_what_is_wrong(shell: &Shell) {
    let stats = shell.on(&["stats"]).await.works();
    assert!(
        stats.contains("11  stuck         place_order version 1"),
        "{stats}"
    );
    assert!(
        stats.contains("11  of these: place_order, for `compensation_failed`"),
        "{stats}"
    );
    let closed = ["state=stuck", "step=charge", "text=is CLOSED"];
    let count = shell.on(&[&["count"][..], &closed].concat()).await.works();
    assert_eq!(count, "11\n");
    let count = shell
        .on(&[&["--json", "count"][..], &closed].concat())
        .await;
    assert_eq!(count.works(), "{\"sagas\":11}\n");
    shell.on(&["count", "age=old"]).await.fails(1);
    let list = shell
        .on(&["list", "state=stuck", "text=is closed", "--limit", "2"])
        .await;
    assert!(list.err.contains("There are more"), "{list:?}");
    assert!(
        list.out.contains("order-10  place_order  charge: "),
        "{list:?}"
    );
    assert!(
        !list.out.contains('\u{1b}'),
        "no colours but on a terminal: {list:?}"
    );
    let all = shell
        .on(&["--json", "list", "state=stuck", "--limit", "3", "--all"])
        .await
        .works();
    assert_eq!(all.lines().count(), 11);
    for line in all.lines() {
        let saga: Value = serde_json::from_str(line).expect("each line is JSON");
        assert_eq!(saga["trouble"]["code"], "compensation_failed");
    }
    let shown = shell.on(&["show", "order-3"]).await.works();
    for part in [
        "saga order-3: place_order, version 1, stuck",
        "  create_order: ↩ undone\n",
        "  charge: ! NOT undone after 2 attempts: the bank is closed\n",
        "charge NOT compensated after 2 attempts: the bank is closed",
        "  saga resolve order-3 --step charge: records that you have undone `charge` by hand",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("pieces"), "{shown}");
    assert!(
        shell
            .on(&["show", "order-3", "--payloads"])
            .await
            .works()
            .contains(r#"input: {"pieces":3}"#)
    );
}

async fn mends_it(shell: &Shell) {
    let reason = ["--reason", "the bank is open again"];
    let try_it = [
        "retry",
        "state=stuck",
        "code=compensation_failed",
        reason[0],
        reason[1],
    ];
    let dry = shell.on(&try_it).await.works();
    assert!(
        dry.contains("11 of 11 sagas would accept `retry`") && dry.contains("add --yes"),
        "{dry}"
    );
    assert!(shell.on(&["stats"]).await.works().contains("11  stuck"));
    let some = shell
        .on(&[&try_it[..], &["--yes", "--at-most", "4"]].concat())
        .await
        .works();
    assert!(
        some.contains("4 of 4 sagas have accepted `retry`"),
        "{some}"
    );
    let one = shell
        .on(&[
            "resolve",
            "order-0",
            "--step",
            "charge",
            reason[0],
            "paid in cash",
        ])
        .await
        .works();
    assert!(
        one.contains("order-0: resolve charge: done: ") && one.contains("when its service runs"),
        "{one}"
    );
    let rest = shell
        .on(&[&try_it[..], &["--yes", "--json"]].concat())
        .await
        .works();
    let rest: Value = serde_json::from_str(&rest).expect("it is JSON");
    assert_eq!(rest["accepted"], 6);
    let sent = shell
        .on(&[
            "send",
            "approval-1",
            "--event",
            "approved",
            "--value",
            "true",
        ])
        .await;
    assert!(sent.works().contains("nothing has checked"));
}

async fn is_refused_with_a_reason(shell: &Shell) {
    let reason = ["--reason", "the bank is open again"];
    let unknown = shell.on(&["show", "order-99"]).await.fails(4);
    assert!(
        unknown.contains("there is no saga with this id"),
        "{unknown}"
    );
    let refused = shell
        .on(&["retry", "order-0", reason[0], reason[1]])
        .await
        .fails(3);
    assert!(refused.contains("the saga is not stuck"), "{refused}");
    let some = shell
        .on(&["abandon", "name=approve", "--yes", reason[0], "of no use"])
        .await
        .works();
    assert!(some.contains("1 of 1"), "{some}");
    let refusing = shell
        .on(&[
            "skip",
            "id=order-",
            "--step",
            "charge",
            reason[0],
            "no",
            "--yes",
        ])
        .await;
    assert_eq!(refusing.code, 5, "{refusing:?}");
}

async fn pauses_and_checks(shell: &Shell) {
    let wrong = ["pause", "place_ordr", "--reason", "x"];
    let wrong = shell.on(&wrong).await.fails(3);
    assert!(wrong.contains("these are: place_order"), "{wrong}");
    let pause = ["pause", "place_order", "--reason", "the bank is closed"];
    let paused = shell.on(&pause).await.works();
    assert!(paused.contains("place_order: paused: no saga"), "{paused}");
    let stats = shell.on(&["stats"]).await.works();
    assert!(
        stats.contains("paused: place_order, since 2") && stats.contains("is closed (by ann)"),
        "{stats}"
    );
    let queued = shell.on(&["list", "state=queued", "--limit", "1"]).await;
    assert!(
        queued.out.contains("place_order  queued  paused"),
        "{queued:?}"
    );
    let resumed = shell.on(&["resume", "place_order"]).await.works();
    assert_eq!(resumed, "place_order: resumed: its sagas go on\n");
    shell.on(&["resume", "place_order"]).await.fails(3);

    let check = shell.on(&["check"]).await;
    assert_eq!(check.code, 6, "nothing was replayed: {check:?}");
    assert!(
        check
            .out
            .contains("place_order version 1: 11 open, 0 stuck")
            && check.out.contains(".check().await?"),
        "{check:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_means_the_sagas_that_its_words_name_and_no_others() {
    let directory = TempDir::new().expect("there is room");
    let path = directory.path().join("shop.db");
    let shell = Shell(path.to_str().expect("it is text").to_owned());
    let (coordinator, _) = service(&path).await;
    for id in ["order=17", "id=5", "5", "51"] {
        let ended = coordinator.execute(id, PlaceOrder { pieces: 3 }).await;
        ended.expect_err("it gets stuck");
    }
    coordinator.shutdown().await;
    let stuck = async || shell.on(&["count", "state=stuck"]).await.works();
    names_an_id_that_looks_like_a_filter(&shell).await;
    assert_eq!(stuck().await, "2\n");

    let reason = ["--reason", "x", "--yes"];
    // An empty variable of a shell is no filter, and takes no condition away from one.
    for (words, code, answer) in [
        (&[""][..], 2, "--all"),
        (&["", ""], 2, "--all"),
        (&["state=stuck", ""], 2, "--all"),
        (&[" ", " "], 1, "--all"),
        (&["id="], 1, "`id=` has no value"),
        (&["state=stuck", "id="], 1, "`id=` has no value"),
        (&["--all", "state=stuck"], 2, "--all"),
        (&["--id", "5", "51"], 1, "one saga"),
        (&[], 2, "ID|FILTER"),
    ] {
        let refused = shell.on(&[&["abandon"], words, &reason].concat()).await;
        let refused = refused.fails(code);
        assert!(refused.contains(answer), "{words:?}: {refused}");
    }
    assert_eq!(stuck().await, "2\n");
    let dry = ["abandon", "--all", "--reason", "x"];
    let dry = shell.on(&dry).await;
    assert!(dry.out.contains("2 of 4 sagas would accept"), "{dry:?}");
    let all = shell
        .on(&[&["abandon", "--all"], &reason[..]].concat())
        .await;
    assert!(all.out.contains("2 of 4 sagas have accepted"), "{all:?}");
    assert_eq!(stuck().await, "0\n");
}

async fn names_an_id_that_looks_like_a_filter(shell: &Shell) {
    let shown = shell.on(&["show", "order=17"]).await.works();
    assert!(shown.contains("  saga retry --id 'order=17': "), "{shown}");
    let exported = shell.on(&["export", "--id", "order=17"]).await.works();
    assert_eq!(exported.lines().count(), 1, "{exported}");
    for id in ["order=17", "id=5"] {
        let abandon = ["abandon", "--id", id, "--yes", "--reason", "x"];
        let abandoned = shell.on(&abandon).await.works();
        let begin = format!("{id}: abandon: done: ");
        assert!(abandoned.starts_with(&begin), "{abandoned}");
    }
}
