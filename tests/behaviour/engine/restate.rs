//! Runs the sagas of the tests on a Restate server, one for all of them. They run in real time, on a runtime of their own:
//! the clock of a test stands still meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, mpsc};
use std::time::Duration;

use saga_restate::testing::Server;
use saga_restate::{Client, Endpoint, ExecuteError, SagaHandle};
use saga_runtime::coordinator::Registrable;
use saga_runtime::engine::SagaEnd;
use saga_runtime::meta::RetryPolicy;
use saga_runtime::operator::SagaCommand;
use saga_runtime::{EventName, SagaError};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::capability::Capability;
use crate::participant::Participant;

struct Restate {
    server: Server,
    client: Client,
    /// Held from the registration of a saga to its end, by its name: sagas of several tests have the same one, and the server asks the
    /// last deployment about a saga in trouble, although the saga stays on its own.
    names: std::sync::Mutex<HashMap<&'static str, Arc<Mutex<()>>>>,
}

impl Restate {
    fn name(&self, name: &'static str) -> Arc<Mutex<()>> {
        let mut names = self.names.lock().expect("nothing panics under the lock");
        Arc::clone(names.entry(name).or_default())
    }
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

static RESTATE: LazyLock<Restate> = LazyLock::new(|| {
    let server = RUNTIME.block_on(Server::start()).expect("a server");
    let client = Client::connect(&server.ingress()).expect("an address");
    Restate {
        server,
        client,
        names: std::sync::Mutex::default(),
    }
});

/// The longest that a saga may take. Some wait for a minute.
const LONGEST: Duration = Duration::from_mins(8);

/// Sagas of all tests are on one server, so each has an id of its own; the tests know all of them as `saga`.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The capabilities that it lacks, each with the reason.
pub(crate) const LACKS: &[(Capability, &str)] = &[
    (
        Capability::TheClockOfTheTest,
        "Restate keeps the time, and it is the real one; `restate/deadlines.rs` has short ones",
    ),
    (
        Capability::CancelsAtOnce,
        "a saga is cancelled through the Restate server: once it has begun, and not in its own code",
    ),
];

/// The number of random sagas that are compared with the model.
pub(crate) const RANDOM_SAGAS: u32 = 30;

/// The most sagas that are tried to make a failing one smaller. They run in real time.
pub(crate) const SMALLER_SAGAS: u32 = 100;

/// From which attempt of a step on they have the same number: from then on Restate repeats its entry.
pub(crate) const COUNTED_ATTEMPTS: Option<u32> = Some(11);

/// Says whether a cancellation takes its time until the engine hears of it.
pub(crate) const HEARS_LATER: bool = true;

/// The id or key by which a test knows this one.
pub(crate) fn known(text: &str) -> String {
    let is_number = |rest: &str| rest.find(|c: char| !c.is_ascii_digit());
    // A key begins with the name of its saga.
    let key = text
        .strip_prefix('/')
        .and_then(|named| named.split_once('/'));
    let text = key.map_or(text, |(_, rest)| rest);
    match text.strip_prefix("saga-") {
        Some(rest) => format!("saga{}", is_number(rest).map_or("", |at| &rest[at..])),
        None => text.to_owned(),
    }
}

/// Runs `saga`; `cancellation` cancels it.
pub(crate) async fn run<G: Registrable<Participant>>(
    participant: &Participant,
    saga: G,
    cancellation: Option<CancellationToken>,
) -> Result<G::Output, SagaError<G::Error>> {
    run_there(participant, saga, cancellation, &[]).await
}

/// Runs `saga`, to which these events are sent.
pub(crate) async fn run_told<G: Registrable<Participant>>(
    participant: &Participant,
    saga: G,
    told: &[(EventName<u32>, u32)],
) -> Result<G::Output, SagaError<G::Error>> {
    run_there(participant, saga, None, told).await
}

async fn run_there<G: Registrable<Participant>>(
    participant: &Participant,
    saga: G,
    cancellation: Option<CancellationToken>,
    told: &[(EventName<u32>, u32)],
) -> Result<G::Output, SagaError<G::Error>> {
    let (ended, end) = mpsc::channel();
    let (participant, told) = (participant.clone(), told.to_vec());
    let running = move || {
        let running = run_here(&RESTATE, participant, saga, cancellation, told, ended);
        RUNTIME.block_on(running);
    };
    // Time stands still while something blocks.
    let running = tokio::task::spawn_blocking(running).await;
    if let Err(panicked) = running {
        std::panic::resume_unwind(panicked.into_panic());
    }
    match end.recv().expect("it has ended") {
        SagaEnd::Completed(output) => Ok(output),
        SagaEnd::Failed(error) => Err(error),
        SagaEnd::Suspended(let_go) => panic!("{let_go:?}"),
    }
}

async fn run_here<G: Registrable<Participant>>(
    restate: &Restate,
    participant: Participant,
    saga: G,
    cancellation: Option<CancellationToken>,
    told: Vec<(EventName<u32>, u32)>,
    ended: mpsc::Sender<saga_restate::Ended<G>>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let heard = participant.heard.clone();
    let asked = participant.clone();
    let endpoint = Endpoint::builder(participant).register_watched::<G>(move |_, end| {
        // No receiver is left if it ends a second time.
        let _ = ended.send(end);
    });
    // A test does not wait for a day.
    let endpoint = endpoint.compensation_retry(RetryPolicy::COMPENSATION);
    // A saga that goes on after a suspension may be in doubt: a difference from the other engines.
    let endpoint = endpoint.patience(Duration::from_mins(1));
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(endpoint.serve_until(listener, async move { stopped.cancelled().await }));
    let id = format!("saga-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let name = restate.name(G::META.name);
    let _own = name.lock().await;
    let handle: SagaHandle<G> = {
        let registered = restate.server.register(&format!("http://{address}")).await;
        registered.expect("it is an endpoint");
        let submitted = restate.client.submit(&id, &saga).await;
        // The second time it waits until the saga has begun, and by that belongs to its process.
        let begun = restate.client.submit(&id, &saga).await;
        for (name, value) in told {
            let sent = restate.client.send::<G, _>(&id, name, &value).await;
            sent.expect("it has not ended");
        }
        begun.and(submitted).expect("nothing is wrong with it")
    };
    let waiting = async {
        match handle.wait().await {
            Ok(_) | Err(ExecuteError::Failed(_) | ExecuteError::Result(_)) => {}
            // It ends as it is when an operator says so.
            Err(ExecuteError::Stuck(_)) => {
                let abandoned = handle
                    .operate(SagaCommand::Abandon, "the test is over")
                    .await;
                abandoned.expect("it is stuck");
            }
            Err(other) => panic!("{other}"),
        }
    };
    let cancelling = async {
        match cancellation {
            Some(cancellation) => cancellation.cancelled().await,
            None => std::future::pending().await,
        }
        // It may be too late for that.
        let _ = handle.cancel().await;
        heard.cancel();
        std::future::pending::<()>().await;
    };
    let ended = async {
        tokio::select! {
            () = waiting => {}
            () = cancelling => {}
        }
    };
    if tokio::time::timeout(LONGEST, ended).await.is_err() {
        let known = of_server(&restate.server, &id).await;
        panic!(
            "{id} does not end; its participant was asked {:?}; the server says {known}",
            asked.asked()
        );
    }
    stop.cancel();
}

/// All that the server knows of this saga.
async fn of_server(server: &Server, id: &str) -> String {
    let query = format!(
        "SELECT i.status, i.retry_count, i.last_failure, j.index, j.entry_type, j.name, j.completed \
         FROM sys_invocation i LEFT JOIN sys_journal j ON j.id = i.id WHERE i.target_service_key = '{id}' ORDER BY j.index"
    );
    let query = serde_json::json!({ "query": query }).to_string();
    match server.ask(http::Method::POST, "/query", query).await {
        Ok(rows) => String::from_utf8_lossy(&rows).into_owned(),
        Err(error) => error.to_string(),
    }
}
