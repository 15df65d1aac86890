//! A session while the service runs: its file can be read, and commands go through it.

use axum::Router;
use rustix::process::{Pid, Signal, kill_process};
use saga_console::Console;
use saga_runtime::journal::State;
use saga_runtime::operator::Operator;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

use crate::program::saga;
use crate::shop::{Approve, becomes, service, stuck};

#[tokio::test(flavor = "multi_thread")]
async fn the_file_of_a_running_service_is_read_and_commands_go_through_its_console() {
    let directory = TempDir::new().expect("there is room");
    let path = directory.path().join("shop.db");
    let file = path.to_str().expect("it is text");
    let (coordinator, bank) = service(&path).await;
    stuck(&coordinator, 2).await;
    let console = Console::new(Operator::of(&coordinator))
        .writable()
        .token("secret");
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("there is a port");
    let address = format!(
        "http://{}/sagas",
        listener.local_addr().expect("it listens")
    );
    let app = Router::new().nest("/sagas", console.router());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    assert!(
        saga(&["--journal", file, "list"])
            .await
            .works()
            .contains("order-1")
    );
    let refused = saga(&["--journal", file, "retry", "order-1", "--reason", "x"])
        .await
        .fails(3);
    assert!(
        refused.contains("belongs to a running service") && refused.contains("--journal http://"),
        "{refused}"
    );

    let no_token = saga(&["--journal", &address, "stats"]).await.fails(3);
    assert!(no_token.contains("token"), "{no_token}");
    let on = ["--journal", &address, "--token", "secret"];
    let shown = saga(&[&on[..], &["show", "order-1"]].concat())
        .await
        .works();
    for part in [
        "one of\n",
        "    order > 100:\n      wrap: nothing to undo\n    else: (taken)\n",
        "charge: ! NOT undone",
        "  ship: ✗ refused: no courier\n",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    bank.opens();
    let answer = saga(
        &[
            &on[..],
            &["compensate", "order-1", "--reason", "the bank is open"],
        ]
        .concat(),
    )
    .await
    .works();
    assert!(
        answer.contains(&format!("the service at {address} has recorded it")),
        "{answer}"
    );
    becomes(&coordinator, "order-1", State::Compensated).await;

    let waiting = coordinator.submit("approval-1", Approve {}).await;
    let waiting = waiting.expect("it is new");
    let mut watching = tokio::process::Command::new(env!("CARGO_BIN_EXE_saga"))
        .args([&on[..], &["watch", "approval-1"]].concat())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program is there");
    let mut lines = BufReader::new(watching.stdout.take().expect("it is piped")).lines();
    loop {
        let line = lines
            .next_line()
            .await
            .expect("it can be read")
            .expect("it goes on");
        if line.contains("event:approved awaited") {
            break;
        }
    }
    checks_and_drops_an_event(&on).await;
    let send = [
        "send",
        "approval-1",
        "--event",
        "approved",
        "--value",
        "true",
    ];
    saga(&[&on[..], &send].concat()).await.works();
    assert!(waiting.wait().await.expect("it completes"));
    let mut last = String::new();
    while let Some(line) = lines.next_line().await.expect("it can be read") {
        last = line;
    }
    assert_eq!(last, "completed");
    assert!(watching.wait().await.expect("it ends").success());
    coordinator.shutdown().await;
    serving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_on_many_sagas_stops_at_ctrl_c_and_says_how_far_it_came() {
    const SAGAS: usize = 200;
    let directory = TempDir::new().expect("there is room");
    let (coordinator, _) = service(&directory.path().join("shop.db")).await;
    stuck(&coordinator, SAGAS).await;
    let operator = Operator::of(&coordinator);
    let console = Console::new(operator.clone())
        .writable()
        .commands_per_second(10_000);
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("there is a port");
    let address = format!("http://{}", listener.local_addr().expect("it listens"));
    let serving = tokio::spawn(console.serve(listener, std::future::pending()));

    let words = ["abandon", "state=stuck", "--reason", "closed", "--yes"];
    let bulk = tokio::process::Command::new(env!("CARGO_BIN_EXE_saga"))
        .args([&["--journal", &address][..], &words].concat())
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program is there");
    let abandoned = async || {
        let counts = operator.counts().await.expect("the journal works");
        counts.of("abandoned")
    };
    while abandoned().await == 0 {
        tokio::task::yield_now().await;
    }
    let pid = bulk.id().and_then(|id| i32::try_from(id).ok());
    let pid = pid.and_then(Pid::from_raw).expect("it runs");
    kill_process(pid, Signal::INT).expect("it runs");
    let ended = bulk.wait_with_output().await.expect("it ends");
    let said = String::from_utf8(ended.stdout).expect("it is text");
    assert!(ended.status.success(), "{said}");
    assert!(said.contains("stopped: there are more of them"), "{said}");
    let done = abandoned().await;
    let begin = format!("{done} of {done} sagas have accepted `abandon`");
    assert!(said.starts_with(&begin), "{said}");
    assert!(done < SAGAS as u64, "{said}");
    coordinator.shutdown().await;
    serving.abort();
}

/// Has all sagas checked. Sends an event by mistake, and drops it.
async fn checks_and_drops_an_event(on: &[&str]) {
    let check = saga(&[on, &["check"]].concat()).await.works();
    assert!(check.contains("0 do not fit"), "{check}");
    let hurry = ["--event", "hurry"];
    let told = [on, &["send", "approval-1"], &hurry].concat();
    saga(&told).await.works();
    let shown = saga(&[on, &["show", "approval-1"]].concat()).await.works();
    assert!(
        shown.contains("event hurry was sent, and is kept")
            && shown.contains("saga drop approval-1 --event hurry"),
        "{shown}"
    );
    let slip = ["--reason", "a slip"];
    let dropped = [on, &["drop", "approval-1"], &hurry, &slip].concat();
    saga(&dropped).await.works();
    let shown = saga(&[on, &["show", "approval-1"]].concat()).await.works();
    assert!(
        shown.contains("event hurry is set aside: dropped by hand: a slip (by ann)"),
        "{shown}"
    );
}
