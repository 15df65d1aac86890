//! A saga whose rows are missing is set aside, and a connection whose caller goes away is sound.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use saga_runtime::SagaId;
use saga_runtime::journal::{
    Claim, ClaimedOne, Event, Journal as _, Lease, NewSaga, Postgres, Reason, Started, State,
    Wakeup, Worker,
};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_postgres::Server;

fn lease() -> Lease {
    Lease {
        worker: Worker::new("worker"),
        duration: Duration::from_mins(1),
    }
}

fn received() -> Vec<Event> {
    vec![Event::Received {
        name: "paid".into(),
        payload: "1".to_owned(),
        key: None,
    }]
}

async fn started(journal: &Postgres, id: &str) -> Claim {
    let saga = NewSaga {
        id: SagaId::new(id).expect("a short text"),
        name: "order".to_owned(),
        version: 1,
        fingerprint: 1,
        input: "null".to_owned(),
        trace: None,
    };
    match journal.start(saga, Some(&lease())).await {
        Ok(Started::New(Some(claim))) => claim,
        other => panic!("the saga is new: {other:?}"),
    }
}

async fn claimed(journal: &Postgres, id: &SagaId) -> saga_runtime::journal::Claimed {
    match journal.claim_one(&lease(), id).await {
        Ok(ClaimedOne::Claimed(claimed)) => *claimed,
        other => panic!("it is free: {other:?}"),
    }
}

#[tokio::test]
async fn a_saga_with_a_missing_row_can_be_set_aside() {
    let schema = format!("missing_{}", std::process::id());
    let url = Server::shared().url();
    let options = Postgres::options().schema(schema.clone());
    let journal = options.connect(url).await.expect("the database works");
    let mut connection = PgConnection::connect(url).await.expect("it is there");
    // The rows: 2 and 3 are entries, 4 is the second claim, 5 an entry.
    let lost = [
        (
            "seq = 2",
            "rows are missing before the one with the number 3",
        ),
        (
            "seq = 3",
            "rows are missing before the one with the number 4",
        ),
        (
            "seq = 4",
            "rows are missing before the one with the number 5",
        ),
        (
            "seq >= 4",
            "the saga was claimed 3 times, and 2 claims are there: rows are missing",
        ),
        (
            "seq >= 2",
            "rows are missing before the one with the number 3",
        ),
    ];
    for (number, (rows, expected)) in lost.into_iter().enumerate() {
        let claim = started(&journal, &format!("order-{number}")).await;
        for seq in [1, 2] {
            let appended = journal.append(&claim, seq, received()).await;
            appended.expect("the claim holds");
        }
        let released = journal.release(&claim, false, Wakeup::Now).await;
        released.expect("the claim holds");
        let again = claimed(&journal, &claim.id).await;
        let appended = journal.append(&again.claim, again.next, received()).await;
        appended.expect("the claim holds");
        let released = journal.release(&again.claim, false, Wakeup::Now).await;
        released.expect("the claim holds");
        let sql = format!(
            "DELETE FROM {schema}.entries WHERE {rows}
             AND saga = (SELECT number FROM {schema}.sagas WHERE id = '{}')",
            claim.id
        );
        let deleted = sqlx::query(AssertSqlSafe(sql)).execute(&mut connection);
        assert!(deleted.await.expect("it is there").rows_affected() > 0);

        let newest = claimed(&journal, &claim.id).await;
        let damage = newest.entries.expect_err("it is damaged").to_string();
        assert!(damage.ends_with(expected), "{rows}: {damage}");
        let reason = Reason::new("damaged", damage);
        let parked = journal.append(&newest.claim, newest.next, vec![Event::Stuck { reason }]);
        parked.await.expect("the claim holds");
        let record = journal.record(&claim.id).await.expect("it works");
        assert_eq!(record.expect("it is there").state, State::Stuck, "{rows}");
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_transaction() {
    let schema = format!("gone_{}", std::process::id());
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(Server::shared().url()).await;
    let pool = pool.expect("the server works");
    let options = Postgres::options().schema(schema);
    let journal = options.open(pool.clone()).await.expect("it works");
    let id = started(&journal, "order").await.id;
    let mut is_loaded = false;
    let mut polls = 0;
    while !is_loaded {
        {
            let mut load = pin!(journal.load(&id));
            for _ in 0..polls {
                is_loaded = poll_fn(|cx| Poll::Ready(load.as_mut().poll(cx).is_ready())).await;
                if is_loaded {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        polls += 1;
        let mut connection = pool.acquire().await.expect("it is free");
        let mut begun = Vec::new();
        for _ in 0..2 {
            // The time at which its transaction began.
            let now = sqlx::query_scalar::<_, String>("SELECT now()::text");
            begun.push(now.fetch_one(&mut *connection).await.expect("it works"));
        }
        assert_ne!(
            begun[0], begun[1],
            "a transaction is open after {polls} polls"
        );
    }
}
