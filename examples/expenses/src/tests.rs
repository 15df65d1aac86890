//! Days pass in a moment: in process the clock can be paused. Restarts need a journal, and no time.

use std::sync::Arc;
use std::time::Duration;

use saga_runtime::coordinator::OperatorError;
use saga_runtime::journal::{Memory, State};
use saga_runtime::testing::FailureMatrix;
use saga_runtime::{Cause, Events, InProcess, SagaId};
use tokio::time::{Instant, sleep};

use crate::claim::{ClaimError, ClaimExpense, Office, VERDICT, Verdict};
use crate::start;

const A_DAY: Duration = Duration::from_hours(24);

fn approved() -> Verdict {
    Verdict::Approved {
        by: "Ann".to_owned(),
    }
}

fn in_process(office: &Office) -> InProcess<'_, Office> {
    let id = SagaId::new("a").expect("it is an id");
    InProcess::new(office).saga_id(id)
}

#[tokio::test]
async fn a_claim_is_paid_when_it_is_approved_in_another_process() {
    let (office, journal) = (Arc::default(), Memory::new());
    let first = start(&office, &journal).await.expect("it is new");
    let claim = ClaimExpense { cents: 100 };
    drop(first.submit("a", claim).await.expect("it is new"));
    first.shutdown().await;

    let second = start(&office, &journal).await.expect("the journal works");
    let sent = second.send("a", VERDICT, &approved()).await;
    sent.expect("it waits for that");
    let end = second.execute("a", ClaimExpense { cents: 100 }).await;
    assert_eq!(end.expect("nothing fails"), "Ann");
    assert_eq!(
        office.notes(),
        ["a: 100 cents are filed", "a: 100 cents are paid"]
    );
    let late = second.send("a", VERDICT, &approved()).await;
    let is_late = matches!(late, Err(OperatorError::Final(State::Completed)));
    assert!(is_late, "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn the_approver_is_reminded_each_day() {
    let (office, events) = (Office::default(), Events::new());
    let claim = in_process(&office).receives(events.clone());
    let later = async {
        sleep(2 * A_DAY + A_DAY / 2).await;
        events.send(VERDICT, &approved()).expect("it is JSON");
    };
    let (end, ()) = tokio::join!(claim.execute(ClaimExpense { cents: 100 }), later);
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
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_not_decided_is_withdrawn_after_the_director_had_a_week() {
    let office = Office::default();
    let begin = Instant::now();
    let end = in_process(&office)
        .execute(ClaimExpense { cents: 100 })
        .await;
    let error = end.expect_err("it is not decided");
    assert_eq!(error.cause(), &Cause::Error(ClaimError::Undecided));
    assert!(begin.elapsed() >= 10 * A_DAY);
    let notes = office.notes();
    assert_eq!(notes.len(), 6);
    assert_eq!(
        notes.last().map(String::as_str),
        Some("a: 100 cents are withdrawn")
    );
}

#[test]
fn a_request_is_carried_out_once_and_not_after_it_was_withdrawn() {
    let office = Office::default();
    for _ in 0..2 {
        let filed = office.carry_out("a", "filed".to_owned());
        assert_eq!(filed, Ok(()));
    }
    for key in ["a", "a", "b"] {
        office.withdraw(key, "withdrawn".to_owned());
    }
    for key in ["a", "b"] {
        let late = office.carry_out(key, "filed".to_owned());
        assert_eq!(late, Err(ClaimError::Withdrawn));
    }
    assert_eq!(office.notes(), ["filed", "withdrawn"]);
}

#[test]
fn every_failure_of_a_claim_ends_well() {
    FailureMatrix::new(Office::default, || ClaimExpense { cents: 100 })
        .event(VERDICT, &approved())
        .invariant(
            "it is paid once, or what was filed is withdrawn",
            |office, end| {
                let notes = office.notes();
                let times = |what: &str| notes.iter().filter(|note| note.ends_with(what)).count();
                let (filed, paid) = (times("are filed"), usize::from(end.is_completed()));
                let expected = [paid, filed.saturating_sub(paid)];
                let told = [times("are paid"), times("are withdrawn")];
                (filed <= 1 && told == expected)
                    .then_some(())
                    .ok_or(format!("{notes:?}"))
            },
        )
        .check();
}
