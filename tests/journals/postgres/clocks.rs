//! Leases are compared by the clock of the database, and a claim waits for nobody.

use std::time::{Duration, SystemTime};

use saga_runtime::SagaId;
use saga_runtime::journal::{
    Claimed, Journal as _, Lease, NewSaga, Postgres, SagaVersion, Started, Wakeup, Worker,
};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor as _};
use test_postgres::Server;

use super::mistakes::Rewrite;

/// A database whose clock the test sets: what stands in the way of the real one is found first.
struct Clock {
    schema: String,
    pool: PgPool,
}

impl Clock {
    async fn new(name: &str, ahead: &str) -> Self {
        let schema = format!("{name}_{}", std::process::id());
        let server: PgConnectOptions = Server::shared().url().parse().expect("a URL");
        let path = format!("{schema}_clock,pg_catalog");
        let pool = PgPoolOptions::new()
            .connect_with(server.options([("search_path", path)]))
            .await
            .expect("the server can be reached");
        let clock = format!(
            "CREATE SCHEMA {schema}_clock;
             CREATE TABLE {schema}_clock.ahead (time interval);
             INSERT INTO {schema}_clock.ahead VALUES ('{ahead}');
             CREATE FUNCTION {schema}_clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
             AS 'SELECT pg_catalog.clock_timestamp() + time FROM {schema}_clock.ahead';"
        );
        pool.execute(AssertSqlSafe(clock))
            .await
            .expect("the clock is made");
        Self { schema, pool }
    }

    async fn pass(&self, time: &str) {
        let schema = &self.schema;
        let update = format!("UPDATE {schema}_clock.ahead SET time = time + '{time}'");
        let passed = self.pool.execute(AssertSqlSafe(update)).await;
        passed.expect("the clock is set");
    }

    async fn open(&self, mistake: Option<Rewrite>) -> Postgres {
        let mut options = Postgres::options().schema(self.schema.clone());
        if let Some(mistake) = mistake {
            options = options.rewritten(mistake);
        }
        let opened = options.open(self.pool.clone()).await;
        opened.expect("the database works")
    }
}

fn lease(worker: &str) -> Lease {
    Lease {
        worker: Worker::new(worker),
        duration: Duration::from_mins(1),
    }
}

fn new_saga(id: &str) -> NewSaga {
    NewSaga {
        id: SagaId::new(id).expect("a short text"),
        name: "timed".to_owned(),
        version: 1,
        fingerprint: 1,
        input: "null".to_owned(),
        trace: None,
    }
}

async fn claim(journal: &Postgres, worker: &str) -> Vec<Claimed> {
    let claimed = journal
        .claim(&lease(worker), &[SagaVersion::new("timed", 1)], 10)
        .await;
    claimed.expect("the journal works")
}

pub(super) async fn leases_run_by_the_clock_of_the_database(
    name: &str,
    ahead: &str,
    mistake: Option<Rewrite>,
) {
    let clock = Clock::new(name, ahead).await;
    let journal = clock.open(mistake).await;
    let started = journal.start(new_saga("one"), Some(&lease("first"))).await;
    let _ = started.expect("the journal works");
    assert!(
        claim(&journal, "second").await.is_empty(),
        "the lease holds"
    );
    clock.pass("59 seconds").await;
    assert!(claim(&journal, "third").await.is_empty(), "the lease holds");
    clock.pass("2 seconds").await;
    assert_eq!(
        claim(&journal, "fourth").await.len(),
        1,
        "the lease is over"
    );
}

#[tokio::test]
async fn a_worker_whose_clock_is_an_hour_behind_keeps_its_sagas() {
    leases_run_by_the_clock_of_the_database("behind", "1 hour", None).await;
}

#[tokio::test]
async fn a_worker_whose_clock_is_an_hour_ahead_loses_its_sagas_in_time() {
    leases_run_by_the_clock_of_the_database("ahead", "-1 hour", None).await;
}

#[tokio::test]
async fn what_a_worker_puts_to_rest_wakes_in_time_although_its_clock_is_an_hour_off() {
    for (name, ahead) in [("rest_behind", "1 hour"), ("rest_ahead", "-1 hour")] {
        let clock = Clock::new(name, ahead).await;
        let journal = clock.open(None).await;
        let started = journal.start(new_saga("one"), Some(&lease("first"))).await;
        let Ok(Started::New(Some(held))) = started else {
            panic!("{started:?}");
        };
        let rest = Wakeup::At(SystemTime::now() + Duration::from_secs(30));
        let released = journal.release(&held, false, rest).await;
        released.expect("the journal works");
        assert!(
            claim(&journal, "second").await.is_empty(),
            "{ahead}: it rests"
        );
        let next = journal.next_rest().await.expect("the journal works");
        let left = next.and_then(|next| next.duration_since(SystemTime::now()).ok());
        let left = left.expect("it is known when it wakes");
        assert!(left < Duration::from_secs(31), "{ahead}: {left:?}");
        clock.pass("31 seconds").await;
        assert_eq!(
            claim(&journal, "second").await.len(),
            1,
            "{ahead}: it wakes"
        );
    }
}

#[tokio::test]
async fn a_claim_does_not_wait_for_a_saga_that_another_worker_just_claims() {
    a_claim_waits_for_nobody("skipped", Duration::from_secs(20), None).await;
}

pub(super) async fn a_claim_waits_for_nobody(
    name: &str,
    limit: Duration,
    mistake: Option<Rewrite>,
) {
    let clock = Clock::new(name, "0").await;
    let journal = clock.open(mistake).await;
    for id in ["one", "two", "three"] {
        let started = journal.start(new_saga(id), None).await;
        let _ = started.expect("the journal works");
    }
    // A claim that has locked a saga, and does not commit.
    let mut other = clock.pool.begin().await.expect("a transaction");
    let lock = format!(
        "SELECT FROM {}.open_sagas ORDER BY number LIMIT 1 FOR UPDATE",
        clock.schema
    );
    other
        .execute(AssertSqlSafe(lock))
        .await
        .expect("it is locked");
    let one = lease("first");
    let timed = [SagaVersion::new("timed", 1)];
    let second = journal.claim(&one, &timed, 1);
    let second = tokio::time::timeout(limit, second).await;
    let second = second
        .expect("a claim waits for nobody")
        .expect("the journal works");
    assert_eq!(second.len(), 1, "what is locked does not count");
    let claimed = tokio::time::timeout(limit, claim(&journal, "first")).await;
    let claimed = claimed.expect("a claim waits for nobody");
    let ids: Vec<_> = claimed.iter().map(|one| one.claim.id.as_str()).collect();
    assert_eq!(second[0].claim.id.as_str(), "two");
    assert_eq!(ids, ["three"]);
    other.rollback().await.expect("the lock is gone");
    assert_eq!(claim(&journal, "first").await.len(), 1);
}

/// Claims at the same time meet neither each other's sagas nor an error.
#[tokio::test]
async fn claims_at_the_same_time_share_the_sagas() {
    let clock = Clock::new("shared", "0").await;
    let mut journals = Vec::new();
    for _ in 0..4 {
        journals.push(clock.open(None).await);
    }
    for number in 0..200 {
        let started = journals[0].start(new_saga(&number.to_string()), None);
        let _ = started.await.expect("the journal works");
    }
    let claiming = journals.into_iter().enumerate().map(|(number, journal)| {
        tokio::spawn(async move {
            let mut all = Vec::new();
            loop {
                let claimed = claim(&journal, &format!("worker {number}")).await;
                if claimed.is_empty() {
                    return all;
                }
                all.extend(claimed.into_iter().map(|one| one.claim));
            }
        })
    });
    let mut ids = Vec::new();
    for claims in claiming.collect::<Vec<_>>() {
        for claim in claims.await.expect("no claim fails") {
            assert_eq!(claim.epoch, 1);
            ids.push(claim.id);
        }
    }
    ids.sort();
    ids.dedup();
    // A worker that saw all that were left locked by others may have ended early, but not all of them.
    assert_eq!(ids.len(), 200);
}

/// Another worker gets the saga of a worker that has died when the lease of that one is over, unless its heart beats on.
pub(super) async fn the_sagas_of_a_dead_worker_are_taken_over(name: &str, beats: bool) {
    let journal = Clock::new(name, "0").await.open(None).await;
    let dead = Lease {
        worker: Worker::new("dead"),
        duration: Duration::from_millis(200),
    };
    let started = journal.start(new_saga("one"), Some(&dead)).await;
    let _ = started.expect("the journal works");
    let beating = journal.clone();
    let heart = tokio::spawn(async move {
        if !beats {
            return;
        }
        loop {
            let _ = beating.renew(&dead).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let taken_over = async {
        while claim(&journal, "second").await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let taken_over = tokio::time::timeout(Duration::from_secs(2), taken_over).await;
    heart.abort();
    taken_over.expect("its lease is over");
}
