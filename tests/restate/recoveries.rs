//! A step that ends its process is not tried for ever, and only an operator tries it again.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use saga_restate::testing::Server;
use saga_restate::{Client, ExecuteError, SagaHandle, Undone};
use saga_runtime::operator::SagaCommand;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::check::requests;
use crate::participant::Plan;
use crate::process::{Process, free_address};
use crate::sagas::Line;

/// Longer than all of this takes.
const PATIENCE: Duration = Duration::from_mins(3);

/// Starts a process again whenever it has ended.
struct Supervisor {
    ended: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    running: JoinHandle<()>,
}

impl Supervisor {
    fn start(database: &Path, address: SocketAddr, arguments: &'static [&'static str]) -> Self {
        let ended = Arc::new(AtomicU32::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (counted, stopped, database) = (ended.clone(), stop.clone(), database.to_owned());
        let running = tokio::spawn(async move {
            let mut process = Process::start(&database, address, arguments);
            while !stopped.load(Ordering::Relaxed) {
                if process.has_ended() {
                    counted.fetch_add(1, Ordering::Relaxed);
                    process = Process::start(&database, address, arguments);
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Self {
            ended,
            stop,
            running,
        }
    }

    fn ended(&self) -> u32 {
        self.ended.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.running.await.expect("it does not panic");
    }
}

async fn about(server: &Server, invocation: &str) -> Value {
    let query =
        format!("SELECT status, last_failure FROM sys_invocation WHERE id = '{invocation}'");
    let query = json!({ "query": query }).to_string();
    let answer = server.ask(http::Method::POST, "/query", query).await;
    let answer: Value = serde_json::from_slice(&answer.expect("it is SQL")).expect("it is JSON");
    answer["rows"][0].clone()
}

/// Waits until the server has paused a saga.
async fn paused(server: &Server, invocation: &str) {
    let pausing = async {
        loop {
            let about = about(server, invocation).await;
            if about["status"] == "paused" {
                return about["last_failure"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let paused = tokio::time::timeout(PATIENCE, pausing).await;
    assert!(paused.is_ok(), "{}", about(server, invocation).await);
}

/// Returns true if the saga has recorded that it is cancelled, and has left its process.
async fn is_cancelled(server: &Server, invocation: &str) -> bool {
    let query = format!(
        "SELECT name FROM sys_journal WHERE id = '{invocation}' AND name = 'one: attempt 2'"
    );
    let query = json!({ "query": query }).to_string();
    let answer = server.ask(http::Method::POST, "/query", query).await;
    let answer: Value = serde_json::from_slice(&answer.expect("it is SQL")).expect("it is JSON");
    !answer["rows"][0].is_null()
}

async fn press(server: &Server, invocation: &str, button: &str) {
    let path = format!("/invocations/{invocation}/{button}");
    let pressed = server.ask(http::Method::PATCH, &path, String::new());
    pressed.await.expect("the server does it");
}

/// A saga that has ended ten processes, and the supervisor of the next one.
struct Guilty<G> {
    server: Server,
    database: std::path::PathBuf,
    _folder: tempfile::TempDir,
    address: SocketAddr,
    supervisor: Supervisor,
    saga: SagaHandle<G>,
}

async fn guilty<G>(saga: G) -> Guilty<G>
where
    G: saga_runtime::Saga + serde::Serialize + serde::de::DeserializeOwned,
{
    let guilty = guilty_after(1, saga).await;
    paused(&guilty.server, guilty.saga.invocation()).await;
    assert_eq!(guilty.supervisor.ended(), 10);
    guilty
}

/// A saga that ends its first process at this moment, and then each at its first one.
async fn guilty_after<G>(moment: u32, saga: G) -> Guilty<G>
where
    G: saga_runtime::Saga + serde::Serialize + serde::de::DeserializeOwned,
{
    let server = Server::start().await.expect("a server");
    let client = Client::connect(&server.ingress()).expect("an address");
    let folder = tempfile::TempDir::new().expect("a folder");
    let database = folder.path().join("participant.db");
    let address = free_address();
    let moment = moment.to_string();
    let mut first = Process::start(&database, address, &["--kill-at", &moment]);
    first.listens().await;
    let url = format!("http://{address}");
    while server.register(&url).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let saga = client.submit("guilty", &saga).await;
    let saga = saga.expect("Restate takes it");
    while !first.has_ended() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The first attempt that a process makes ends it.
    let supervisor = Supervisor::start(&database, address, &["--kill-at", "1"]);
    supervisor.ended.fetch_add(1, Ordering::Relaxed);
    Guilty {
        server,
        database,
        _folder: folder,
        address,
        supervisor,
        saga,
    }
}

fn plan() -> Plan {
    Plan {
        steps: 2,
        ..Plan::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_ends_its_process_is_paused_and_goes_on_when_it_is_mended() {
    let guilty = guilty(Line { plan: plan() }).await;
    // An operator resumes it in vain: that is one attempt.
    let invocation = guilty.saga.invocation();
    press(&guilty.server, invocation, "resume").await;
    while guilty.supervisor.ended() < 11 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    paused(&guilty.server, invocation).await;
    assert_eq!(guilty.supervisor.ended(), 11);
    guilty.supervisor.stop().await;
    // It is mended.
    let mut process = Process::start(&guilty.database, guilty.address, &[]);
    process.listens().await;
    press(&guilty.server, invocation, "resume").await;
    assert_eq!(guilty.saga.wait().await.expect("it is well"), 2);
    let requests = requests(&guilty.database).expect("it can be read");
    let steps: Vec<_> = requests.iter().map(|one| one.step).collect();
    assert_eq!(steps, [vec![1; 12], vec![2]].concat());
    assert!(requests[..12].iter().all(|one| one.key == requests[0].key));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_does_not_let_it_end_its_process_again() {
    let guilty = guilty(Line { plan: plan() }).await;
    let invocation = guilty.saga.invocation();
    press(&guilty.server, invocation, "cancel").await;
    // It runs for a moment, without an attempt.
    let resumed = async {
        while !is_cancelled(&guilty.server, invocation).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let resumed = tokio::time::timeout(PATIENCE, resumed).await;
    resumed.expect("it learns of the cancellation");
    paused(&guilty.server, invocation).await;
    assert_eq!(guilty.supervisor.ended(), 10);
    guilty.supervisor.stop().await;
    // Its process is mended: what it may have done is settled, and undone.
    let mut process = Process::start(&guilty.database, guilty.address, &[]);
    process.listens().await;
    press(&guilty.server, invocation, "resume").await;
    let Err(ExecuteError::Failed(report)) = guilty.saga.wait().await else {
        panic!("it is cancelled");
    };
    assert_eq!(report.code, "cancelled");
    assert!(report.is_compensated, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compensation_that_ends_its_process_waits_for_an_operator() {
    let mut plan = plan();
    plan.refused = Some(2);
    // Each request has two moments: the first process does both steps.
    let guilty = guilty_after(5, Line { plan }).await;
    let Err(ExecuteError::Stuck(stuck)) = guilty.saga.wait().await else {
        panic!("it can't be undone");
    };
    assert_eq!(stuck.code, "compensation_failed");
    let Undone::Failed { message, .. } = &stuck.report.compensations[0].undone else {
        panic!("{stuck}");
    };
    assert_eq!(message, "it has ended its process too often");
    assert_eq!(guilty.supervisor.ended(), 10);
    guilty.supervisor.stop().await;
    // It is mended.
    let mut process = Process::start(&guilty.database, guilty.address, &[]);
    process.listens().await;
    let retried = guilty
        .saga
        .operate(SagaCommand::Retry, "it is mended")
        .await;
    retried.expect("it is stuck");
    let Err(ExecuteError::Failed(report)) = guilty.saga.wait().await else {
        panic!("it is undone");
    };
    assert!(report.is_compensated, "{report}");
}
