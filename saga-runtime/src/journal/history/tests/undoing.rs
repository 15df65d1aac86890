//! The effects that are there, and the effects that are undone.

use super::*;
use crate::error::CompensationFailure;

#[test]
fn whose_effects_are_left() {
    let after_all = || Settled::Done {
        output: "17".to_owned(),
    };
    let charge = || call(&CHARGE);
    let back = |end| vec![done(charge()), compensating(), end];
    for (events, expected) in [
        (vec![], ""),
        (vec![done(charge()), done(call(&SHIP))], "charge ship"),
        (vec![done(call(&QUOTE)), refused(charge())], ""),
        (vec![waiting(call(&NAP))], ""),
        (vec![in_doubt(charge())], "charge"),
        (
            vec![in_doubt(charge()), settled(charge(), after_all())],
            "charge",
        ),
        (
            vec![in_doubt(call(&QUOTE)), settled(call(&QUOTE), after_all())],
            "",
        ),
        (
            vec![
                in_doubt(charge()),
                settled(charge(), Settled::Nothing { refusal: None }),
            ],
            "",
        ),
        (
            vec![in_doubt(charge()), settled(charge(), Settled::Resolved)],
            "",
        ),
        (
            vec![in_doubt(charge()), settled(charge(), unresolved())],
            "charge",
        ),
        (back(undone(charge())), ""),
        (back(failed(charge())), "charge"),
    ] {
        let history = followed(&events);
        assert_eq!(names(history.left()), expected, "{events:?}");
    }
}

#[test]
fn what_a_failure_would_undo() {
    let charge = || call(&CHARGE);
    for (events, expected) in [
        (vec![done(call(&QUOTE)), done(call(&SHIP))], ""),
        (vec![refused(charge())], ""),
        (vec![in_doubt(charge())], ""),
        (
            vec![
                in_doubt(charge()),
                settled(charge(), Settled::Nothing { refusal: None }),
            ],
            "",
        ),
        (
            vec![
                in_doubt(charge()),
                settled(
                    charge(),
                    Settled::Done {
                        output: "17".to_owned(),
                    },
                ),
                done(second(&CHARGE)),
            ],
            "charge#1 charge",
        ),
    ] {
        let history = followed(&events);
        assert_eq!(names(history.to_compensate()), expected, "{events:?}");
    }
}

#[test]
fn how_each_call_was_undone() {
    let events = [
        done(call(&CHARGE)),
        in_doubt(second(&CHARGE)),
        settled(second(&CHARGE), Settled::Resolved),
        in_doubt(part("pack/charge")),
        settled(part("pack/charge"), unresolved()),
        in_doubt(part("pack/book")),
        settled(part("pack/book"), Settled::Nothing { refusal: None }),
        compensating(),
        undone(call(&CHARGE)),
    ];
    let history = followed(&events);
    let undone = history
        .undone()
        .map(|(call, outcome)| (call.to_string(), outcome));
    let unresolved = CompensationFailure::new(5, "no answer".to_owned());
    let expected = [
        ("charge#1", CompensationOutcome::Resolved),
        ("pack/charge", CompensationOutcome::Failed(unresolved)),
        ("charge", CompensationOutcome::Compensated),
    ];
    let expected = expected.map(|(call, outcome)| (call.to_owned(), outcome));
    assert_eq!(undone.collect::<Vec<_>>(), expected);
    let decision = history.decision().expect("it is undone");
    assert_eq!(decision.reason, reason());
}

#[test]
fn how_it_ended() {
    let output = || "17".to_owned();
    let by_hand = RecordedEnd::Abandoned {
        reason: "3 cents".to_owned(),
        left: vec!["charge".to_owned()],
    };
    for (events, expected) in [
        (vec![], None),
        (vec![compensating()], None),
        (
            vec![completed()],
            Some(RecordedEnd::Completed { output: output() }),
        ),
        (
            vec![compensating(), Event::Compensated],
            Some(RecordedEnd::Compensated),
        ),
        (vec![stuck(), abandoned()], Some(by_hand)),
    ] {
        let history = followed(&events);
        assert_eq!(history.end(), expected.as_ref(), "{events:?}");
    }
}
