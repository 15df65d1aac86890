//! Roles with just the grants that the guide names: they can do what they are for, and nothing else.

use std::time::{Duration, SystemTime};

use saga_runtime::coordinator::{Effect, ExecuteError};
use saga_runtime::journal::{JournalError, Postgres, State};
use saga_runtime::operator::{Operator, SagaCommand};
use saga_runtime::{Context, Coordinator, EventName, event, saga, step};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_postgres::Server;

const APPROVED: EventName<u32> = EventName::new("approved");

/// The end of a saga that is not completed.
#[step(compensate = release, compensation(retry(attempts = 1)))]
async fn reserve(_cx: Context<'_, ()>, is_lost: bool) -> Result<bool, String> {
    Ok(is_lost)
}

async fn release(_cx: Context<'_, ()>, is_lost: &bool) -> Result<(), String> {
    if *is_lost {
        Err("lost".to_owned())
    } else {
        Ok(())
    }
}

#[step(compensate = ())]
async fn refuse(_cx: Context<'_, ()>) -> Result<(), String> {
    Err("refused".to_owned())
}

saga!(
    async fn refused(cx: Context<'_, ()>, is_lost: bool) -> Result<bool, String> {
        let reserved = reserve(cx, is_lost).await?;
        refuse(cx).await?;
        Ok(reserved)
    }
);

saga!(
    async fn approved(cx: Context<'_, ()>) -> Result<u32, String> {
        reserve(cx, false).await?;
        let by = event(cx, APPROVED).await;
        Ok(by)
    }
);

/// A server, and a connection of the one who may do all.
async fn server() -> (Server, PgConnection) {
    let server = Server::start(&["-c", "fsync=off"]);
    let owner = PgConnection::connect(server.url()).await;
    let owner = owner.expect("the server works");
    (server, owner)
}

async fn run(connection: &mut PgConnection, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    done.expect("the owner may do this");
}

/// Opens the journal as this role.
async fn open(server: &Server, role: &str) -> Result<Postgres, JournalError> {
    Postgres::connect(&url(server, role)).await
}

fn url(server: &Server, role: &str) -> String {
    server.url().replace("//postgres@", &format!("//{role}@"))
}

async fn coordinator(journal: Postgres) -> Coordinator<()> {
    Coordinator::builder(())
        .journal(journal)
        .patience(Duration::ZERO)
        .register::<Refused>()
        .register::<Approved>()
        .start()
        .await
        .expect("the journal works")
}

/// Makes tables that belong to the role `migrating`, which may create nothing else afterwards.
async fn migrated(server: &Server, owner: &mut PgConnection) {
    run(
        owner,
        "CREATE ROLE migrating LOGIN; GRANT CREATE ON DATABASE postgres TO migrating",
    )
    .await;
    open(server, "migrating").await.expect("it may");
    run(owner, "REVOKE CREATE ON DATABASE postgres FROM migrating").await;
}

async fn is_denied(server: &Server, role: &str, sql: &str) {
    let mut connection = PgConnection::connect(&url(server, role)).await;
    let connection = connection.as_mut().expect("the server works");
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    let error = done.expect_err("it may not");
    let error = error.to_string();
    let is_denied = error.contains("permission denied") || error.contains("must be owner");
    assert!(is_denied, "{error}");
}

async fn becomes(coordinator: &Coordinator<()>, id: &str, state: State) {
    let reached = async {
        while coordinator.status(id).await.expect("the journal works") != Some(state) {
            tokio::task::yield_now().await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(30), reached).await;
    reached.unwrap_or_else(|_| panic!("{id} does not get {state}"));
}

#[tokio::test]
async fn a_role_that_migrates_needs_to_create_once_and_then_owns_its_schema() {
    let (server, mut owner) = server().await;
    migrated(&server, &mut owner).await;
    is_denied(&server, "migrating", "CREATE SCHEMA other").await;
    // Tables of an older form, which it changes as their owner.
    run(
        &mut owner,
        "ALTER TABLE saga.sagas DROP COLUMN traceparent, DROP COLUMN tracestate;
         DELETE FROM saga.migrations WHERE name = '0006_traces'",
    )
    .await;
    let journal = open(&server, "migrating").await.expect("it may");
    let coordinator = coordinator(journal).await;
    let submitted = coordinator.submit("one", Refused { is_lost: false }).await;
    let ended = submitted.expect("it is new").wait().await;
    assert!(matches!(ended, Err(ExecuteError::Failed(_))), "{ended:?}");
}

#[tokio::test]
async fn a_role_that_runs_sagas_reads_and_writes_rows_and_changes_no_table() {
    let (server, mut owner) = server().await;
    migrated(&server, &mut owner).await;
    run(
        &mut owner,
        "CREATE ROLE running LOGIN;
         GRANT USAGE ON SCHEMA saga TO running;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA saga TO running",
    )
    .await;
    is_denied(&server, "running", "CREATE TABLE saga.other ()").await;
    is_denied(
        &server,
        "running",
        "ALTER TABLE saga.sagas ADD COLUMN other text",
    )
    .await;
    let journal = open(&server, "running").await.expect("it may");
    let one = coordinator(journal).await;
    // Another worker of the same role has its requests forwarded.
    let journal = open(&server, "running").await.expect("it may");
    let other = coordinator(journal).await;

    // A saga that ends by itself, one that an event ends, and one that is cancelled.
    let refused = one.submit("refused", Refused { is_lost: false }).await;
    let ended = refused.expect("it is new").wait().await;
    assert!(matches!(ended, Err(ExecuteError::Failed(_))), "{ended:?}");
    let approved = one.submit("approved", Approved {}).await;
    let handle = approved.expect("it is new");
    other.send("approved", APPROVED, &7).await.expect("it may");
    assert_eq!(handle.wait().await.expect("nothing fails"), 7);
    let cancelled = one.submit("cancelled", Approved {}).await;
    let handle = cancelled.expect("it is new");
    other.cancel("cancelled", "why not").await.expect("it may");
    let ended = handle.wait().await;
    assert!(matches!(ended, Err(ExecuteError::Failed(_))), "{ended:?}");

    // Each decision of an operator.
    for id in ["retried", "resolved", "skipped", "abandoned"] {
        let submitted = one.submit(id, Refused { is_lost: true }).await;
        drop(submitted.expect("it is new"));
        becomes(&one, id, State::Stuck).await;
    }
    let reason = "to try the grants";
    let effects = [
        other
            .resolve_compensation("resolved", "reserve", reason)
            .await,
        other.skip_compensation("skipped", "reserve", reason).await,
        other.abandon("abandoned", reason).await,
        other.retry("retried", reason).await,
    ];
    for effect in effects {
        assert_eq!(effect.expect("it may"), Effect::Done);
    }
    becomes(&one, "resolved", State::Compensated).await;
    becomes(&one, "abandoned", State::Abandoned).await;

    // Definitions, and a purge.
    other.pause("approved", reason).await.expect("it may");
    assert_eq!(one.paused().await.expect("it may").len(), 1);
    assert!(other.resume("approved").await.expect("it may"));
    let hour = SystemTime::now() + Duration::from_hours(1);
    assert!(other.purge(hour).await.expect("it may") >= 4);
    one.shutdown().await;
}

#[tokio::test]
async fn a_role_that_reads_sees_all_and_changes_nothing() {
    let (server, mut owner) = server().await;
    migrated(&server, &mut owner).await;
    run(
        &mut owner,
        "CREATE ROLE reading LOGIN;
         GRANT USAGE ON SCHEMA saga TO reading;
         GRANT SELECT ON ALL TABLES IN SCHEMA saga TO reading",
    )
    .await;
    let journal = open(&server, "migrating").await.expect("it may");
    let coordinator = coordinator(journal).await;
    for (id, is_lost) in [("ended", false), ("stuck", true)] {
        let submitted = coordinator.submit(id, Refused { is_lost }).await;
        drop(submitted.expect("it is new"));
    }
    becomes(&coordinator, "ended", State::Compensated).await;
    becomes(&coordinator, "stuck", State::Stuck).await;

    // The reads of the console and of the command line.
    let journal = open(&server, "reading").await.expect("it may");
    let reader = Operator::read_only(journal, "a role that reads");
    let stuck = "state=stuck".parse().expect("a query");
    let list = reader.list(&stuck).await.expect("it may");
    assert_eq!(list.sagas.len(), 1);
    let ended = "state=compensated".parse().expect("a query");
    assert_eq!(reader.count(&ended).await.expect("it may"), 1);
    let failing = "state=failing".parse().expect("a query");
    assert_eq!(reader.count(&failing).await.expect("it may"), 0);
    let details = reader.show_payloads("stuck").await.expect("it may");
    assert!(!details.entries.is_empty());
    assert_eq!(reader.counts().await.expect("it may").of("stuck"), 1);
    assert_eq!(reader.workers().await.expect("it may").len(), 1);
    assert!(reader.paused().await.expect("it may").is_empty());
    let mut connection = PgConnection::connect(&url(&server, "reading")).await;
    let states: Vec<(String, i64)> =
        sqlx::query_as("SELECT state, count(*) FROM saga.saga_states GROUP BY 1 ORDER BY 1")
            .fetch_all(connection.as_mut().expect("the server works"))
            .await
            .expect("it may");
    assert_eq!(
        states,
        [("compensated".to_owned(), 1), ("stuck".to_owned(), 1)]
    );

    is_denied(&server, "reading", "DELETE FROM saga.workers").await;
    let journal = open(&server, "reading").await.expect("it may");
    let decided = Operator::on(journal).await;
    assert!(
        decided.is_err(),
        "an operator who decides is a worker for a moment"
    );
    let refused = reader.command("stuck", &SagaCommand::Retry, "no").await;
    refused.expect_err("it only reads");
}

#[tokio::test]
async fn a_role_that_submits_in_its_own_transaction_adds_rows_to_two_tables() {
    let (server, mut owner) = server().await;
    migrated(&server, &mut owner).await;
    run(
        &mut owner,
        "CREATE ROLE submitting LOGIN;
         GRANT USAGE ON SCHEMA saga TO submitting;
         GRANT SELECT ON ALL TABLES IN SCHEMA saga TO submitting;
         GRANT INSERT ON saga.sagas, saga.open_sagas TO submitting",
    )
    .await;
    let journal = open(&server, "migrating").await.expect("it may");
    let coordinator = coordinator(journal).await;
    let mut connection = PgConnection::connect(&url(&server, "submitting")).await;
    let connection = connection.as_mut().expect("the server works");
    let mut transaction = connection.begin().await.expect("the server works");
    let saga = Refused { is_lost: false };
    let submitted = coordinator.submit_in(&mut transaction, "one", saga).await;
    let handle = submitted.expect("it may");
    transaction.commit().await.expect("it may");
    let ended = handle.wait().await;
    assert!(matches!(ended, Err(ExecuteError::Failed(_))), "{ended:?}");
    is_denied(&server, "submitting", "DELETE FROM saga.open_sagas").await;
}

#[tokio::test]
async fn a_role_that_may_create_nothing_is_told_so_where_no_tables_are() {
    let (server, mut owner) = server().await;
    run(&mut owner, "CREATE ROLE nobody LOGIN").await;
    let Err(error) = open(&server, "nobody").await else {
        panic!("it may not");
    };
    assert!(error.to_string().contains("permission denied"), "{error}");
}
