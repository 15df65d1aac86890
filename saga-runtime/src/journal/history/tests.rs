//! The meaning of entries, as tables.

mod by_hand;
mod by_record;
mod failing;
mod numbers;
mod parts;
mod requested;
mod sent;
mod undoing;

use std::time::{Duration, SystemTime};

use super::*;
use crate::journal::{Event, Settled};
use crate::meta::StepMeta;

const CHARGE: StepMeta = StepMeta::new("charge", Kind::Compensatable);
const SHIP: StepMeta = StepMeta::new("ship", Kind::Pivot);
const QUOTE: StepMeta = StepMeta::new("quote", Kind::NothingToUndo);
const NOTIFY: StepMeta = StepMeta::new("notify", Kind::Retriable);

fn call(step: &StepMeta) -> StepCall {
    StepCall {
        name: step.name.into(),
        occurrence: 0,
        kind: step.kind,
    }
}

fn second(step: &StepMeta) -> StepCall {
    StepCall {
        occurrence: 1,
        ..call(step)
    }
}

/// A compensatable step of a called saga.
fn part(name: &'static str) -> StepCall {
    StepCall {
        name: name.into(),
        ..call(&CHARGE)
    }
}

/// The same call, of a definition in which its step has become a pivot.
fn now_a_pivot(call: StepCall) -> StepCall {
    let kind = Kind::Pivot;
    StepCall { kind, ..call }
}

fn reason() -> Reason {
    Reason::new("error", "declined")
}

fn done(step: StepCall) -> Event {
    Event::StepDone {
        step,
        attempts: 1,
        output: "17".to_owned(),
        inputs: None,
    }
}

fn refused(step: StepCall) -> Event {
    Event::StepRefused {
        step,
        attempts: 1,
        reason: reason(),
    }
}

fn in_doubt(step: StepCall) -> Event {
    Event::StepInDoubt {
        step,
        attempts: 1,
        reason: reason(),
    }
}

fn settled(step: StepCall, settled: Settled) -> Event {
    Event::StepSettled { step, settled }
}

fn unresolved() -> Settled {
    Settled::Unresolved {
        attempts: 5,
        message: "no answer".to_owned(),
    }
}

fn compensating() -> Event {
    Event::Compensating {
        step: Some("charge".into()),
        reason: reason(),
    }
}

fn undone(step: StepCall) -> Event {
    Event::CompensationDone { step, attempts: 1 }
}

fn failed(step: StepCall) -> Event {
    Event::CompensationFailed {
        step,
        attempts: 5,
        message: "no answer".to_owned(),
    }
}

fn stuck() -> Event {
    Event::Stuck { reason: reason() }
}

fn retried() -> Event {
    Event::Retried {
        reason: "mended".to_owned(),
    }
}

fn skipped(step: StepCall) -> Event {
    Event::CompensationSkipped {
        step,
        reason: "3 cents".to_owned(),
    }
}

fn completed() -> Event {
    Event::Completed {
        output: "17".to_owned(),
    }
}

/// Attempts that have failed. None of them has had an effect.
fn failing(step: StepCall, phase: AttemptPhase) -> Event {
    attempted(step, phase, false)
}

fn attempted(step: StepCall, phase: AttemptPhase, in_doubt: bool) -> Event {
    Event::Failing {
        step,
        phase,
        attempts: 3,
        earlier: 0,
        in_doubt,
        reason: reason(),
        since: SystemTime::UNIX_EPOCH,
        until: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
    }
}

fn completed_by_hand(step: StepCall) -> Event {
    Event::StepCompleted {
        step,
        output: "18".to_owned(),
        reason: "the customer has it".to_owned(),
    }
}

/// The decision of an operator to undo the saga from its record.
fn by_record(payload: Option<&str>) -> Event {
    Event::Compensating {
        step: None,
        reason: Reason {
            error: payload.map(str::to_owned),
            ..Reason::new(BY_RECORD, "the body does not fit")
        },
    }
}

fn abandoned() -> Event {
    Event::Abandoned {
        reason: "3 cents".to_owned(),
        left: vec!["charge".to_owned()],
    }
}

fn entries(events: &[Event]) -> Vec<Entry> {
    let entry = |(seq, event): (u64, &Event)| Entry {
        seq,
        at: SystemTime::UNIX_EPOCH,
        event: event.clone(),
    };
    (1..).zip(events).map(entry).collect()
}

fn history(events: &[Event]) -> Result<ReplayState, Damage> {
    ReplayState::new(&entries(events))
}

/// The history of events that follow from one another.
fn followed(events: &[Event]) -> ReplayState {
    history(events).unwrap_or_else(|damage| panic!("{damage}: {events:?}"))
}

/// The number of the first event that can't follow.
fn first_misfit(events: &[Event]) -> Option<u64> {
    history(events).err().map(|damage| damage.seq)
}

fn names<'a>(calls: impl IntoIterator<Item = &'a StepCall>) -> String {
    let names: Vec<_> = calls.into_iter().map(ToString::to_string).collect();
    names.join(" ")
}

/// The answer about the call number `index`, which is the first of `step`.
fn next(events: &[Event], index: usize, step: &StepMeta) -> String {
    let history = history(events).expect("it follows");
    format!("{:?}", history.next(index..index + 1, &call(step)))
}

#[test]
fn what_comes_next() {
    let declined = "Reason { code: \"error\", message: \"declined\", error: None }";
    let decision = format!("Stop(Decision {{ step: Some(\"charge\"), reason: {declined} }})");
    let charge = || call(&CHARGE);
    for (events, expected) in [
        (vec![], "Request".to_owned()),
        (vec![done(charge())], "Done(\"17\")".to_owned()),
        (vec![refused(charge())], format!("Refused({declined})")),
        (vec![in_doubt(charge())], format!("Settle({declined})")),
        (
            vec![in_doubt(charge()), settled(charge(), Settled::Resolved)],
            format!("Settled({declined}, Resolved)"),
        ),
        // A step that was given up is undone with the rest, also if it was done after all.
        (
            vec![
                in_doubt(charge()),
                settled(
                    charge(),
                    Settled::Done {
                        output: "17".to_owned(),
                    },
                ),
            ],
            format!("Settled({declined}, Done {{ output: \"17\" }})"),
        ),
        (
            vec![in_doubt(charge()), stuck(), completed_by_hand(charge())],
            format!("Settled({declined}, Done {{ output: \"18\" }})"),
        ),
        (vec![compensating()], decision),
        (
            vec![
                in_doubt(charge()),
                settled(charge(), unresolved()),
                stuck(),
                retried(),
            ],
            format!("Settle({declined})"),
        ),
    ] {
        assert_eq!(next(&events, 0, &CHARGE), expected, "{events:?}");
    }
}

#[test]
fn another_step_than_the_recorded_one_is_a_change() {
    let events = [done(call(&CHARGE))];
    let changed = next(&events, 0, &SHIP);
    assert!(changed.starts_with("Changed"), "{changed}");
    let now_a_pivot = StepMeta::new("charge", Kind::Pivot);
    let changed = next(&events, 0, &now_a_pivot);
    assert!(changed.starts_with("Changed"), "{changed}");
    // The step is recorded, but behind another one.
    let changed = next(&[done(call(&QUOTE)), done(call(&CHARGE))], 0, &CHARGE);
    assert!(changed.starts_with("Changed"), "{changed}");
}

#[test]
fn a_pivot_that_was_done_after_all_goes_forward() {
    let ship = || call(&SHIP);
    let output = || "17".to_owned();
    let stuck_in_doubt = [in_doubt(ship()), settled(ship(), unresolved()), stuck()];
    let asked_again = settled(ship(), Settled::Done { output: output() });
    let by_hand = Event::StepCompleted {
        step: ship(),
        output: output(),
        reason: "the customer has it".to_owned(),
    };
    for way in [vec![retried(), asked_again], vec![by_hand]] {
        let events = [stuck_in_doubt.to_vec(), way].concat();
        assert_eq!(next(&events, 0, &SHIP), "Done(\"17\")");
    }
}

#[test]
fn what_is_still_to_be_compensated() {
    let (one, two) = (call(&CHARGE), second(&CHARGE));
    let to_do = |events: &[Event]| {
        let history = history(events).expect("it follows");
        let calls = history.to_compensate().map(ToString::to_string);
        calls.collect::<Vec<_>>().join(" ")
    };
    let forward = vec![done(one.clone()), done(two.clone())];
    let back = [forward.clone(), vec![compensating()]].concat();
    for (more, expected) in [
        (vec![], "charge#1 charge"),
        (vec![undone(two.clone())], "charge"),
        (vec![failed(two.clone())], "charge#1 charge"),
        (vec![failed(two.clone()), undone(one.clone())], "charge#1"),
        (
            vec![
                failed(two.clone()),
                undone(one.clone()),
                stuck(),
                skipped(two.clone()),
            ],
            "",
        ),
        (vec![undone(two), undone(one)], ""),
    ] {
        let events = [back.clone(), more].concat();
        assert_eq!(to_do(&events), expected, "{events:?}");
    }
    assert_eq!(to_do(&forward), "charge#1 charge");
}

#[test]
fn a_retry_forgets_only_what_failed() {
    let (one, two) = (call(&CHARGE), second(&CHARGE));
    let events = [
        done(one.clone()),
        done(two.clone()),
        compensating(),
        failed(two),
        undone(one),
        stuck(),
        retried(),
    ];
    let history = history(&events).expect("it follows");
    assert_eq!(history.compensation(&second(&CHARGE)), None);
    let done = Some(&CompensationOutcome::Compensated);
    assert_eq!(history.compensation(&call(&CHARGE)), done);
}

#[test]
fn what_can_not_follow() {
    let charge = || call(&CHARGE);
    for (events, seq) in [
        // Nothing follows the end.
        (vec![completed(), done(charge())], 2),
        (vec![compensating(), Event::Compensated, stuck()], 3),
        // One decision, and no step after it; no end without it, and no other end with it.
        (vec![compensating(), compensating()], 2),
        (vec![compensating(), done(charge())], 2),
        (vec![compensating(), completed()], 2),
        (vec![Event::Compensated], 1),
        // A step has one outcome for each call.
        (vec![done(charge()), done(charge())], 2),
        // Settled is what is in doubt, once.
        (
            vec![settled(charge(), Settled::Nothing { refusal: None })],
            1,
        ),
        (
            vec![
                done(charge()),
                settled(charge(), Settled::Nothing { refusal: None }),
            ],
            2,
        ),
        (
            vec![
                in_doubt(charge()),
                settled(now_a_pivot(charge()), Settled::Nothing { refusal: None }),
            ],
            2,
        ),
        // Compensated is what was called, once, after the decision.
        (vec![done(charge()), undone(charge())], 2),
        (vec![compensating(), undone(charge())], 2),
        (
            vec![
                done(charge()),
                compensating(),
                undone(now_a_pivot(charge())),
            ],
            3,
        ),
        (
            vec![
                done(charge()),
                compensating(),
                undone(charge()),
                undone(charge()),
            ],
            4,
        ),
        // A stuck saga is moved by hand only, and only then.
        (vec![stuck(), done(charge())], 2),
        (vec![retried()], 1),
        (vec![done(charge()), stuck(), skipped(charge())], 3),
    ] {
        let damage = history(&events).expect_err("it can't follow");
        assert_eq!(damage.seq, seq, "{events:?}");
    }
}

const APPROVED: StepMeta = StepMeta::new("event:approved", Kind::NothingToUndo);
const ELSEWHERE: StepMeta = StepMeta::new("pack/event:approved", Kind::NothingToUndo);
const NAP: StepMeta = StepMeta::new("sleep", Kind::NothingToUndo);

fn waiting(step: StepCall) -> Event {
    Event::Waiting { step, until: None }
}

fn over(step: StepCall, received: Option<u64>) -> Event {
    Event::WaitOver { step, received }
}

fn sent(name: &'static str) -> Event {
    Event::Received {
        name: name.into(),
        payload: "17".to_owned(),
        key: None,
    }
}

#[test]
fn what_is_waited_for() {
    let one = || waiting(call(&APPROVED));
    let two = || [one(), waiting(call(&ELSEWHERE))];
    let [first, second] = two();
    for (events, expected) in [
        (vec![], ""),
        (vec![one()], "event:approved"),
        (vec![waiting(call(&NAP))], "sleep"),
        (vec![one(), sent("declined")], "event:approved"),
        (vec![one(), sent("approved")], ""),
        (vec![one(), over(call(&APPROVED), None)], ""),
        (two().into(), "event:approved, pack/event:approved"),
        // The entry that says which of the two gets it is not there yet.
        (
            vec![first.clone(), second.clone(), sent("approved")],
            "pack/event:approved",
        ),
        (
            vec![
                first,
                second,
                sent("approved"),
                over(call(&ELSEWHERE), Some(0)),
            ],
            "event:approved",
        ),
        (vec![one(), compensating()], ""),
        (vec![one(), stuck()], "event:approved"),
    ] {
        let history = history(&events).expect("it can be read");
        let waits: Vec<_> = history.waits().map(|(call, _)| call.to_string()).collect();
        assert_eq!(waits.join(", "), expected, "{events:?}");
    }
}
