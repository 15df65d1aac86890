//! Events that were sent to the saga, waits for them, and other questions of bodies.

use super::*;
use crate::journal::PostedEvent;

fn set_aside(number: u64) -> Event {
    Event::EventSetAside {
        name: "approved".into(),
        number,
        message: "no number".to_owned(),
    }
}

fn with_key(name: &'static str, key: &str) -> Event {
    Event::Received {
        name: name.into(),
        payload: "17".to_owned(),
        key: Some(key.to_owned()),
    }
}

#[test]
fn an_event_ends_one_wait_or_is_set_aside() {
    for (events, untaken, aside) in [
        (vec![], vec![], 0),
        (vec![sent("approved"), sent("declined")], vec![0, 1], 0),
        (
            vec![
                sent("declined"),
                sent("approved"),
                over(call(&APPROVED), Some(1)),
            ],
            vec![0],
            0,
        ),
        (vec![sent("approved"), over(call(&NAP), None)], vec![0], 0),
        (vec![sent("approved"), set_aside(0)], vec![], 1),
        (
            vec![sent("approved"), set_aside(0), sent("approved")],
            vec![1],
            1,
        ),
    ] {
        let history = followed(&events);
        let numbers: Vec<_> = history.untaken().map(|(number, _)| number).collect();
        assert_eq!(numbers, untaken, "{events:?}");
        let set_aside: Vec<_> = history.set_aside().collect();
        assert_eq!(
            set_aside,
            vec![("approved", "no number"); aside],
            "{events:?}"
        );
    }
    let history = followed(&[sent("declined"), with_key("approved", "k"), set_aside(1)]);
    let received = history.received().iter();
    let received: Vec<_> = received
        .map(|event| (&*event.name, event.key.as_deref()))
        .collect();
    // It can be replaced under its key.
    assert_eq!(received, [("declined", None), ("approved", None)]);
}

#[test]
fn a_wait_ends_with_the_event_that_its_entry_names() {
    let events = [
        sent("declined"),
        sent("approved"),
        over(call(&APPROVED), Some(1)),
    ];
    assert_eq!(
        next(&events, 0, &APPROVED),
        "Over(Some(ReceivedEvent { name: \"approved\", payload: \"17\", key: None }))"
    );
    assert_eq!(next(&[over(call(&NAP), None)], 0, &NAP), "Over(None)");
    assert_eq!(next(&[waiting(call(&NAP))], 0, &NAP), "Waiting(None)");
    for (events, misfit) in [
        (vec![over(call(&APPROVED), Some(0))], Some(1)),
        (
            vec![waiting(call(&APPROVED)), over(call(&APPROVED), Some(0))],
            Some(2),
        ),
        (
            vec![
                sent("approved"),
                sent("approved"),
                over(call(&APPROVED), Some(0)),
            ],
            None,
        ),
        (
            vec![sent("approved"), over(call(&APPROVED), Some(1))],
            Some(2),
        ),
        (
            vec![over(call(&NAP), None), over(call(&NAP), None)],
            Some(2),
        ),
        (vec![waiting(call(&NAP)), over(call(&NAP), None)], None),
        (
            vec![waiting(call(&NAP)), compensating(), over(call(&NAP), None)],
            Some(3),
        ),
        (vec![set_aside(0)], Some(1)),
    ] {
        assert_eq!(first_misfit(&events), misfit, "{events:?}");
    }
}

#[test]
fn an_event_with_a_key_counts_once() {
    let posted = |name: &str, key: &str| PostedEvent {
        name: name.to_owned(),
        payload: "18".to_owned(),
        key: key.to_owned(),
    };
    let approved = || with_key("approved", "k");
    for (events, expected) in [
        (vec![], false),
        (vec![approved()], true),
        (vec![with_key("declined", "k")], false),
        (vec![with_key("approved", "other")], false),
        (vec![sent("approved")], false),
        (
            vec![done(call(&CHARGE)), approved(), done(call(&SHIP))],
            true,
        ),
        // One that was set aside can be replaced.
        (vec![approved(), set_aside(0)], false),
        (vec![approved(), set_aside(0), approved()], true),
        (vec![sent("approved"), approved(), set_aside(0)], true),
    ] {
        let event = ReceivedEvent::from(posted("approved", "k"));
        assert_eq!(event.is_in(&entries(&events)), expected, "{events:?}");
    }
    // Events without a key are all different.
    let without = ReceivedEvent {
        key: None,
        ..posted("approved", "k").into()
    };
    assert!(!without.is_in(&entries(&[sent("approved")])));
}

#[test]
fn the_answers_to_a_body_are_kept_until_it_is_undone() {
    let asked = |number| Event::Value {
        of: StepCall {
            name: "uuid".into(),
            occurrence: number,
            kind: Kind::NothingToUndo,
        },
        value: format!("answer {number}"),
    };
    let history = followed(&[asked(0), done(call(&CHARGE)), asked(1)]);
    let values = history.values().map(|(of, value)| format!("{of}: {value}"));
    let values: Vec<_> = values.collect();
    assert_eq!(values, ["uuid: answer 0", "uuid#1: answer 1"]);
    assert_eq!(first_misfit(&[compensating(), asked(0)]), Some(2));
}

#[test]
fn a_wait_has_a_time() {
    let until = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
    let history = followed(&[Event::Waiting {
        step: call(&NAP),
        until,
    }]);
    assert_eq!(history.waits().collect::<Vec<_>>(), [(&call(&NAP), until)]);
}
