//! Days pass in a moment: the clock is paused.

use std::sync::Arc;
use std::time::Duration;

use saga_runtime::coordinator::OperatorError;
use saga_runtime::journal::{Memory, State};
use tokio::time::sleep;

use crate::claim::{ClaimError, ClaimExpense, Office, VERDICT, Verdict};
use crate::start;

const A_DAY: Duration = Duration::from_hours(24);

fn approved() -> Verdict {
    Verdict::Approved {
        by: "Ann".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_paid_when_it_is_approved_days_later_in_another_process() {
    let (office, journal) = (Arc::default(), Memory::new());
    let first = start(&office, &journal).await.expect("it is new");
    let claim = ClaimExpense { cents: 100 };
    first.submit("a", claim).await.expect("it is new");
    sleep(2 * A_DAY + A_DAY / 2).await;
    first.shutdown().await;

    let second = start(&office, &journal).await.expect("the first has ended");
    second
        .send("a", VERDICT, &approved())
        .await
        .expect("it waits");
    let end = second.execute("a", ClaimExpense { cents: 100 }).await;
    assert_eq!(end.expect("nothing fails"), "Ann");
    assert_eq!(
        office.notes(),
        [
            "a: 100 cents are filed",
            "a: the manager is reminded",
            "a: the manager is reminded",
            "a: 100 cents are paid",
        ]
    );
    let late = second.send("a", VERDICT, &approved()).await;
    assert!(
        matches!(late, Err(OperatorError::Final(State::Completed))),
        "{late:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_not_decided_is_withdrawn_after_the_director_had_a_week() {
    let office: Arc<Office> = Arc::default();
    let coordinator = start(&office, &Memory::new()).await.expect("it is new");
    let begin = tokio::time::Instant::now();
    let end = coordinator.execute("a", ClaimExpense { cents: 100 }).await;
    let error = end.expect_err("it is not decided");
    let cause = error.saga_error().expect("it failed").cause();
    assert_eq!(cause, &saga_runtime::Cause::Error(ClaimError::Undecided));
    assert!(begin.elapsed() >= 10 * A_DAY);
    let notes = office.notes();
    assert_eq!(
        notes.last().map(String::as_str),
        Some("a: 100 cents are withdrawn")
    );
    assert_eq!(notes.len(), 6);
}
