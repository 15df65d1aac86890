//! The plans of the statements. They are made while the tables are small, and stay prepared.

use std::time::Duration;

use saga_runtime::journal::{
    Event, Journal as _, Lease, NewSaga, Postgres, Started, StepCall, Worker,
};
use saga_runtime::{Kind, SagaId};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection as _, PgConnection};
use test_postgres::Server;

#[tokio::test]
async fn an_append_reads_no_entries_but_the_one_before() {
    const APPENDS: u32 = 200;
    let database = Server::shared().database().await;
    let pool = PgPoolOptions::new().max_connections(4);
    let pool = pool.connect(database.url()).await.expect("it is there");
    let journal = Postgres::options().open(pool.clone()).await;
    let journal = journal.expect("the database works");
    let lease = Lease {
        worker: Worker::new("worker"),
        duration: Duration::from_mins(1),
    };
    let saga = NewSaga {
        id: SagaId::new("long").expect("a short text"),
        name: "long".to_owned(),
        version: 1,
        fingerprint: 1,
        input: "null".to_owned(),
        trace: None,
    };
    let started = journal.start(saga, Some(&lease)).await;
    let Ok(Started::New(Some(claim))) = started else {
        panic!("the saga is new: {started:?}");
    };
    for number in 0..APPENDS {
        let done = Event::StepDone {
            step: StepCall {
                name: "step".into(),
                occurrence: number,
                kind: Kind::NothingToUndo,
            },
            attempts: 1,
            output: "1".to_owned(),
            inputs: None,
        };
        let appended = journal.append(&claim, u64::from(number) + 1, vec![done]);
        appended.await.expect("the claim holds");
    }
    // A connection tells what it has read when it ends.
    pool.close().await;
    let mut connection = PgConnection::connect(database.url())
        .await
        .expect("it is there");
    loop {
        let others: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
        )
        .fetch_one(&mut connection)
        .await
        .expect("the server answers");
        if others == 0 {
            break;
        }
    }
    let read: i64 = sqlx::query_scalar(
        "SELECT seq_tup_read FROM pg_stat_user_tables WHERE schemaname = 'saga' AND relname = 'entries'",
    )
    .fetch_one(&mut connection)
    .await
    .expect("the table is there");
    assert!(read < i64::from(APPENDS), "{read} rows were read");
}
