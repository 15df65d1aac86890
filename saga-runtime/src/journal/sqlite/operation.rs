//! The operations of the writer: what is asked, and where to say how it went.

use std::time::SystemTime;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::id::SagaId;
use crate::journal::sqlite::claims::{TakenOne, TakenOver};
use crate::journal::sqlite::transaction::{Appended, Done, Purged, Transaction, WriteFailure};
use crate::journal::{AppendError, Claim, JournalError, Lease, NewSaga, Row, Started, Wakeup};

/// Where somebody waits for an answer.
pub(super) struct Reply<T, E = JournalError> {
    sender: oneshot::Sender<Result<T, E>>,
    /// The runtime of the one who waits, if that has threads of its own.
    runtime: Option<Handle>,
}

impl<T, E> Reply<T, E> {
    /// A reply to whoever calls this.
    pub(super) fn channel() -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (sender, answer) = oneshot::channel();
        let runtime = Handle::try_current().ok();
        // A runtime of one thread runs nothing while nobody waits for it.
        let has_threads = |one: &Handle| one.runtime_flavor() == RuntimeFlavor::MultiThread;
        let runtime = runtime.filter(has_threads);
        (Self { sender, runtime }, answer)
    }

    /// Whoever asked may have stopped waiting.
    fn tell(self, answer: Result<T, E>) {
        let _ = self.sender.send(answer);
    }
}

/// Operations that are done, and are answered when this is dropped.
struct ToAnswer(Vec<(Operation, OperationResult)>);

impl Drop for ToAnswer {
    fn drop(&mut self) {
        for (op, outcome) in self.0.drain(..) {
            op.answer(outcome);
        }
    }
}

/// How many operations are answered by one task.
const TOGETHER: usize = 32;

/// Says of each operation how it went, now that it is durable.
///
/// Each answer from the thread that writes may have to wake a thread that has nothing to do, which goes back to sleep before
/// the next answer comes. A task of the runtime wakes many others for next to nothing. If the runtime has ended, it drops
/// the task, and they are answered here.
pub(super) fn answer_all(done: Vec<(Operation, OperationResult)>) {
    let mut done = done.into_iter().peekable();
    while let Some((op, outcome)) = done.next() {
        let Some(runtime) = op.runtime().cloned() else {
            op.answer(outcome);
            continue;
        };
        let mut these = vec![(op, outcome)];
        while these.len() < TOGETHER
            && let Some(next) =
                done.next_if(|(op, _)| op.runtime().is_some_and(|one| one.id() == runtime.id()))
        {
            these.push(next);
        }
        let these = ToAnswer(these);
        if these.0.len() > 1 {
            runtime.spawn(async move { drop(these) });
        }
    }
}

/// One thing to write, and where to say how it went.
pub(super) enum Operation {
    Start {
        saga: NewSaga,
        lease: Option<Lease>,
        reply: Reply<Started>,
    },
    Append {
        claim: Claim,
        first: u64,
        rows: Vec<Row>,
        /// Gets the rows back: memory is let go of where it was taken, and not by the one thread that writes.
        reply: Reply<Vec<Row>, AppendError>,
    },
    Claim {
        lease: Lease,
        names: Vec<&'static str>,
        limit: usize,
        reply: Reply<Vec<TakenOver>>,
    },
    ClaimOne {
        lease: Lease,
        id: SagaId,
        reply: Reply<TakenOne>,
    },
    Renew {
        lease: Lease,
        reply: Reply<Vec<SagaId>>,
    },
    Release {
        claim: Claim,
        in_doubt: bool,
        rest: Wakeup,
        reply: Reply<()>,
    },
    RequestCancel {
        id: SagaId,
        reason: String,
        reply: Reply<bool>,
    },
    Purge {
        before: SystemTime,
        /// The last saga that was looked at.
        after: i64,
        reply: Reply<Purged>,
    },
}

/// What an operation has done in a transaction that is not committed yet.
pub(super) enum OperationResult {
    /// A saga with this number is to be added, if its id is not taken.
    Starting(i64),
    Start(Started),
    /// Entries are to be added to the saga with this number.
    Appending(i64),
    Append(Result<(), AppendError>),
    Claim(Vec<TakenOver>),
    ClaimOne(TakenOne),
    Renew(Vec<SagaId>),
    Release,
    RequestCancel(bool),
    Purge(Purged),
}

impl Operation {
    /// Whether it looks at what is known in memory of all sagas.
    pub(super) fn reads_memory(&self) -> bool {
        match self {
            Self::Start { .. } | Self::Append { .. } | Self::Release { .. } => false,
            Self::Claim { .. }
            | Self::ClaimOne { .. }
            | Self::Renew { .. }
            | Self::RequestCancel { .. }
            | Self::Purge { .. } => true,
        }
    }

    /// Does it in the transaction, apart from rows that are added for many at a time; `None` if memory has to follow the transaction first.
    pub(super) fn apply(
        &self,
        store: &mut Transaction<'_>,
    ) -> rusqlite::Result<Option<OperationResult>> {
        if self.reads_memory() && store.held.has_staged() {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Start { .. } => OperationResult::Starting(store.held.awake.number()),
            Self::Append {
                claim, first, rows, ..
            } => match store.append(claim, *first, rows) {
                Ok(Done::Now(Appended::To(saga))) => OperationResult::Appending(saga),
                Ok(Done::Now(Appended::Already)) => OperationResult::Append(Ok(())),
                Ok(Done::Later) => return Ok(None),
                Err(WriteFailure::Refused(error)) => OperationResult::Append(Err(error)),
                Err(WriteFailure::Sql(error)) => return Err(error),
            },
            Self::Claim {
                lease,
                names,
                limit,
                ..
            } => OperationResult::Claim(store.claim(lease, names, *limit)?),
            Self::ClaimOne { lease, id, .. } => {
                OperationResult::ClaimOne(store.claim_one(lease, id)?)
            }
            Self::Renew { lease, .. } => OperationResult::Renew(store.renew(lease)),
            Self::Release {
                claim,
                in_doubt,
                rest,
                ..
            } => match store.release(claim, *in_doubt, *rest)? {
                Done::Now(()) => OperationResult::Release,
                Done::Later => return Ok(None),
            },
            Self::RequestCancel { id, reason, .. } => {
                OperationResult::RequestCancel(store.request_cancel(id, reason)?)
            }
            Self::Purge { before, after, .. } => {
                OperationResult::Purge(store.purge(*before, *after)?)
            }
        }))
    }

    /// Where the one who waits for the answer runs.
    fn runtime(&self) -> Option<&Handle> {
        match self {
            Self::Start { reply, .. } => reply.runtime.as_ref(),
            Self::Append { reply, .. } => reply.runtime.as_ref(),
            Self::Claim { reply, .. } => reply.runtime.as_ref(),
            Self::ClaimOne { reply, .. } => reply.runtime.as_ref(),
            Self::Renew { reply, .. } => reply.runtime.as_ref(),
            Self::Release { reply, .. } => reply.runtime.as_ref(),
            Self::RequestCancel { reply, .. } => reply.runtime.as_ref(),
            Self::Purge { reply, .. } => reply.runtime.as_ref(),
        }
    }

    /// Says how it went, once that is durable.
    fn answer(self, outcome: OperationResult) {
        match (self, outcome) {
            (Self::Start { reply, .. }, OperationResult::Start(started)) => reply.tell(Ok(started)),
            (Self::Append { reply, rows, .. }, OperationResult::Append(appended)) => {
                reply.tell(appended.map(|()| rows));
            }
            (Self::Claim { reply, .. }, OperationResult::Claim(claimed)) => reply.tell(Ok(claimed)),
            (Self::ClaimOne { reply, .. }, OperationResult::ClaimOne(claimed)) => {
                reply.tell(Ok(claimed));
            }
            (Self::Renew { reply, .. }, OperationResult::Renew(cancelled)) => {
                reply.tell(Ok(cancelled));
            }
            (Self::Release { reply, .. }, OperationResult::Release) => reply.tell(Ok(())),
            (Self::RequestCancel { reply, .. }, OperationResult::RequestCancel(is_noted)) => {
                reply.tell(Ok(is_noted));
            }
            (Self::Purge { reply, .. }, OperationResult::Purge(purged)) => reply.tell(Ok(purged)),
            // An operation is answered with its own outcome; another one would be none.
            (op, _) => op.refuse(|| JournalError::Closed),
        }
    }

    /// Says that it could not be done.
    pub(super) fn fail(self, error: &rusqlite::Error) {
        self.refuse(|| JournalError::Unavailable {
            message: error.to_string(),
            source: None,
        });
    }

    fn refuse(self, error: impl FnOnce() -> JournalError) {
        match self {
            Self::Start { reply, .. } => reply.tell(Err(error())),
            Self::Append { reply, .. } => reply.tell(Err(error().into())),
            Self::Claim { reply, .. } => reply.tell(Err(error())),
            Self::ClaimOne { reply, .. } => reply.tell(Err(error())),
            Self::Renew { reply, .. } => reply.tell(Err(error())),
            Self::Release { reply, .. } => reply.tell(Err(error())),
            Self::RequestCancel { reply, .. } => reply.tell(Err(error())),
            Self::Purge { reply, .. } => reply.tell(Err(error())),
        }
    }
}
