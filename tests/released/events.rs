//! An example of every event.

use std::time::{Duration, SystemTime};

use saga_runtime::Kind;
use saga_runtime::journal::{AttemptPhase, Event, Reason, Settled, StepCall};

const ATTEMPTS: u32 = 3;

pub(super) fn every_event() -> Vec<Event> {
    [forward(), backward(), waits(), failing(), by_hand()].concat()
}

fn call(kind: Kind) -> StepCall {
    StepCall {
        name: "prepare#1/pack".into(),
        occurrence: 2,
        kind,
    }
}

fn pack() -> StepCall {
    call(Kind::Compensatable)
}

fn reason() -> Reason {
    Reason {
        code: "error".into(),
        message: "sold out".to_owned(),
        error: Some("\"error\"".to_owned()),
    }
}

fn output() -> String {
    "{\"output\":1}".to_owned()
}

fn no_answer() -> String {
    "no answer".to_owned()
}

fn forward() -> Vec<Event> {
    let done = |kind| Event::StepDone {
        step: call(kind),
        attempts: ATTEMPTS,
        output: output(),
        inputs: None,
    };
    let settled = |settled| Event::StepSettled {
        step: call(Kind::Pivot),
        settled,
    };
    vec![
        done(Kind::Compensatable),
        done(Kind::NothingToUndo),
        done(Kind::Pivot),
        done(Kind::Retriable),
        Event::StepDone {
            step: pack(),
            attempts: ATTEMPTS,
            output: output(),
            inputs: Some(0x0123_4567_89ab_cdef),
        },
        Event::StepRefused {
            step: pack(),
            attempts: ATTEMPTS,
            reason: reason(),
        },
        Event::StepInDoubt {
            step: pack(),
            attempts: ATTEMPTS,
            reason: reason(),
        },
        settled(Settled::Nothing { refusal: None }),
        settled(Settled::Done { output: output() }),
        settled(Settled::Resolved),
        settled(Settled::Unresolved {
            attempts: ATTEMPTS,
            message: no_answer(),
        }),
        Event::Completed { output: output() },
        Event::Stuck { reason: reason() },
        Event::Value {
            of: pack(),
            value: output(),
        },
    ]
}

fn backward() -> Vec<Event> {
    vec![
        Event::Compensating {
            step: Some("pack".into()),
            reason: reason(),
        },
        Event::Compensating {
            step: None,
            reason: Reason::new("cancelled", "cancelled"),
        },
        Event::CompensationDone {
            step: pack(),
            attempts: ATTEMPTS,
        },
        Event::CompensationFailed {
            step: pack(),
            attempts: ATTEMPTS,
            message: no_answer(),
        },
        Event::Compensated,
    ]
}

fn failing() -> Vec<Event> {
    let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
    let failing = |phase| Event::Failing {
        step: pack(),
        phase,
        attempts: ATTEMPTS,
        earlier: 1,
        in_doubt: true,
        reason: Reason::new("error", "down"),
        since: at(1_700_000_000_123),
        until: at(1_700_000_300_456),
    };
    AttemptPhase::ALL.map(failing).to_vec()
}

fn waits() -> Vec<Event> {
    let waiting = |until| Event::Waiting {
        step: pack(),
        until,
    };
    let over = |received| Event::WaitOver {
        step: pack(),
        received,
    };
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
    vec![
        waiting(None),
        waiting(Some(time)),
        Event::Received {
            name: "approved".into(),
            payload: output(),
            key: None,
        },
        Event::Received {
            name: "approved".into(),
            payload: output(),
            key: Some("mail-17".to_owned()),
        },
        Event::EventSetAside {
            name: "approved".into(),
            number: 4,
            message: no_answer(),
        },
        over(None),
        over(Some(4)),
    ]
}

fn by_hand() -> Vec<Event> {
    let reason = || "by hand".to_owned();
    vec![
        Event::Retried { reason: reason() },
        Event::CompensationResolved {
            step: pack(),
            reason: reason(),
        },
        Event::CompensationSkipped {
            step: pack(),
            reason: reason(),
        },
        Event::StepCompleted {
            step: pack(),
            output: output(),
            reason: reason(),
        },
        Event::Abandoned {
            reason: reason(),
            left: vec!["prepare#1/pack#2".to_owned(), "?".to_owned()],
        },
    ]
}
