//! Runs the sagas of the tests on a journal in Postgres. The sagas have the clock of the test; the journal works in real time, on a
//! runtime of its own, and the clock stands still meanwhile.

mod elsewhere;
mod limited;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use saga_runtime::coordinator::{ExecuteError, Registrable};
use saga_runtime::journal::Postgres;
use saga_runtime::meta::RetryPolicy;
use saga_runtime::{Coordinator, EventName, SagaError};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_postgres::Server;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use self::elsewhere::Elsewhere;
use self::limited::Limited;
use crate::capability::Capability;
use crate::participant::Participant;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// Waits for something on the other runtime. Time stands still while something blocks.
async fn in_real_time<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let waited = tokio::task::spawn_blocking(move || RUNTIME.block_on(future));
    waited
        .await
        .unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

/// The schemas that no saga uses at the moment. There are as many as tests run at the same time.
static FREE: Mutex<Vec<Schema>> = Mutex::new(Vec::new());

/// A journal that one saga has for itself, and a connection that empties it afterwards.
struct Schema {
    name: String,
    journal: Postgres,
    connection: PgConnection,
}

/// The capabilities that it lacks, each with the reason.
pub(crate) const LACKS: &[(Capability, &str)] = &[(
    Capability::CancelsAtOnce,
    "a cancellation is in the database before the saga hears of it",
)];

/// The number of random sagas that are compared with the model.
pub(crate) const RANDOM_SAGAS: u32 = 300;

/// The most sagas that are tried to make a failing one smaller.
pub(crate) const SMALLER_SAGAS: u32 = 1000;

/// From which attempt of a step on they have the same number, if they have.
pub(crate) const COUNTED_ATTEMPTS: Option<u32> = None;

/// Says whether a cancellation takes its time until the engine hears of it.
pub(crate) const HEARS_LATER: bool = true;

/// The id or key by which a test knows this one.
pub(crate) fn known(text: &str) -> String {
    text.to_owned()
}

/// Runs `saga` under the id `saga`; `cancellation` cancels it.
pub(crate) async fn run<G: Registrable<Participant>>(
    participant: &Participant,
    saga: G,
    cancellation: Option<CancellationToken>,
) -> Result<G::Output, SagaError<G::Error>> {
    run_with(participant, saga, cancellation, &[]).await
}

/// Runs `saga` under the id `saga`, to which these events are sent.
pub(crate) async fn run_told<G: Registrable<Participant>>(
    participant: &Participant,
    saga: G,
    told: &[(EventName<u32>, u32)],
) -> Result<G::Output, SagaError<G::Error>> {
    run_with(participant, saga, None, told).await
}

async fn run_with<G: Registrable<Participant>>(
    participant: &Participant,
    saga: G,
    cancellation: Option<CancellationToken>,
    told: &[(EventName<u32>, u32)],
) -> Result<G::Output, SagaError<G::Error>> {
    let schema = in_real_time(Schema::free()).await;
    let heard = participant.heard.clone();
    let coordinator = Coordinator::builder(participant.clone())
        // As on the journal in memory.
        .patience(Duration::from_hours(1))
        .attempts_in_order(u32::MAX)
        .compensation_retry(RetryPolicy::COMPENSATION)
        .retriable_retry(RetryPolicy::UNTIL_SUCCESS)
        .journal(Elsewhere(schema.journal.clone()))
        .register::<G>()
        .start()
        .await
        .expect("the database works");
    let submitted = coordinator.submit("saga", saga).await;
    let handle = submitted.expect("nothing is wrong with it");
    for (name, value) in told {
        let sent = coordinator.send(handle.id(), *name, value).await;
        sent.expect("it has not ended");
    }
    let cancelling = async {
        match cancellation {
            Some(cancellation) => cancellation.cancelled().await,
            None => std::future::pending().await,
        }
        // It may be too late for that.
        let _ = coordinator.cancel("saga", "the test wants it").await;
        heard.cancel();
        std::future::pending::<()>().await;
    };
    let limited = Limited::begin(participant);
    let ended = tokio::select! {
        ended = handle.wait() => ended,
        () = cancelling => unreachable!("it waits for ever"),
    };
    drop(limited);
    coordinator.shutdown().await;
    in_real_time(schema.give_back()).await;
    match ended {
        Ok(output) => Ok(output),
        Err(ExecuteError::Failed(error)) => Err(error),
        Err(ExecuteError::Stuck(stuck)) if stuck.error.is_some() => {
            Err(stuck.error.expect("it is there"))
        }
        Err(other) => panic!("{other}"),
    }
}

fn free() -> MutexGuard<'static, Vec<Schema>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Schema {
    async fn free() -> Self {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let used_before = free().pop();
        if let Some(schema) = used_before {
            return schema;
        }
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("behaviour_{}_{number}", std::process::id());
        let url = Server::shared().url();
        let journal = Postgres::options().schema(&*name).connect(url).await;
        let connection = PgConnection::connect(url).await;
        Self {
            name,
            journal: journal.expect("the database works"),
            connection: connection.expect("the database works"),
        }
    }

    /// Removes the saga, whatever its state: the next one has the same id.
    async fn give_back(mut self) {
        let name = &self.name;
        let delete = format!(
            "DELETE FROM {name}.open_sagas; DELETE FROM {name}.entries; DELETE FROM {name}.sagas"
        );
        let emptied = sqlx::raw_sql(AssertSqlSafe(delete));
        let emptied = emptied.execute(&mut self.connection).await;
        emptied.expect("the database works");
        free().push(self);
    }
}
