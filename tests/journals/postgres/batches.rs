//! Writes to one saga that are asked for at the same time.

use std::time::Duration;

use saga_runtime::SagaId;
use saga_runtime::journal::{
    ClaimedOne, Event, Journal as _, Lease, NewSaga, Postgres, Started, State, Wakeup, Worker,
};
use test_postgres::Server;

#[tokio::test]
async fn an_end_and_a_release_at_once_leave_an_ended_saga() {
    let journal = Postgres::options()
        .schema(format!("batches_{}", std::process::id()))
        .connect(Server::shared().url())
        .await
        .expect("the database works");
    let lease = Lease {
        worker: Worker::new("worker"),
        duration: Duration::from_mins(1),
    };
    let id = SagaId::new("one").expect("a short text");
    let saga = NewSaga {
        id: id.clone(),
        name: "batched".to_owned(),
        version: 1,
        fingerprint: 1,
        input: "null".to_owned(),
        trace: None,
    };
    let started = journal.start(saga, Some(&lease)).await;
    let Ok(Started::New(Some(claim))) = started else {
        panic!("the saga is new: {started:?}");
    };
    let end = Event::Completed {
        output: "1".to_owned(),
    };
    // One runtime thread: both wait before the writer sees either.
    let (ended, released) = tokio::join!(
        journal.append(&claim, 1, vec![end]),
        journal.release(&claim, false, Wakeup::Now),
    );
    ended.expect("the claim holds");
    released.expect("the journal works");
    let now = journal.claim_one(&lease, &id).await;
    assert!(
        matches!(now, Ok(ClaimedOne::Final(State::Completed))),
        "{now:?}"
    );
}

#[tokio::test]
async fn workers_that_are_gone_are_forgotten_when_the_journal_is_opened() {
    let schema = format!("gone_{}", std::process::id());
    let options = Postgres::options().schema(schema.clone());
    let url = Server::shared().url();
    let journal = options.clone().connect(url).await;
    let journal = journal.expect("the database works");
    for (name, duration) in [("gone", Duration::ZERO), ("here", Duration::from_mins(1))] {
        let worker = Worker::new(name);
        let renewed = journal.renew(&Lease { worker, duration }).await;
        renewed.expect("the journal works");
    }
    options.connect(url).await.expect("the database works");
    let pool = sqlx::PgPool::connect(url).await;
    let select = format!("SELECT name FROM {schema}.workers");
    let names: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(select))
        .fetch_all(&pool.expect("the server can be reached"))
        .await
        .expect("the table is there");
    assert_eq!(names, ["here"]);
}
