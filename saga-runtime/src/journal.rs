//! The journal of a [`Coordinator`](crate::Coordinator): the promise that every store keeps. `journal/event.rs` has the entries,
//! `journal/history.rs` their meaning.

mod error;
mod event;
mod filter;
pub(crate) mod history;
mod lease;
mod look;
mod memory;
pub(crate) mod pause;
#[cfg(feature = "postgres")]
mod postgres;
mod record;
mod requests;
mod row;
#[cfg(feature = "sqlite")]
mod sqlite;
mod tally;
mod time;

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::id::SagaId;

pub use crate::clock::Clock;
pub use crate::error::Reason;
pub use crate::meta::AttemptPhase;
pub use error::{AppendError, Damage, JournalError};
pub use event::{Event, Settled, StepCall};
pub use filter::{Filter, Page, TroubleFilter};
pub use look::{Ahead, Look};
pub use memory::Memory;
pub use pause::Pause;
#[cfg(feature = "postgres")]
pub use postgres::{Postgres, PostgresOptions};
pub use record::{
    Cancellation, Claim, Condition, Entry, FailingStep, History, NewSaga, Record, SagaVersion,
    Setback, State, Worker,
};
pub use requests::{Forwarded, PostedEvent, Requests};
pub use row::Row;
#[cfg(feature = "sqlite")]
pub use sqlite::{Sqlite, SqliteOptions};
pub use tally::{OpenTally, StuckTally, Tally, WorkerTally};
pub use time::{from_millis, to_millis};

/// A store of sagas: each one a record of how it was started, and a list of entries that only grows.
///
/// # What holds
/// * **Durable.** When [`start`](Self::start) or [`append`](Self::append) has returned `Ok`, its rows survive the
///   end of the process and of the machine. If it returned an error, it may be written or not; doing the same again is
///   fine.
/// * **Fenced.** A saga has at most one holder. Each claim raises the saga's epoch, and an append under an older epoch
///   is refused: a worker that lost its lease can't write.
/// * **Contiguous.** Entries are numbered from 1 without gaps. An append at a number that is taken is `Ok` if the
///   same entries stand there, which is how an append whose answer was lost is repeated, and refused otherwise.
/// * **Never lost.** A saga whose last entry is not [final](State::is_final) and not [`Stuck`](State::Stuck) is held
///   by a worker with a valid lease, or can be claimed. There is no other state.
/// * **Contained.** A saga whose record or entries can't be read is handed out as damaged, and no other is affected.
///
/// A lease belongs to a worker, not to a saga: [`renew`](Self::renew) extends all that it holds. Leases are compared by
/// the journal's own clock.
///
/// # Cancel safety
/// A future of these that is dropped may or may not have had its effect, like one that returned an error.
///
/// The module `saga_runtime::testing` has the suite that every journal passes (feature `testing`).
#[async_trait]
pub trait Journal: Send + Sync + 'static {
    /// Records a new saga, held by `worker` if one is given, otherwise [waiting](State::Waiting) to be claimed.
    ///
    /// If the id is taken nothing is written: the record that is there comes back. Of many starts with the same id at
    /// the same time exactly one gets [`Started::New`].
    async fn start(&self, saga: NewSaga, worker: Option<&Lease>) -> Result<Started, JournalError>;

    /// Records a new saga in a transaction of the caller's, waiting to be claimed: it is there if that transaction commits.
    ///
    /// The default refuses.
    #[cfg(feature = "postgres")]
    async fn start_in(
        &self,
        transaction: &mut sqlx::PgConnection,
        saga: NewSaga,
    ) -> Result<Started, JournalError> {
        let _ = (transaction, saga);
        Err(JournalError::Unsuitable {
            message: "this journal can't start a saga in a transaction of the caller's: only one in Postgres can".to_owned(),
        })
    }

    /// Takes over up to `limit` sagas that can go on, the oldest first: open, not stuck, not at [rest](Wakeup), of one of
    /// these `definitions`, and held by no worker, or by one whose lease has run out. Each gets a new epoch.
    async fn claim(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> Result<Vec<Claimed>, JournalError>;

    /// When the next saga that [rests](Wakeup::At) can go on, if there is one: a hint, so that no worker has to ask for it
    /// all the time. It may have passed.
    async fn next_rest(&self) -> Result<Option<SystemTime>, JournalError>;

    /// Takes over one saga that is open or stuck, for an operator, also if it is at [rest](Wakeup).
    async fn claim_one(&self, worker: &Lease, id: &SagaId) -> Result<ClaimedOne, JournalError>;

    /// Extends the lease on all that `worker` holds, and returns the sagas among them that are to be cancelled.
    async fn renew(&self, worker: &Lease) -> Result<Vec<SagaId>, JournalError>;

    /// Extends the lease as [`renew`](Self::renew) does, and looks what the worker may have to do: for the sagas that it holds, and
    /// for those of these `definitions` that it could claim. An idle worker does nothing else, so this is one request where the
    /// journal is far away.
    ///
    /// The default only renews.
    async fn look(
        &self,
        worker: &Lease,
        definitions: &[SagaVersion],
    ) -> Result<Look, JournalError> {
        let _ = definitions;
        Ok(Look::only_cancelled(self.renew(worker).await?))
    }

    /// Adds entries to a saga that is held, the first of them as number `first`; all of them or none.
    ///
    /// An entry that is final, or says that the saga is stuck, ends the claim as well.
    async fn append(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
    ) -> Result<(), AppendError>;

    /// Releases a saga: it can be claimed when its `rest` is over, and this claim is not counted against it. `in_doubt`
    /// says that the step after the last entry may have been requested: [`Claimed::orderly`] is `false` the next time. A
    /// claim that is fenced is released already. If cancellation was requested after this claim was taken, `rest` is ignored
    /// and the saga can be claimed at once: its holder may not know of the request.
    async fn release(
        &self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), JournalError>;

    /// Does what [`append`](Self::append) and then [`release`](Self::release) do; neither of them if the entries can't be added. A worker
    /// that shuts down hands each of its sagas over in this way.
    ///
    /// The default calls both. A journal that is far away does it as one operation.
    async fn append_and_release(
        &self,
        claim: &Claim,
        first: u64,
        events: Vec<Event>,
        in_doubt: bool,
        rest: Wakeup,
    ) -> Result<(), AppendError> {
        self.append(claim, first, events).await?;
        Ok(self.release(claim, in_doubt, rest).await?)
    }

    /// Records the wish to cancel a saga, which ends its [rest](Wakeup). Its holder learns of it by [`renew`](Self::renew), or when it is
    /// claimed. The first reason stays. `false` if there is no such saga, or it is final.
    async fn request_cancel(&self, id: &SagaId, reason: &str) -> Result<bool, JournalError>;

    /// Reads one saga, also while a worker holds it.
    async fn load(&self, id: &SagaId) -> Result<Option<History>, JournalError>;

    /// Reads the record of one saga, without its entries. It may not say which steps [fail](Record::failing).
    async fn record(&self, id: &SagaId) -> Result<Option<Record>, JournalError> {
        let history = self.load(id).await?;
        Ok(history.map(|history| history.record))
    }

    /// Lists sagas, the newest first. The records say which steps [fail](Record::failing), as [`Record::find_failing`] finds
    /// them. With [`Filter::failing`], a page may have fewer sagas than asked for, although another page follows. With a
    /// [`Filter::trouble`], the records have their [`setback`](Record::setback) where the journal can tell.
    async fn list(&self, filter: &Filter) -> Result<Page, JournalError>;

    /// Counts the sagas that [`list`](Self::list) would list in all of its pages.
    async fn count(&self, filter: &Filter) -> Result<u64, JournalError> {
        filter::count_pages(self, filter).await
    }

    /// Counts the sagas, without reading their entries where the journal can tell without them.
    async fn tally(&self) -> Result<Tally, JournalError> {
        Tally::by_listing(self).await
    }

    /// The workers that hold sagas, and those whose lease is valid, by name.
    async fn workers(&self) -> Result<Vec<WorkerTally>, JournalError> {
        WorkerTally::by_listing(self).await
    }

    /// Records that no saga of the definition with this name goes on, with the reason, until [`resume`](Self::resume) is called. It
    /// stays so over restarts. The newest reason stays, and the time of the first. Coordinators ask for [`paused`](Self::paused)
    /// definitions; the journal hands their sagas out as before.
    ///
    /// The default refuses.
    async fn pause(&self, name: &str, reason: &str) -> Result<(), JournalError> {
        let _ = (name, reason);
        Err(JournalError::Unsuitable {
            message: "this journal can't pause a definition".to_owned(),
        })
    }

    /// Ends a pause. Returns `false` if the definition was not paused.
    async fn resume(&self, name: &str) -> Result<bool, JournalError> {
        let _ = name;
        Ok(false)
    }

    /// The paused definitions, by name.
    async fn paused(&self) -> Result<Vec<Pause>, JournalError> {
        Ok(Vec::new())
    }

    /// Asks the worker that holds a saga to release it, for an operator of another process. The holder hears of it by
    /// [`requests`](Self::requests), and releases the saga as soon as no attempt is under way; the saga then waits a moment for
    /// [`claim_one`](Self::claim_one). A [`Signal::Changed`] tells of the release.
    ///
    /// The default forwards nothing.
    async fn call(&self, id: &SagaId) -> Result<Forwarded, JournalError> {
        let _ = id;
        Ok(Forwarded::Impossible)
    }

    /// Records an event for a saga that a worker holds. Its holder gets it by [`requests`](Self::requests), and a later one by its
    /// claim, as [`Claimed::posted`]; the append of the same event forgets it. The release that follows does not [rest](Wakeup):
    /// the holder may not have heard of it.
    ///
    /// The default forwards nothing.
    async fn post(&self, id: &SagaId, event: PostedEvent) -> Result<Forwarded, JournalError> {
        let _ = (id, event);
        Ok(Forwarded::Impossible)
    }

    /// What other processes have asked for sagas that this worker holds. It may say the same again until the saga is released,
    /// or the event appended.
    async fn requests(&self, worker: &Worker) -> Result<Requests, JournalError> {
        let _ = worker;
        Ok(Requests::default())
    }

    /// Asks for a [`Signal::Changed`] when this saga ends, gets stuck, or is to be undone, also if another process runs it.
    async fn watch(&self, id: &SagaId) -> Result<(), JournalError> {
        let _ = id;
        Ok(())
    }

    /// Removes sagas that became final before `before`, and says how many. Sagas that are open or stuck stay, whatever
    /// their age. A journal may do this piece by piece, so that running sagas do not have to wait for all of it; if it fails
    /// or is dropped in the middle, what was removed is removed.
    async fn purge(&self, before: SystemTime) -> Result<u64, JournalError>;

    /// The number of transactions that this handle has committed. `None` if the journal does not count them.
    fn commit_count(&self) -> Option<u64> {
        None
    }

    /// Closes this handle of the journal: it is used no more, and what is asked through it later fails with
    /// [`JournalError::Closed`]. A journal that owns a file gives it back when its last handle is closed or dropped, before
    /// this returns. A coordinator closes its handle at the end of its [shutdown](crate::Coordinator::shutdown).
    async fn close(&self) {}

    /// Registers a listener for what other processes do. A journal that hears of it calls the listener, and drops it when it
    /// returns `false`. Signals may be missing, or come without a reason: coordinators poll as well.
    fn listen(&self, listener: Listener) {
        drop(listener);
    }

    /// The longest time that a worker's lease may run; `None` if any.
    ///
    /// A journal that only one process can open at a time needs no renewals by the clock.
    fn longest_lease(&self) -> Option<Duration> {
        None
    }

    /// The clock of this process by which sagas sleep and wake up. A journal that delegates to another one returns the other
    /// one's.
    fn clock(&self) -> Clock {
        Clock::default()
    }
}

/// A listener for [`Signal`]s. Returns whether it wants more of them. It must not block.
pub type Listener = Box<dyn Fn(Signal) -> bool + Send + Sync>;

/// A hint that another process has done something: see [`Journal::listen`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// A saga may be claimable.
    Work,
    /// Something was asked of a saga that is held here: [`renew`](Journal::renew) tells of cancellations, and
    /// [`requests`](Journal::requests) of the rest.
    Asked,
    /// This saga, which was [watched](Journal::watch) or [called](Journal::call), has ended or was released.
    Changed(SagaId),
}

/// A worker, and for how long its claims are valid from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The worker.
    pub worker: Worker,
    /// The length of the lease, from the moment when the journal gets it.
    pub duration: Duration,
}

/// The time when a released saga can be claimed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wakeup {
    /// It can go on.
    Now,
    /// It sleeps until then, by the clock of the journal.
    At(SystemTime),
    /// It waits for a claim by its id.
    WhenCalled,
}

impl Wakeup {
    /// Returns whether the saga can be claimed now.
    #[must_use]
    pub fn is_over(self, now: SystemTime) -> bool {
        match self {
            Self::Now => true,
            Self::At(time) => time <= now,
            Self::WhenCalled => false,
        }
    }
}

/// The result of a start.
#[derive(Debug, Clone)]
#[must_use]
pub enum Started {
    /// The saga is recorded. The claim is there if a worker was given.
    New(Option<Claim>),
    /// The id is taken by this saga.
    Existing(Box<Record>),
}

/// A saga that was taken over.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Claimed {
    /// The proof of it.
    pub claim: Claim,
    /// Its record.
    pub record: Record,
    /// Its entries, or the damage that keeps them from being read.
    pub entries: Result<Vec<Entry>, Damage>,
    /// The number of the next entry.
    pub next: u64,
    /// Nothing was under way when the holder before released it. If `false`, the step after the last entry may have been
    /// requested.
    pub orderly: bool,
    /// The number of claims since its last entry that did not end with an orderly release: this claim, and the claims that
    /// ended with their process.
    pub recoveries: u32,
    /// The [rest](Wakeup) that a claim by id has cut short, so that it can be released to the same one.
    pub rest: Wakeup,
    /// The events that were [posted](Journal::post) to it and that no entry tells of, the oldest first.
    pub posted: Vec<PostedEvent>,
}

impl Claimed {
    /// A saga that was taken over in an orderly way for the first time.
    #[must_use]
    pub fn new(claim: Claim, record: Record, entries: Result<Vec<Entry>, Damage>) -> Self {
        let next = entries
            .as_ref()
            .map_or(1, |entries| entries.len() as u64 + 1);
        Self {
            claim,
            record,
            entries,
            next,
            orderly: true,
            recoveries: 0,
            rest: Wakeup::Now,
            posted: Vec::new(),
        }
    }

    /// The time until which it may rest after a claim that has added no event. Posted events wake it, so that its next run takes them.
    pub(crate) fn rest_again(&self) -> Wakeup {
        if self.posted.is_empty() {
            self.rest
        } else {
            Wakeup::Now
        }
    }
}

/// The result of the claim of one saga.
#[derive(Debug, Clone)]
#[must_use]
pub enum ClaimedOne {
    /// It is taken over.
    Claimed(Box<Claimed>),
    /// This worker holds it.
    Held(Worker),
    /// It is final.
    Final(State),
    /// There is no such saga.
    Unknown,
}
