//! Calls whose attempts fail.

use super::*;

#[test]
fn what_attempts_that_fail_can_follow() {
    use AttemptPhase::{Compensating, Forward, Resolving, Settling};
    let (charge, ship) = (|| call(&CHARGE), || call(&SHIP));
    for (before, step, phase, follows) in [
        (vec![], charge(), Forward, true),
        (vec![failing(charge(), Forward)], charge(), Forward, true),
        (vec![done(charge())], charge(), Forward, false),
        (vec![done(ship())], ship(), Forward, false),
        (vec![in_doubt(charge())], charge(), Forward, false),
        (vec![compensating()], charge(), Forward, false),
        // An older version has recorded so that a pivot in doubt was asked again.
        (vec![in_doubt(ship())], ship(), Forward, true),
        // A pivot that is asked again is not recorded as in doubt.
        (vec![], ship(), Settling, true),
        (vec![compensating()], ship(), Settling, false),
        (vec![in_doubt(charge())], charge(), Settling, true),
        (vec![done(charge())], charge(), Settling, false),
        (vec![in_doubt(charge())], charge(), Resolving, true),
        (vec![], charge(), Resolving, false),
        // A step is compensated that was called, once, and when the saga or a part of it is undone.
        (
            vec![done(charge()), compensating()],
            charge(),
            Compensating,
            true,
        ),
        (vec![done(charge())], charge(), Compensating, false),
        (vec![compensating()], charge(), Compensating, false),
        (
            vec![done(charge()), compensating(), undone(charge())],
            charge(),
            Compensating,
            false,
        ),
        (
            vec![done(part("pack/charge")), refused(part("pack/book"))],
            part("pack/charge"),
            Compensating,
            true,
        ),
    ] {
        let misfit = (!follows).then_some(before.len() as u64 + 1);
        let events = [before, vec![failing(step, phase)]].concat();
        assert_eq!(first_misfit(&events), misfit, "{events:?}");
    }
}

#[test]
fn attempts_fail_in_one_phase_of_one_call_until_it_has_an_outcome() {
    use AttemptPhase::{Compensating, Forward};
    let charge = || call(&CHARGE);
    let fails = |history: &ReplayState, step: StepCall, phase| {
        history
            .failing(&step, phase)
            .map(|failing| failing.attempts)
    };
    let history = followed(&[failing(charge(), Forward)]);
    assert_eq!(fails(&history, charge(), Forward), Some(3));
    assert_eq!(fails(&history, charge(), Compensating), None);
    assert_eq!(fails(&history, second(&CHARGE), Forward), None);
    assert_eq!(fails(&history, now_a_pivot(charge()), Forward), None);
    for (outcome, expected) in [
        (vec![done(charge())], ""),
        (vec![done(second(&CHARGE))], "charge"),
        (vec![compensating()], ""),
        (vec![completed()], ""),
        // A retry begins anew.
        (vec![stuck(), retried()], ""),
        (vec![completed_by_hand(charge())], ""),
    ] {
        let events = [vec![failing(charge(), Forward)], outcome].concat();
        let history = followed(&events);
        assert_eq!(names(history.troubled()), expected, "{events:?}");
        let steps = history.failing_steps();
        assert_eq!(
            names(steps.iter().map(|one| &one.call)),
            expected,
            "{events:?}"
        );
    }
    // Steps in doubt are attempted further when the saga is undone.
    let in_doubt = [
        in_doubt(charge()),
        failing(charge(), AttemptPhase::Resolving),
    ];
    let steps = followed(&[in_doubt.to_vec(), vec![compensating()]].concat()).failing_steps();
    assert_eq!(names(steps.iter().map(|one| &one.call)), "charge");
}

#[test]
fn the_call_that_fails_the_longest_is_listed_first() {
    let since = |step, seconds| {
        let mut event = failing(step, AttemptPhase::Forward);
        if let Event::Failing { since, .. } = &mut event {
            *since += Duration::from_secs(seconds);
        }
        event
    };
    let events = [
        since(second(&CHARGE), 2),
        since(call(&NOTIFY), 2),
        since(call(&CHARGE), 2),
        since(call(&SHIP), 1),
    ];
    let steps = followed(&events).failing_steps();
    let calls = names(steps.iter().map(|one| &one.call));
    assert_eq!(calls, "ship charge notify charge#1");
    let ship = &steps[0];
    assert_eq!((ship.phase, ship.attempts), (AttemptPhase::Forward, 3));
    assert_eq!(ship.reason, reason());
    assert!(ship.since <= ship.until);
}
