//! The operations of the writer: what is asked, and where to say how it went.

use std::time::SystemTime;

use tokio::sync::oneshot;

use super::claims::{TakenOne, TakenOver};
use super::store::{Appended, Done, Failure, Store};
use crate::id::SagaId;
use crate::journal::{AppendError, Claim, JournalError, Lease, NewSaga, Rest, Row, Started};

/// Where somebody waits for an answer.
pub(super) type Reply<T, E = JournalError> = oneshot::Sender<Answer<T, E>>;

/// What somebody has waited for, and others who wait as well.
pub(super) struct Answer<T, E> {
    pub(super) answer: Result<T, E>,
    pub(super) others: Others,
}

/// Operations that are done, and were not answered yet: whoever gets hold of these answers them, by dropping this.
///
/// Each answer from the thread that writes would have to wake a thread that has nothing to do, which goes back to sleep
/// before the next answer comes. A task that runs already wakes the others for next to nothing.
#[derive(Default)]
pub(super) struct Others(Vec<(Op, Outcome)>);

/// How many operations are answered by one of them. So a task that is long in coming keeps few waiting.
const TOGETHER: usize = 32;

/// Says of each operation how it went, now that it is durable.
pub(super) fn answer_all(done: Vec<(Op, Outcome)>) {
    let mut done = done.into_iter();
    while let Some((op, outcome)) = done.next() {
        let others = done.by_ref().take(TOGETHER - 1).collect();
        op.answer(outcome, Others(others));
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        for (op, outcome) in self.0.drain(..) {
            op.answer(outcome, Others::default());
        }
    }
}

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
    Purge(u64),
}

impl Op {
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
    pub(super) fn apply(&self, store: &mut Store<'_>) -> rusqlite::Result<Option<Outcome>> {
        if self.reads_memory() && store.held.has_staged() {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Start { .. } => Outcome::Starting(store.held.awake.number()),
            Self::Append {
                claim, first, rows, ..
            } => match store.append(claim, *first, rows) {
                Ok(Done::Now(Appended::To(saga))) => Outcome::Appending(saga),
                Ok(Done::Now(Appended::Already)) => Outcome::Append(Ok(())),
                Ok(Done::Later) => return Ok(None),
                Err(Failure::Refused(error)) => Outcome::Append(Err(error)),
                Err(Failure::Sql(error)) => return Err(error),
            },
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

    /// Says how it went, once that is durable, and leaves the others to whoever hears it.
    fn answer(self, outcome: Outcome, others: Others) {
        match (self, outcome) {
            (Self::Start { reply, .. }, Outcome::Start(started)) => {
                tell(reply, Ok(started), others);
            }
            (Self::Append { reply, rows, .. }, Outcome::Append(appended)) => {
                tell(reply, appended.map(|()| rows), others);
            }
            (Self::Claim { reply, .. }, Outcome::Claim(claimed)) => {
                tell(reply, Ok(claimed), others);
            }
            (Self::ClaimOne { reply, .. }, Outcome::ClaimOne(claimed)) => {
                tell(reply, Ok(claimed), others);
            }
            (Self::Renew { reply, .. }, Outcome::Renew(cancelled)) => {
                tell(reply, Ok(cancelled), others);
            }
            (Self::Release { reply, .. }, Outcome::Release) => tell(reply, Ok(()), others),
            (Self::RequestCancel { reply, .. }, Outcome::RequestCancel(is_noted)) => {
                tell(reply, Ok(is_noted), others);
            }
            (Self::Purge { reply, .. }, Outcome::Purge(count)) => tell(reply, Ok(count), others),
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
        let none = Others::default();
        match self {
            Self::Start { reply, .. } => tell(reply, Err(error()), none),
            Self::Append { reply, .. } => tell(reply, Err(error().into()), none),
            Self::Claim { reply, .. } => tell(reply, Err(error()), none),
            Self::ClaimOne { reply, .. } => tell(reply, Err(error()), none),
            Self::Renew { reply, .. } => tell(reply, Err(error()), none),
            Self::Release { reply, .. } => tell(reply, Err(error()), none),
            Self::RequestCancel { reply, .. } => tell(reply, Err(error()), none),
            Self::Purge { reply, .. } => tell(reply, Err(error()), none),
        }
    }
}

/// Whoever asked may have stopped waiting: then the others are answered here.
fn tell<T, E>(reply: Reply<T, E>, answer: Result<T, E>, others: Others) {
    let _ = reply.send(Answer { answer, others });
}
