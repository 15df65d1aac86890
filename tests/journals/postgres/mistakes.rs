//! Mistakes that the journal makes on purpose: each is found by the test that guards against it.

use std::time::Duration;

use saga_runtime::journal::Postgres;
use saga_runtime::testing::{Factory, Fixture, behaviours};
use test_postgres::Server;
use tokio::task::JoinError;

use super::{clocks, fencing, waking};

/// Rewrites a statement of the journal.
pub(super) type Rewrite = fn(&str) -> String;

/// Runs a check that has to panic. The panic is printed, as it would be if the mistake was no purpose.
async fn is_found(check: impl Future<Output = ()> + Send + 'static) {
    let checked = tokio::spawn(check).await;
    let is_found = checked.as_ref().is_err_and(JoinError::is_panic);
    assert!(is_found, "the mistake is not found");
}

/// An append does not look if its worker has lost the saga: it takes the next number that is free.
fn without_a_fence(sql: &str) -> String {
    sql.replace("USING (number, epoch)", "USING (number)")
        .replace("WHERE open.worker IS NOT NULL\n", "WHERE true OR open.worker IS NOT NULL\n")
        .replace(
            "SELECT number, seq, clock_timestamp(), event",
            "SELECT number, (SELECT coalesce(max(e.seq), append.epoch) FROM {schema}.entries e WHERE e.saga = number)
                 + seq - append.first + 1, clock_timestamp(), event",
        )
        .replace("open.epoch = append.epoch", "true")
}

fn with_the_clock_of_the_worker(sql: &str) -> String {
    // The test sets the clock of the database by a function of this name that is found first.
    sql.replace(
        "VALUES ($1, clock_timestamp() + $2",
        "VALUES ($1, pg_catalog.clock_timestamp() + $2",
    )
}

fn without_skip_locked(sql: &str) -> String {
    sql.replace("SKIP LOCKED", "")
}

/// An append whose answer was lost finds its entries, and takes them for those of another one.
fn with_a_lost_answer_taken_for_a_failure(sql: &str) -> String {
    sql.replace(
        "SELECT event, step, occurrence, kind, attempts, code, message, payload::text AS payload, seq\n",
        "SELECT CASE event WHEN 'claimed' THEN event ELSE event || '?' END AS event,
             step, occurrence, kind, attempts, code, message, payload::text AS payload, seq\n",
    )
}

pub(super) fn without_notifications(sql: &str) -> String {
    sql.replace("pg_notify(", "concat_ws(")
}

#[tokio::test]
async fn it_is_found_if_the_fence_is_not_checked() {
    is_found(async {
        for _ in 0..50 {
            fencing::interleaving(fastrand::u64(..1 << 40), Some(without_a_fence)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn it_is_found_if_a_lease_runs_by_the_clock_of_the_worker() {
    for (name, ahead) in [("mistaken_behind", "1 hour"), ("mistaken_ahead", "-1 hour")] {
        let mistake = Some(with_the_clock_of_the_worker as Rewrite);
        is_found(clocks::leases_run_by_the_clock_of_the_database(
            name, ahead, mistake,
        ))
        .await;
    }
}

#[tokio::test]
async fn it_is_found_if_the_heart_of_a_dead_worker_beats_on() {
    clocks::the_sagas_of_a_dead_worker_are_taken_over("dead", false).await;
    is_found(clocks::the_sagas_of_a_dead_worker_are_taken_over(
        "dead_beating",
        true,
    ))
    .await;
}

#[tokio::test]
async fn it_is_found_if_a_claim_waits_for_another_one() {
    let limit = Duration::from_secs(1);
    let mistake = Some(without_skip_locked as Rewrite);
    is_found(clocks::a_claim_waits_for_nobody(
        "mistaken_skip",
        limit,
        mistake,
    ))
    .await;
}

#[tokio::test]
async fn it_is_found_if_a_lost_answer_is_taken_for_a_failure() {
    struct Mistaken;

    impl Factory for Mistaken {
        type Journal = Postgres;

        async fn open(&mut self) -> Postgres {
            let journal = Postgres::options()
                .schema(format!("mistaken_answer_{}", std::process::id()))
                .rewritten(with_a_lost_answer_taken_for_a_failure)
                .connect(Server::shared().url())
                .await;
            journal.expect("the database works")
        }

        async fn reopen(&mut self, _: Postgres) -> Postgres {
            self.open().await
        }
    }

    is_found(async {
        behaviours::the_same_append_again_is_fine(Fixture::new(Mistaken).await).await;
    })
    .await;
}

#[tokio::test]
async fn it_is_found_if_notifications_are_lost() {
    let limit = Duration::from_secs(2);
    let mistake = Some(without_notifications as Rewrite);
    // A coordinator looks by itself when it has begun to listen. On a busy machine that may be late.
    let mut is_found = false;
    for name in ["mistaken_silent", "silent_again", "silent_once_more"] {
        let lease = Duration::from_hours(1);
        let checked = waking::a_cancellation_is_heard(name, limit, lease, mistake);
        is_found = tokio::spawn(checked)
            .await
            .is_err_and(|error| error.is_panic());
        if is_found {
            break;
        }
    }
    assert!(is_found, "the mistake is not found");
    // With a lease of seconds the polls find it as well.
    let (limit, lease) = (Duration::from_secs(30), Duration::from_millis(600));
    waking::a_cancellation_is_heard("polled", limit, lease, mistake).await;
}
