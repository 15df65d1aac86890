//! Months pass in a moment: in process, and in the matrix, the clock is paused.

use saga_runtime::testing::FailureMatrix;
use saga_runtime::{Events, InProcess};
use tokio::time::{Instant, sleep};

use crate::subscribe::{A_MONTH, Billing, CANCELLED, GRACE, NEW_CARD, Subscribe, TRIAL};

fn subscription(card: &str, months: u32) -> Subscribe {
    let card = card.to_owned();
    Subscribe { card, months }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_when_its_months_are_over() {
    let (billing, begin) = (Billing::default(), Instant::now());
    let paid = subscription("a card", 12).execute(&billing).await;
    assert_eq!(paid.expect("nothing fails"), 12);
    assert!(begin.elapsed() >= TRIAL + 12 * A_MONTH);
    assert_eq!(billing.notes().len(), 14);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_charged_if_the_customer_cancels_in_the_trial() {
    let (billing, events) = (Billing::default(), Events::new());
    let customer = InProcess::new(&billing).receives(events.clone());
    let cancels = async {
        sleep(TRIAL / 2).await;
        let sent = events.send(CANCELLED, &"no time".to_owned());
        sent.expect("it is JSON");
    };
    let (paid, ()) = tokio::join!(customer.execute(subscription("a card", 12)), cancels);
    assert_eq!(paid.expect("nothing fails"), 0);
    let notes = billing.notes();
    assert_eq!(
        notes,
        ["the account is opened", "the account ends: no time"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_card_is_charged_at_once() {
    let (billing, events) = (Billing::default(), Events::new());
    let customer = InProcess::new(&billing).receives(events.clone());
    let sends = async {
        sleep(TRIAL + GRACE / 2).await;
        let sent = events.send(NEW_CARD, &"a second card".to_owned());
        sent.expect("it is JSON");
    };
    let (paid, ()) = tokio::join!(customer.execute(subscription("empty", 2)), sends);
    assert_eq!(paid.expect("nothing fails"), 2);
    let notes = billing.notes();
    assert_eq!(notes[1], "the card is declined in month 1");
    assert_eq!(notes[2], "month 1 is paid by a second card");
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_never_pays_is_reminded_three_times() {
    let (billing, begin) = (Billing::default(), Instant::now());
    let paid = subscription("empty", 12).execute(&billing).await;
    assert_eq!(paid.expect("nothing fails"), 0);
    let notes = billing.notes();
    let reminders = notes.iter().filter(|note| note.contains("declined"));
    assert_eq!(reminders.count(), 3);
    assert!(begin.elapsed() >= TRIAL + 3 * GRACE);
}

#[test]
fn a_request_is_carried_out_once_and_not_after_it_was_undone() {
    let billing = Billing::default();
    for key in ["a", "a"] {
        billing.carry_out(key, "opened".to_owned());
    }
    for key in ["a", "a", "b"] {
        billing.undo(key, "closed".to_owned());
    }
    for key in ["a", "b"] {
        billing.carry_out(key, "opened".to_owned());
    }
    assert_eq!(billing.notes(), ["opened", "closed"]);
}

#[test]
fn every_failure_of_a_subscription_ends_well() {
    for card in ["a card", "empty"] {
        let card = move || subscription(card, 2);
        FailureMatrix::new(Billing::default, card)
            .event(CANCELLED, &"no time".to_owned())
            .event(NEW_CARD, &"a second card".to_owned())
            .invariant("an account that was opened is closed", |billing, end| {
                let notes = billing.notes();
                let has = |what: &str| notes.iter().any(|note| note.starts_with(what));
                let is_ended = has("the account ends");
                is_ended == end.is_completed()
                    && (is_ended || !has("the account is opened") || has("the account is closed"))
            })
            .invariant("each month is paid at most once", |billing, _| {
                let notes = billing.notes();
                let times = |month| notes.iter().filter(|note| note.starts_with(month)).count();
                let is_once = ["month 1 is paid", "month 2 is paid"].map(times);
                let is_once = is_once.iter().all(|times| *times <= 1);
                is_once.then_some(()).ok_or(format!("{notes:?}"))
            })
            .check();
    }
}
