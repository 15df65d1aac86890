//! The removal of sagas: piece by piece, also of those whose entries are lost.

use std::time::{Duration, SystemTime};

use saga_runtime::SagaId;
use saga_runtime::journal::{Event, Journal as _, Lease, NewSaga, Postgres, Started, Worker};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use test_postgres::Server;

#[tokio::test]
async fn a_saga_that_has_ended_and_has_lost_its_entries_is_removed() {
    let schema = format!("purging_{}", std::process::id());
    let url = Server::shared().url();
    let options = Postgres::options().schema(schema.clone());
    let journal = options.connect(url).await.expect("the database works");
    let lease = Lease {
        worker: Worker::new("worker"),
        duration: Duration::from_mins(1),
    };
    for (id, ends) in [("ended", true), ("open", false)] {
        let saga = NewSaga {
            id: SagaId::new(id).expect("a short text"),
            name: "removed".to_owned(),
            version: 1,
            fingerprint: 1,
            input: "null".to_owned(),
            trace: None,
        };
        let started = journal.start(saga, Some(&lease)).await;
        let Ok(Started::New(Some(claim))) = started else {
            panic!("the saga is new: {started:?}");
        };
        if ends {
            let output = "1".to_owned();
            let ended = journal.append(&claim, 1, vec![Event::Completed { output }]);
            ended.await.expect("the claim holds");
        }
    }
    let mut connection = PgConnection::connect(url).await.expect("it is there");
    let lost = sqlx::query(AssertSqlSafe(format!("DELETE FROM {schema}.entries")));
    let lost = lost.execute(&mut connection).await.expect("it is there");
    assert!(lost.rows_affected() > 0);
    let (now, hour) = (SystemTime::now(), Duration::from_hours(1));
    for (before, count) in [(now - hour, 0), (now + hour, 1)] {
        let purged = journal.purge(before).await;
        assert_eq!(purged.expect("the database works"), count);
    }
    for (id, is_there) in [("ended", false), ("open", true)] {
        let id = SagaId::new(id).expect("a short text");
        let record = journal.record(&id).await.expect("the database works");
        assert_eq!(record.is_some(), is_there, "{id}");
    }
}

#[tokio::test]
async fn a_purge_goes_piece_by_piece_and_what_is_removed_stays_so_if_it_fails() {
    let database = Server::shared().database().await;
    let url = database.url();
    let journal = Postgres::connect(url).await.expect("the database works");
    let mut connection = PgConnection::connect(url).await.expect("it is there");
    // Sagas that have ended long ago.
    connection
        .execute(
            "INSERT INTO saga.sagas (id, name, version, fingerprint, input, started_at)
             SELECT 'saga-' || number, 'ended', 1, 1, 'null', now() - interval '1 day' FROM generate_series(1, 2500) number;
             INSERT INTO saga.entries (saga, seq, at, event, payload)
             SELECT number, 2, now() - interval '1 day', 'completed', 'null' FROM saga.sagas",
        )
        .await
        .expect("it works");
    // Another transaction keeps one of the third piece.
    let mut other = connection.begin().await.expect("it works");
    other
        .execute("SELECT FROM saga.sagas WHERE number = 2200 FOR UPDATE")
        .await
        .expect("it works");
    let before = SystemTime::now() - Duration::from_hours(1);
    let purging = journal.clone();
    let purge = tokio::spawn(async move { purging.purge(before).await });
    let mut looking = PgConnection::connect(url).await.expect("it is there");
    let left = async {
        loop {
            let left = sqlx::query_scalar("SELECT count(*) FROM saga.sagas");
            let left: i64 = left.fetch_one(&mut looking).await.expect("it works");
            if left == 500 {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    let left = tokio::time::timeout(Duration::from_secs(30), left).await;
    left.expect("two pieces are removed for good");
    purge.abort();
    other.rollback().await.expect("it works");
    let purged = journal.purge(before).await.expect("the database works");
    assert!(purged <= 500, "{purged}");
    let left = sqlx::query_scalar("SELECT count(*) FROM saga.sagas");
    let left: i64 = left.fetch_one(&mut looking).await.expect("it works");
    assert_eq!(left, 0);
}
