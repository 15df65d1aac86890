//! A journal as a process leaves it.

use std::time::Duration;

use saga_runtime::journal::{
    ClaimedOne, Event, Journal, Lease, Memory, NewSaga, Started, Wakeup, Worker,
};

/// How the process has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It has let go of the saga.
    Orderly,
    /// It was killed.
    Killed,
}

/// A journal in which this much is written down of a saga.
pub(crate) async fn left(saga: NewSaga, events: &[Event], ended: Ended) -> Memory {
    let memory = Memory::new();
    let lease = Lease {
        worker: Worker::new("gone"),
        duration: Duration::ZERO,
    };
    let started = memory.start(saga, Some(&lease)).await;
    let Ok(Started::New(Some(claim))) = started else {
        panic!("{started:?}");
    };
    let mut claim = claim;
    for (event, seq) in events.iter().zip(1_u64..) {
        let appended = memory.append(&claim, seq, vec![event.clone()]).await;
        appended.expect("it is the next one");
        if matches!(event, Event::Stuck { .. }) && seq < events.len() as u64 {
            // What follows is by hand.
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
    memory
}
