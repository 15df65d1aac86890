//! Journals as a process leaves them that ended in the middle of a saga.

use std::time::Duration;

use saga_runtime::Kind;
use saga_runtime::journal::{
    ClaimedOne, Event, Journal, Lease, Memory, NewSaga, Started, StepCall, Wakeup, Worker,
};

/// The first call of a step of the shop, which is done.
pub(crate) fn done(name: &'static str, kind: Kind) -> Event {
    Event::StepDone {
        step: call(name, kind),
        attempts: 1,
        output: format!("\"{name}\""),
        inputs: None,
    }
}

/// The first call of a step.
pub(crate) fn call(name: &'static str, kind: Kind) -> StepCall {
    StepCall {
        name: name.into(),
        occurrence: 0,
        kind,
    }
}

/// The end of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It has released the saga.
    Orderly,
    /// It was killed.
    Killed,
}

/// A worker that is gone: its lease is over at once.
pub(crate) fn gone() -> Lease {
    Lease {
        worker: Worker::new("gone"),
        duration: Duration::ZERO,
    }
}

/// A journal with this saga and these entries.
pub(crate) async fn left(saga: NewSaga, events: &[Event], ended: Ended) -> Memory {
    let memory = Memory::new();
    cut_off(&memory, saga, events, ended).await;
    memory
}

/// Adds this saga and these entries to a journal.
pub(crate) async fn cut_off(memory: &Memory, saga: NewSaga, events: &[Event], ended: Ended) {
    let lease = gone();
    let started = memory.start(saga, Some(&lease)).await;
    let Ok(Started::New(Some(claim))) = started else {
        panic!("{started:?}");
    };
    let mut claim = claim;
    for (event, seq) in events.iter().zip(1_u64..) {
        let appended = memory.append(&claim, seq, vec![event.clone()]).await;
        appended.expect("it is the next one");
        if matches!(event, Event::Stuck { .. }) && seq < events.len() as u64 {
            // An operator appends the rest.
            let claimed = memory.claim_one(&lease, &claim.id).await;
            match claimed.expect("it is in memory") {
                ClaimedOne::Claimed(claimed) => claim = claimed.claim,
                other => panic!("{other:?}"),
            }
        }
    }
    if ended == Ended::Orderly {
        let released = memory.release(&claim, false, Wakeup::Now).await;
        released.expect("it is in memory");
    }
}
