//! The operations of the writer: what is asked, and where to say how it went.

use std::time::SystemTime;

use tokio::sync::oneshot;

use super::store::{Done, Failure, Store};
use crate::id::SagaId;
use crate::journal::{
    AppendError, Claim, Claimed, ClaimedOne, JournalError, Lease, NewSaga, Rest, Row, Started,
};

type Reply<T, E = JournalError> = oneshot::Sender<Result<T, E>>;

/// One thing to write, and where to say how it went.
pub(super) enum Op {
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
        reply: Reply<Vec<Claimed>>,
    },
    ClaimOne {
        lease: Lease,
        id: SagaId,
        reply: Reply<ClaimedOne>,
    },
    Renew {
        lease: Lease,
        reply: Reply<Vec<SagaId>>,
    },
    Release {
        claim: Claim,
        in_doubt: bool,
        rest: Rest,
        reply: Reply<()>,
    },
    RequestCancel {
        id: SagaId,
        reason: String,
        reply: Reply<bool>,
    },
    Purge {
        before: SystemTime,
        reply: Reply<u64>,
    },
}

/// What an operation has done in a transaction that is not committed yet.
pub(super) enum Outcome {
    Start(Started),
    Append(Result<(), AppendError>),
    Claim(Vec<Claimed>),
    ClaimOne(ClaimedOne),
    Renew(Vec<SagaId>),
    Release,
    RequestCancel(bool),
    Purge(u64),
}

impl Op {
    /// Does it in the transaction; `None` if memory has to follow the transaction first.
    pub(super) fn apply(&self, store: &mut Store<'_>) -> rusqlite::Result<Option<Outcome>> {
        let reads_memory = match self {
            Self::Start { .. } | Self::Append { .. } | Self::Release { .. } => false,
            Self::Claim { .. }
            | Self::ClaimOne { .. }
            | Self::Renew { .. }
            | Self::RequestCancel { .. }
            | Self::Purge { .. } => true,
        };
        if reads_memory && store.held.has_staged() {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Start { saga, lease, .. } => Outcome::Start(store.start(saga, lease.as_ref())?),
            Self::Append {
                claim, first, rows, ..
            } => Outcome::Append(match store.append(claim, *first, rows) {
                Ok(Done::Now(())) => Ok(()),
                Ok(Done::Later) => return Ok(None),
                Err(Failure::Refused(error)) => Err(error),
                Err(Failure::Sql(error)) => return Err(error),
            }),
            Self::Claim {
                lease,
                names,
                limit,
                ..
            } => Outcome::Claim(store.claim(lease, names, *limit)?),
            Self::ClaimOne { lease, id, .. } => Outcome::ClaimOne(store.claim_one(lease, id)?),
            Self::Renew { lease, .. } => Outcome::Renew(store.renew(lease)),
            Self::Release {
                claim,
                in_doubt,
                rest,
                ..
            } => match store.release(claim, *in_doubt, *rest)? {
                Done::Now(()) => Outcome::Release,
                Done::Later => return Ok(None),
            },
            Self::RequestCancel { id, reason, .. } => {
                Outcome::RequestCancel(store.request_cancel(id, reason)?)
            }
            Self::Purge { before, .. } => Outcome::Purge(store.purge(*before)?),
        }))
    }

    /// Says how it went, once that is durable.
    pub(super) fn answer(self, outcome: Outcome) {
        match (self, outcome) {
            (Self::Start { reply, .. }, Outcome::Start(started)) => tell(reply, Ok(started)),
            (Self::Append { reply, rows, .. }, Outcome::Append(appended)) => {
                tell(reply, appended.map(|()| rows));
            }
            (Self::Claim { reply, .. }, Outcome::Claim(claimed)) => tell(reply, Ok(claimed)),
            (Self::ClaimOne { reply, .. }, Outcome::ClaimOne(claimed)) => tell(reply, Ok(claimed)),
            (Self::Renew { reply, .. }, Outcome::Renew(cancelled)) => tell(reply, Ok(cancelled)),
            (Self::Release { reply, .. }, Outcome::Release) => tell(reply, Ok(())),
            (Self::RequestCancel { reply, .. }, Outcome::RequestCancel(is_noted)) => {
                tell(reply, Ok(is_noted));
            }
            (Self::Purge { reply, .. }, Outcome::Purge(count)) => tell(reply, Ok(count)),
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
            Self::Start { reply, .. } => tell(reply, Err(error())),
            Self::Append { reply, .. } => tell(reply, Err(error().into())),
            Self::Claim { reply, .. } => tell(reply, Err(error())),
            Self::ClaimOne { reply, .. } => tell(reply, Err(error())),
            Self::Renew { reply, .. } => tell(reply, Err(error())),
            Self::Release { reply, .. } => tell(reply, Err(error())),
            Self::RequestCancel { reply, .. } => tell(reply, Err(error())),
            Self::Purge { reply, .. } => tell(reply, Err(error())),
        }
    }
}

/// Whoever asked may have stopped waiting.
fn tell<T, E>(reply: Reply<T, E>, answer: Result<T, E>) {
    let _ = reply.send(answer);
}
