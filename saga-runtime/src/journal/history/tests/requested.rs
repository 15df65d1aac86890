//! The steps that may have been requested after the last entry.

use super::*;

/// The claim of the last holder has ended between two steps.
const ORDERLY: bool = true;
/// The last holder has disappeared.
const LOST: bool = false;

fn stuck_for(code: &'static str, payload: Option<&str>) -> Event {
    Event::Stuck {
        reason: Reason {
            error: payload.map(str::to_owned),
            ..Reason::new(code, "it can't go on")
        },
    }
}

#[test]
fn what_may_have_been_requested() {
    let forward = |step, in_doubt| attempted(step, AttemptPhase::Forward, in_doubt);
    let charge = || forward(call(&CHARGE), true);
    let exhausted = || stuck_for("retries_exhausted", None);
    for (events, is_orderly, expected) in [
        (vec![], ORDERLY, ""),
        (vec![], LOST, "?"),
        (vec![done(call(&CHARGE))], ORDERLY, ""),
        (vec![done(call(&CHARGE))], LOST, "?"),
        // An attempt that was parked is recorded: it counts only if it may have had an effect, and until the step has an outcome.
        (vec![charge()], ORDERLY, "charge"),
        (vec![charge()], LOST, "charge ?"),
        (vec![forward(call(&CHARGE), false)], ORDERLY, ""),
        (
            vec![charge(), forward(call(&CHARGE), false)],
            ORDERLY,
            "charge",
        ),
        (
            vec![forward(second(&CHARGE), true), charge()],
            ORDERLY,
            "charge charge#1",
        ),
        (vec![charge(), done(call(&CHARGE))], ORDERLY, ""),
        // A saga that is undone or has ended requests nothing.
        (vec![charge(), compensating()], LOST, ""),
        (vec![compensating()], LOST, ""),
        (vec![charge(), completed()], LOST, ""),
        (vec![charge(), abandoned()], LOST, ""),
        // A stuck saga says it itself, unless an older version has recorded that.
        (
            vec![stuck_for("unreadable", Some(NOTHING_REQUESTED))],
            LOST,
            "",
        ),
        (vec![stuck_for("unreadable", None)], ORDERLY, "?"),
        // A step that has failed too often is the one that was attempted.
        (vec![charge(), exhausted()], LOST, "charge"),
        (vec![exhausted()], ORDERLY, "?"),
    ] {
        let history = followed(&events);
        let requested = history.requested(is_orderly, false).join(" ");
        assert_eq!(requested, expected, "{events:?}");
        let may_have_requested = history.may_have_requested(is_orderly);
        assert_eq!(may_have_requested, !expected.is_empty(), "{events:?}");
    }
    // Entries that can't be read may tell of any step.
    assert_eq!(followed(&[]).requested(ORDERLY, true), ["?"]);
}

#[test]
fn when_a_stuck_saga_can_go_back_by_its_body() {
    for (events, expected) in [
        (vec![], true),
        (vec![stuck()], true),
        (vec![stuck_for("definition_changed", None)], false),
        (vec![stuck_for("unreadable", None)], false),
        (vec![compensating()], false),
        (vec![compensating(), stuck()], false),
    ] {
        let can = followed(&events).can_go_back_by_its_body();
        assert_eq!(can, expected, "{events:?}");
    }
}

#[test]
fn after_which_steps_a_saga_only_goes_forward() {
    let forward = |step| failing(call(step), AttemptPhase::Forward);
    for (events, expected) in [
        (vec![], false),
        (vec![done(call(&CHARGE)), done(call(&QUOTE))], false),
        (vec![in_doubt(call(&SHIP))], false),
        (vec![refused(call(&SHIP))], false),
        (vec![done(call(&SHIP))], true),
        (vec![done(call(&NOTIFY))], true),
        // A retriable step closes the way back with its first attempt.
        (vec![forward(&NOTIFY)], true),
        (vec![forward(&NOTIFY), forward(&CHARGE)], true),
        (vec![forward(&CHARGE)], false),
        (vec![forward(&SHIP)], false),
    ] {
        let only = followed(&events).only_goes_forward();
        assert_eq!(only, expected, "{events:?}");
    }
}
