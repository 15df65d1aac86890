//! Sagas that are undone from their record, without a run of their bodies.

use super::*;

/// What is left to do, in the order of the outcomes.
fn to_undo(history: &ReplayState) -> String {
    let calls = history.calls_to_undo().map(|call| match call {
        CallToUndo::Compensate { call, output } => format!("compensate {call} of {output}"),
        CallToUndo::InDoubt(call) => format!("{call} is in doubt"),
    });
    calls.collect::<Vec<_>>().join(", ")
}

#[test]
fn what_is_undone_from_the_record() {
    let charge = || call(&CHARGE);
    let after_all = || Settled::Done {
        output: "19".to_owned(),
    };
    for (events, expected) in [
        (vec![], ""),
        (vec![done(charge())], "compensate charge of 17"),
        (vec![done(call(&SHIP)), done(call(&QUOTE))], ""),
        (vec![refused(charge())], ""),
        (vec![in_doubt(charge())], "charge is in doubt"),
        (
            vec![in_doubt(charge()), settled(charge(), after_all())],
            "compensate charge of 19",
        ),
        (
            vec![in_doubt(charge()), settled(charge(), Settled::Resolved)],
            "",
        ),
    ] {
        assert_eq!(to_undo(&followed(&events)), expected, "{events:?}");
    }
}

#[test]
fn an_operator_decides_that_it_is_undone_from_the_record_until_it_ends() {
    let nothing = || by_record(Some(NOTHING_REQUESTED));
    for (events, expected) in [
        (vec![], false),
        (vec![compensating()], false),
        (vec![nothing()], true),
        (vec![stuck(), nothing()], true),
        (vec![compensating(), stuck(), nothing()], true),
        (vec![nothing(), Event::Compensated], false),
    ] {
        let history = followed(&events);
        assert_eq!(history.is_undone_by_record(), expected, "{events:?}");
    }
    // The first decision stands.
    let history = followed(&[compensating(), stuck(), nothing()]);
    let decision = history.decision().expect("it is undone");
    assert_eq!(decision.step.as_deref(), Some("charge"));
}

#[test]
fn a_step_of_which_no_entry_tells_is_left_once() {
    for (events, expected) in [
        (vec![by_record(Some(NOTHING_REQUESTED))], ""),
        (vec![by_record(None)], "?"),
        (vec![by_record(None), stuck(), by_record(None)], "?"),
        // An operator's retry does not ask for it: its inputs are not known.
        (vec![by_record(None), stuck(), retried()], "?"),
    ] {
        let history = followed(&events);
        assert_eq!(names(history.left()), expected, "{events:?}");
        assert_eq!(to_undo(&history), "", "{events:?}");
    }
}

#[test]
fn what_has_failed_is_tried_again_from_the_record() {
    let events = [
        done(call(&CHARGE)),
        compensating(),
        failed(call(&CHARGE)),
        stuck(),
        by_record(Some(NOTHING_REQUESTED)),
    ];
    let history = followed(&events);
    assert_eq!(history.compensation(&call(&CHARGE)), None);
    assert_eq!(names(history.to_compensate()), "charge");
}

#[test]
fn a_damaged_history_goes_on_only_by_the_decision_of_an_operator() {
    let charge = || done(call(&CHARGE));
    let nothing = || by_record(Some(NOTHING_REQUESTED));
    let unreadable = |events: &[Event]| Err(Damage::new(1, "torn").beside(entries(events)));
    for (events, expected) in [
        (Ok(entries(&[])), Ok("")),
        (Ok(entries(&[charge()])), Ok("compensate charge of 17")),
        (unreadable(&[charge()]), Err(1)),
        (
            unreadable(&[charge(), nothing()]),
            Ok("compensate charge of 17"),
        ),
        // Entries that can be read, of which the second can't follow.
        (Ok(entries(&[charge(), charge()])), Err(2)),
        (
            Ok(entries(&[charge(), undone(call(&CHARGE)), nothing()])),
            Ok("compensate charge of 17"),
        ),
    ] {
        let text = format!("{events:?}");
        let to_undo = ReplayState::of_history(events).map(|history| to_undo(&history));
        let to_undo = to_undo.map_err(|damage| damage.seq);
        assert_eq!(to_undo, expected.map(str::to_owned), "{text}");
    }
    let events = entries(&[charge(), charge()]);
    let damage = ReplayState::of_history(Ok(events.clone())).expect_err("it can't follow");
    assert_eq!(damage.readable, events);
}
