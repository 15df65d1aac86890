//! An operation of the writer, as data: the request, its result, and the caller that waits for it. `batch.rs` applies it.

use std::time::SystemTime;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use crate::id::SagaId;
use crate::journal::sqlite::checksum::Checked;
use crate::journal::sqlite::claims::{TakenOne, TakenOver};
use crate::journal::{
    AppendError, Claim, JournalError, Lease, NewSaga, SagaVersion, Started, Wakeup,
};

/// The way back to the caller of an operation.
pub(super) struct Reply<T, E = JournalError> {
    sender: oneshot::Sender<Result<T, E>>,
    /// The caller's runtime, if that has threads of its own.
    runtime: Option<Handle>,
}

impl<T, E> Reply<T, E> {
    /// A reply to the caller of this function.
    pub(super) fn channel() -> (Self, oneshot::Receiver<Result<T, E>>) {
        let (sender, answer) = oneshot::channel();
        let runtime = Handle::try_current().ok();
        // A runtime of one thread runs nothing while its thread is busy elsewhere.
        let has_threads = |one: &Handle| one.runtime_flavor() == RuntimeFlavor::MultiThread;
        let runtime = runtime.filter(has_threads);
        (Self { sender, runtime }, answer)
    }

    /// Answers the caller, which may have stopped waiting.
    fn tell(self, answer: Result<T, E>) {
        let _ = self.sender.send(answer);
    }
}

/// One write, and the caller that waits for it.
pub(super) enum Operation {
    Start {
        saga: NewSaga,
        checksum: u32,
        lease: Option<Lease>,
        reply: Reply<Started>,
    },
    Append {
        claim: Claim,
        first: u64,
        rows: Vec<Checked>,
        /// Returns the rows so that the caller frees them, not the writer thread.
        reply: Reply<Vec<Checked>, AppendError>,
    },
    Claim {
        lease: Lease,
        definitions: Vec<SagaVersion>,
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
    SetPause {
        /// The name of a definition.
        name: String,
        /// The reason of the pause; empty if it ends.
        reason: Option<String>,
        reply: Reply<bool>,
    },
    Purge {
        before: SystemTime,
        /// The number of the last saga that an earlier piece has looked at.
        after: i64,
        reply: Reply<Purged>,
    },
}

/// The result of an operation in a transaction that is not committed yet.
pub(super) enum OperationResult {
    /// A saga is to be added under this number, unless its id is taken.
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
    SetPause(bool),
    Purge(Purged),
}

/// The result of one piece of a purge.
#[derive(Debug, Default)]
pub(super) struct Purged {
    pub(super) count: u64,
    /// The number of the last saga that the piece has looked at; empty if there was none.
    pub(super) through: Option<i64>,
}

impl Operation {
    /// Returns whether the operation looks at what memory knows of all sagas.
    pub(super) fn reads_memory(&self) -> bool {
        match self {
            Self::Start { .. }
            | Self::Append { .. }
            | Self::Release { .. }
            | Self::SetPause { .. } => false,
            Self::Claim { .. }
            | Self::ClaimOne { .. }
            | Self::Renew { .. }
            | Self::RequestCancel { .. }
            | Self::Purge { .. } => true,
        }
    }

    /// The caller's runtime, if that has threads of its own.
    fn runtime(&self) -> Option<&Handle> {
        match self {
            Self::Start { reply, .. } => reply.runtime.as_ref(),
            Self::Append { reply, .. } => reply.runtime.as_ref(),
            Self::Claim { reply, .. } => reply.runtime.as_ref(),
            Self::ClaimOne { reply, .. } => reply.runtime.as_ref(),
            Self::Renew { reply, .. } => reply.runtime.as_ref(),
            Self::Release { reply, .. } => reply.runtime.as_ref(),
            Self::RequestCancel { reply, .. } | Self::SetPause { reply, .. } => {
                reply.runtime.as_ref()
            }
            Self::Purge { reply, .. } => reply.runtime.as_ref(),
        }
    }

    /// Answers the caller with the result, once that is durable.
    fn answer(self, result: OperationResult) {
        match (self, result) {
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
            (Self::SetPause { reply, .. }, OperationResult::SetPause(is_changed)) => {
                reply.tell(Ok(is_changed));
            }
            (Self::Purge { reply, .. }, OperationResult::Purge(purged)) => reply.tell(Ok(purged)),
            // `batch.rs` pairs each operation with a result of its own kind.
            (operation, _) => operation.refuse(JournalError::Closed),
        }
    }

    /// Answers the caller with an error.
    pub(super) fn refuse(self, error: JournalError) {
        match self {
            Self::Start { reply, .. } => reply.tell(Err(error)),
            Self::Append { reply, .. } => reply.tell(Err(error.into())),
            Self::Claim { reply, .. } => reply.tell(Err(error)),
            Self::ClaimOne { reply, .. } => reply.tell(Err(error)),
            Self::Renew { reply, .. } => reply.tell(Err(error)),
            Self::Release { reply, .. } => reply.tell(Err(error)),
            Self::RequestCancel { reply, .. } | Self::SetPause { reply, .. } => {
                reply.tell(Err(error));
            }
            Self::Purge { reply, .. } => reply.tell(Err(error)),
        }
    }
}

/// Operations that are answered when this is dropped.
struct ToAnswer(Vec<(Operation, OperationResult)>);

impl Drop for ToAnswer {
    fn drop(&mut self) {
        for (operation, result) in self.0.drain(..) {
            operation.answer(result);
        }
    }
}

/// The number of operations that one task answers.
const TOGETHER: usize = 32;

/// Answers the callers of these operations, which are durable now.
///
/// Each answer from the writer thread may have to wake an idle thread, which goes back to sleep before the next answer
/// comes. A task of the runtime wakes many others for next to nothing. If the runtime has ended, it drops the task, and the
/// operations are answered here.
pub(super) fn answer_all(done: Vec<(Operation, OperationResult)>) {
    let mut done = done.into_iter().peekable();
    while let Some((operation, result)) = done.next() {
        let Some(runtime) = operation.runtime().cloned() else {
            operation.answer(result);
            continue;
        };
        let is_here = |(one, _): &(Operation, OperationResult)| {
            one.runtime().is_some_and(|one| one.id() == runtime.id())
        };
        let mut these = vec![(operation, result)];
        while these.len() < TOGETHER
            && let Some(next) = done.next_if(is_here)
        {
            these.push(next);
        }
        let these = ToAnswer(these);
        if these.0.len() > 1 {
            runtime.spawn(async move { drop(these) });
        }
    }
}
