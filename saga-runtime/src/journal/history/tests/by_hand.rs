//! The decisions that are open to an operator.

use super::*;

/// The calls that an operator may undo or complete.
fn decisions(events: &[Event]) -> String {
    let history = followed(events);
    let mut decisions = Vec::new();
    for asked in [
        call(&CHARGE),
        second(&CHARGE),
        call(&SHIP),
        part("pack/charge"),
    ] {
        let (name, occurrence) = (&*asked.name, asked.occurrence as usize);
        let undoable = history.undoable(name, occurrence);
        let completable = history.completable(name, occurrence);
        for (what, found) in [("undo", undoable), ("complete", completable)] {
            if let Some(found) = found {
                assert_eq!(*found, asked, "{events:?}");
                decisions.push(format!("{what} {asked}"));
            }
        }
        // The list of all calls, and the answer about one of them.
        let is_listed = history.decidable().contains(&&asked);
        let is_open = undoable.is_some() || completable.is_some();
        assert_eq!(is_listed, is_open, "{asked}: {events:?}");
        assert_eq!(history.is_decidable(&asked), is_open, "{asked}: {events:?}");
    }
    decisions.join(", ")
}

#[test]
fn what_an_operator_may_decide() {
    use AttemptPhase::{Compensating, Forward, Resolving, Settling};
    let charge = || call(&CHARGE);
    let twice = || vec![done(charge()), done(second(&CHARGE)), compensating()];
    let with = |mut events: Vec<Event>, more: &[Event]| {
        events.extend_from_slice(more);
        events
    };
    let refused_part = || vec![done(part("pack/charge")), refused(part("pack/book"))];
    for (events, expected) in [
        (vec![], ""),
        (vec![done(charge()), refused(call(&SHIP))], ""),
        // A step in doubt is undone, or was done.
        (vec![in_doubt(charge())], "undo charge, complete charge"),
        (
            vec![in_doubt(charge()), settled(charge(), unresolved())],
            "undo charge, complete charge",
        ),
        (
            vec![in_doubt(charge()), failing(charge(), Resolving)],
            "undo charge, complete charge",
        ),
        (
            vec![
                in_doubt(charge()),
                settled(charge(), Settled::Nothing { refusal: None }),
            ],
            "",
        ),
        (
            vec![done(charge()), in_doubt(second(&CHARGE))],
            "undo charge#1, complete charge#1",
        ),
        (
            vec![done(charge()), in_doubt(call(&SHIP))],
            "undo ship, complete ship",
        ),
        (
            vec![in_doubt(charge()), in_doubt(call(&SHIP))],
            "undo charge, complete charge, undo ship, complete ship",
        ),
        // A step whose attempts fail may be done, and a compensation whose attempts fail may be made by hand.
        (vec![failing(charge(), Forward)], "complete charge"),
        (vec![failing(call(&SHIP), Settling)], "complete ship"),
        (vec![failing(charge(), Forward), done(charge())], ""),
        (
            with(twice(), &[failing(second(&CHARGE), Compensating)]),
            "undo charge#1",
        ),
        (
            with(
                refused_part(),
                &[failing(part("pack/charge"), Compensating)],
            ),
            "undo pack/charge",
        ),
        // A compensation that has failed for good.
        (with(twice(), &[failed(charge())]), "undo charge"),
        (with(twice(), &[failed(second(&CHARGE))]), "undo charge#1"),
        (
            with(twice(), &[failed(second(&CHARGE)), failed(charge())]),
            "undo charge, undo charge#1",
        ),
        (with(twice(), &[undone(charge())]), ""),
    ] {
        assert_eq!(decisions(&events), expected, "{events:?}");
    }
}

#[test]
fn an_output_that_was_given_by_hand_can_be_corrected_until_something_follows() {
    let given = [
        done(call(&QUOTE)),
        done(call(&CHARGE)),
        failing(second(&CHARGE), AttemptPhase::Forward),
        completed_by_hand(second(&CHARGE)),
    ];
    for (more, expected) in [
        (vec![], "complete charge#1"),
        (vec![sent("approved")], "complete charge#1"),
        (vec![stuck(), retried()], "complete charge#1"),
        (
            vec![completed_by_hand(second(&CHARGE))],
            "complete charge#1",
        ),
        (vec![done(call(&SHIP))], ""),
        (vec![compensating()], ""),
    ] {
        let events = [given.to_vec(), more].concat();
        assert_eq!(decisions(&events), expected, "{events:?}");
    }
    let in_doubt = [
        done(call(&CHARGE)),
        in_doubt(call(&SHIP)),
        stuck(),
        completed_by_hand(call(&SHIP)),
    ];
    assert_eq!(decisions(&in_doubt), "complete ship");
    assert_eq!(next(&in_doubt, 1, &SHIP), "Done(\"18\")");
    assert_eq!(
        next(&given, 2, &CHARGE),
        "Changed { recorded: StepCall { name: \"charge\", occurrence: 1, kind: Compensatable } }"
    );
}

#[test]
fn a_pivot_that_was_asked_again_is_not_attempted_further_once_the_saga_is_undone() {
    // It was interrupted and asked again, and has refused: nothing is recorded of that.
    let asked = || failing(call(&SHIP), AttemptPhase::Settling);
    assert_eq!(decisions(&[asked()]), "complete ship");
    let undone = [asked(), compensating()];
    assert_eq!(decisions(&undone), "");
    assert_eq!(followed(&undone).failing_steps(), []);
}

#[test]
fn a_call_with_an_outcome_is_not_attempted_again() {
    let again = |events: &[Event]| {
        let history = followed(events);
        history.retried("charge", 0, Way::Forward).is_some()
    };
    let settling = || failing(call(&CHARGE), AttemptPhase::Settling);
    assert!(again(&[settling()]));
    assert!(!again(&[in_doubt(call(&CHARGE)), settling()]));
    assert!(!again(&[done(call(&CHARGE))]));
}

#[test]
fn what_can_not_be_decided() {
    use AttemptPhase::{Compensating, Forward};
    let charge = || call(&CHARGE);
    for (events, misfit) in [
        // Nothing is open.
        (vec![completed_by_hand(charge())], Some(1)),
        (vec![stuck(), completed_by_hand(charge())], Some(2)),
        (
            vec![done(charge()), compensating(), skipped(charge())],
            Some(3),
        ),
        (
            vec![done(charge()), compensating(), stuck(), skipped(charge())],
            Some(4),
        ),
        // Of another kind than the recorded one.
        (
            vec![
                failing(charge(), Forward),
                completed_by_hand(now_a_pivot(charge())),
            ],
            Some(2),
        ),
        (
            vec![failing(charge(), Forward), completed_by_hand(charge())],
            None,
        ),
        // Several decisions after one another.
        (vec![stuck(), retried(), retried()], None),
        (vec![stuck(), retried(), done(charge()), retried()], Some(4)),
        (
            vec![
                done(charge()),
                compensating(),
                failing(charge(), Compensating),
                skipped(charge()),
            ],
            None,
        ),
    ] {
        assert_eq!(first_misfit(&events), misfit, "{events:?}");
    }
}

#[test]
fn a_decision_is_about_one_call() {
    let (one, two) = (call(&CHARGE), second(&CHARGE));
    let events = |last: Event| {
        let back = [done(one.clone()), done(two.clone()), compensating()];
        let both_failed = [failed(two.clone()), failed(one.clone()), stuck(), last];
        [back.to_vec(), both_failed.to_vec()].concat()
    };
    let by_hand = followed(&events(Event::CompensationResolved {
        step: one.clone(),
        reason: "refunded by the bank".to_owned(),
    }));
    assert_eq!(names(by_hand.open()), "charge#1");
    assert_eq!(names(by_hand.left()), "charge#1");
    // What an operator skips is left, but not open any more.
    let stays = followed(&events(skipped(one.clone())));
    assert_eq!(names(stays.open()), "charge#1");
    assert_eq!(names(stays.left()), "charge charge#1");
    // The attempts of a compensation that are made meanwhile come to nothing.
    let attempts_fail = [
        done(one.clone()),
        compensating(),
        failing(one.clone(), AttemptPhase::Compensating),
        skipped(one.clone()),
    ];
    let skipped = followed(&attempts_fail);
    let outcome = skipped.compensation(&one);
    assert!(matches!(outcome, Some(CompensationOutcome::Skipped { .. })));
    assert_eq!(names(skipped.troubled()), "");
    let doubt = followed(&[in_doubt(two.clone()), stuck(), super::skipped(two)]);
    let (_, outcome) = doubt.settled().next().expect("it is settled");
    assert!(matches!(outcome, CompensationOutcome::Skipped { .. }));
}

#[test]
fn when_the_pivot_may_be_done() {
    let forward = |step, in_doubt| attempted(call(step), AttemptPhase::Forward, in_doubt);
    for (events, expected) in [
        (vec![], false),
        (vec![in_doubt(call(&SHIP))], true),
        (vec![in_doubt(call(&CHARGE))], false),
        (vec![done(call(&SHIP))], false),
        (vec![forward(&SHIP, true)], true),
        (vec![forward(&SHIP, false)], false),
        (vec![forward(&CHARGE, true)], false),
    ] {
        let may_have = followed(&events).may_have_done_pivot();
        assert_eq!(may_have, expected, "{events:?}");
    }
}
