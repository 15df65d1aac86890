//! The numbers of calls: in their lane, and among all calls.

use super::*;

fn lanes() -> [Event; 4] {
    [
        done(call(&QUOTE)),
        done(part("pack/charge")),
        done(call(&CHARGE)),
        refused(part("pack/book")),
    ]
}

#[test]
fn each_lane_counts_its_own_calls() {
    let history = followed(&lanes());
    let numbered: Vec<_> = history.numbered().collect();
    let numbered = numbered
        .iter()
        .map(|(number, call)| format!("{number}: {call}"));
    assert_eq!(
        numbered.collect::<Vec<_>>(),
        ["0: quote", "0: pack/charge", "1: charge", "1: pack/book"]
    );
    let mut lanes: Vec<_> = history.lanes().collect();
    lanes.sort_unstable();
    assert_eq!(lanes, [("", 2), ("pack", 2)]);
    for (lane, number, expected) in [
        ("", 0, Some("quote")),
        ("", 1, Some("charge")),
        ("", 2, None),
        ("pack", 1, Some("pack/book")),
        ("other", 0, None),
    ] {
        let call = history.call(lane, number).map(ToString::to_string);
        assert_eq!(call.as_deref(), expected, "{lane} {number}");
    }
    assert_eq!(
        (history.calls_in("pack"), history.calls_in("other")),
        (2, 0)
    );
    assert_eq!(history.index(&call(&CHARGE)), Some(2));
    assert_eq!(history.index(&second(&CHARGE)), None);
}

#[test]
fn members_of_a_group_end_in_any_order() {
    let (quote, charge) = (call(&QUOTE), call(&CHARGE));
    let history = followed(&[done(charge.clone()), refused(quote.clone())]);
    assert_eq!(history.next(0..2, &charge), NextCall::Done("17"));
    assert_eq!(history.next(0..2, &quote), NextCall::Refused(&reason()));
    assert_eq!(history.next(2..3, &quote), NextCall::Request);
    // A member without an outcome, beside one that has ended.
    let one = followed(&[done(charge.clone())]);
    assert_eq!(one.next_in_group(0..2, &charge), NextCall::Done("17"));
    assert_eq!(one.next_in_group(0..2, &quote), NextCall::Request);
    let undone = followed(&[done(charge), compensating()]);
    let stop = undone.next_in_group(0..2, &quote);
    assert!(matches!(stop, NextCall::Stop(_)), "{stop:?}");
}

#[test]
fn what_is_known_of_a_call() {
    let charge = call(&CHARGE);
    let attempts_fail = failing(charge.clone(), AttemptPhase::Forward);
    for (events, knows, attempted, is_empty) in [
        (vec![], false, "", true),
        (vec![sent("approved")], false, "", true),
        (vec![done(call(&QUOTE))], false, "", false),
        (vec![done(charge.clone())], true, "", false),
        (vec![attempts_fail.clone()], true, "charge", false),
        // A retry forgets that the attempts fail, but not that they were made.
        (
            vec![attempts_fail, stuck(), retried()],
            true,
            "charge",
            false,
        ),
    ] {
        let history = followed(&events);
        assert_eq!(history.knows(&charge), knows, "{events:?}");
        assert_eq!(names(history.attempted()), attempted, "{events:?}");
        assert_eq!(history.is_empty(), is_empty, "{events:?}");
    }
    // What fails and has an outcome.
    let events = [
        in_doubt(charge.clone()),
        failing(charge.clone(), AttemptPhase::Settling),
    ];
    let history = followed(&events);
    assert!(history.knows(&charge));
    assert_eq!(names(history.attempted()), "");
}

#[test]
fn the_record_of_a_call_is_read_only_by_the_same_call() {
    let charge = call(&CHARGE);
    let history = followed(&[refused(charge.clone())]);
    assert_eq!(history.refusal(&charge), Some(&reason()));
    assert_eq!(history.refusal(&now_a_pivot(charge.clone())), None);
    assert_eq!(history.refusal(&second(&CHARGE)), None);
    let done = Event::StepDone {
        step: charge.clone(),
        attempts: 1,
        output: "17".to_owned(),
        inputs: Some(7),
    };
    let history = followed(&[done]);
    assert_eq!(history.refusal(&charge), None);
    assert_eq!(history.inputs(&charge), Some(7));
    assert_eq!(history.inputs(&second(&CHARGE)), None);
}
