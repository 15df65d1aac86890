//! How a journal is opened: by many at once, beside others, on older and on newer tables, on a server that may forget.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use saga_runtime::SagaId;
use saga_runtime::journal::{
    Journal as _, JournalError, Lease, NewSaga, Postgres, SagaVersion, Started, Worker,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_postgres::Server;

fn new_saga(id: &str) -> NewSaga {
    NewSaga {
        id: SagaId::new(id).expect("a short text"),
        name: "opened".to_owned(),
        version: 1,
        fingerprint: 1,
        input: "null".to_owned(),
        trace: None,
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("it is there");
    let done = sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await;
    done.expect("the database works");
}

#[tokio::test]
async fn of_ten_that_open_a_new_journal_at_once_one_makes_the_tables() {
    for _ in 0..5 {
        let database = Server::shared().database().await;
        let opened = join_all((0..10).map(|_| Postgres::connect(database.url()))).await;
        for (number, journal) in opened.into_iter().enumerate() {
            let journal = journal.expect("it is there, or it is made");
            let started = journal.start(new_saga(&number.to_string()), None).await;
            assert!(matches!(started, Ok(Started::New(_))), "{started:?}");
        }
    }
}

#[tokio::test]
async fn two_services_in_one_database_do_not_meet() {
    let database = Server::shared().database().await;
    let open = async |schema: &str| {
        let options = Postgres::options().schema(schema);
        options.connect(database.url()).await.expect("it works")
    };
    // Names that SQL would read in another way without quotes.
    let (one, other) = (open("select").await, open("table_1").await);
    let lease = Lease {
        worker: Worker::new("worker"),
        duration: Duration::from_mins(1),
    };
    let definitions = [SagaVersion::new("opened", 1)];
    let started = one.start(new_saga("one"), None).await;
    assert!(matches!(started, Ok(Started::New(_))), "{started:?}");
    let claimed = other.claim(&lease, &definitions, 10).await;
    assert!(claimed.expect("it works").is_empty());
    let started = other.start(new_saga("one"), None).await;
    assert!(matches!(started, Ok(Started::New(_))), "{started:?}");
    for journal in [&one, &other] {
        let claimed = journal.claim(&lease, &definitions, 10).await;
        assert_eq!(claimed.expect("it works").len(), 1);
    }
}

#[tokio::test]
async fn older_tables_are_migrated_and_newer_ones_refused() {
    let database = Server::shared().database().await;
    let url = database.url();
    let journal = Postgres::connect(url).await.expect("it works");
    let started = journal.start(new_saga("one"), None).await;
    assert!(matches!(started, Ok(Started::New(_))), "{started:?}");
    // The last three migrations have not been.
    run(
        url,
        "ALTER TABLE saga.sagas DROP COLUMN traceparent, DROP COLUMN tracestate;
         ALTER TABLE saga.open_sagas DROP COLUMN called, DROP COLUMN watched;
         DROP TABLE saga.posted_events, saga.paused_definitions;
         DELETE FROM saga.migrations WHERE name > '0003_failing_sagas'",
    )
    .await;
    let journal = Postgres::connect(url).await.expect("it is migrated");
    let id = SagaId::new("one").expect("a short text");
    assert!(journal.load(&id).await.expect("it works").is_some());
    assert!(journal.paused().await.expect("it works").is_empty());

    run(
        url,
        "INSERT INTO saga.migrations (name) VALUES ('9999_later')",
    )
    .await;
    let Err(JournalError::Unsuitable { message }) = Postgres::connect(url).await else {
        panic!("it is of a newer version");
    };
    assert_eq!(
        message,
        "the journal in the schema `saga` was written by a newer version of this library (migration `9999_later`): update this program"
    );
}

/// The log of a test.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn it_warns_on_a_server_that_may_forget_what_it_has_acknowledged() {
    for (setting, is_off) in [
        ("synchronous_commit", "off"),
        ("fsync", "off"),
        ("fsync", "on"),
    ] {
        let server = Server::start(&["-c", &format!("{setting}={is_off}")]);
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _default = tracing::subscriber::set_default(subscriber);
        let journal = Postgres::connect(server.url()).await;
        journal.expect("it works");
        let text = log.text();
        let warning = format!("setting=\"{setting}\"");
        let has_warned = text.contains("WARN") && text.contains(&warning);
        assert_eq!(has_warned, is_off == "off", "{setting}={is_off}: {text}");
    }
}
