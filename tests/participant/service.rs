//! The service under test: it takes payments and gives them back, each once per key.

use saga_participant::{Begun, Cancellation, Error, Participant};
use sqlx::{Pool, Transaction};

use crate::database::Bank;

/// Payments, and the participant that knows their keys. Clones are the same service.
#[derive(Debug)]
pub(crate) struct Service<DB: Bank> {
    pub(crate) pool: Pool<DB>,
    pub(crate) participant: Participant<DB>,
}

/// What a request does when it is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Takes the payment.
    Take,
    /// Refuses it, for good.
    Refuse,
    /// Takes the payment, and gives up before the commit.
    GiveUp,
}

/// What became known of a key in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It was the first request, with this answer.
    First(Answer),
    /// It was answered like this before.
    Repeated(Answer),
    /// It was cancelled before.
    Refused,
    /// It was cancelled now, and this was to be undone.
    Undone(i64),
    /// It was cancelled now, and nothing was to be undone.
    NothingToUndo,
    /// It was cancelled before, and now again.
    AlreadyCancelled,
}

/// What a request was answered: the number of a payment, or why there is none.
pub(crate) type Answer = Result<i64, String>;

/// A moment in a transaction at which something else may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Moment {
    /// The standing of the key is known.
    Known,
    /// The payment is taken, or given back.
    Acted,
    /// The answer is recorded.
    Answered,
    /// The transaction is committed; the caller is not answered yet.
    Committed,
}

/// What happens at the moments of a transaction: nothing, or something that a test chooses.
pub(crate) trait Moments: Send + Sync {
    /// Returns when the transaction may go on.
    fn at(&self, moment: Moment) -> impl Future<Output = ()> + Send;
}

impl Moments for () {
    async fn at(&self, _: Moment) {}
}

impl<DB: Bank> Service<DB> {
    /// The service of a database that may have no tables yet.
    pub(crate) async fn open(url: &str) -> Result<Self, Error> {
        let pool = DB::open(url).await?;
        DB::create_table(&pool).await?;
        let participant = Participant::new();
        participant.migrate(&pool).await?;
        Ok(Self { pool, participant })
    }

    /// Carries a request out, or repeats its answer.
    pub(crate) async fn request(
        &self,
        key: &str,
        course: Course,
        moments: &impl Moments,
    ) -> Result<Heard, Error> {
        let mut transaction = self.pool.begin().await?;
        let begun = self.participant.begin(&mut transaction, key).await?;
        moments.at(Moment::Known).await;
        match begun {
            Begun::First(first) => {
                if course == Course::Refuse {
                    let reason = "refused".to_owned();
                    first.refuse(&mut transaction, &reason).await?;
                    moments.at(Moment::Answered).await;
                    commit(transaction, moments).await?;
                    return Ok(Heard::First(Err(reason)));
                }
                let id = DB::take(&mut transaction, key).await?;
                moments.at(Moment::Acted).await;
                first.answer(&mut transaction, &id).await?;
                moments.at(Moment::Answered).await;
                if course == Course::GiveUp {
                    transaction.rollback().await?;
                } else {
                    commit(transaction, moments).await?;
                }
                Ok(Heard::First(Ok(id)))
            }
            Begun::Repeated(answer) => Ok(Heard::Repeated(answer)),
            Begun::Cancelled => Ok(Heard::Refused),
        }
    }

    /// Undoes what the request with this key has done or may do; `commits` unless it gives up before.
    pub(crate) async fn cancel(
        &self,
        key: &str,
        commits: bool,
        moments: &impl Moments,
    ) -> Result<Heard, Error> {
        let mut transaction = self.pool.begin().await?;
        let cancellation = self.participant.cancel(&mut transaction, key).await?;
        moments.at(Moment::Known).await;
        let heard = match cancellation {
            Cancellation::Undo(id) => {
                DB::give_back(&mut transaction, id).await?;
                moments.at(Moment::Acted).await;
                Heard::Undone(id)
            }
            Cancellation::NothingToUndo => Heard::NothingToUndo,
            Cancellation::AlreadyCancelled => Heard::AlreadyCancelled,
        };
        if commits {
            commit(transaction, moments).await?;
        } else {
            transaction.rollback().await?;
        }
        Ok(heard)
    }
}

impl<DB: Bank> Clone for Service<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            participant: self.participant.clone(),
        }
    }
}

async fn commit<DB: Bank>(
    transaction: Transaction<'_, DB>,
    moments: &impl Moments,
) -> Result<(), Error> {
    transaction.commit().await?;
    moments.at(Moment::Committed).await;
    Ok(())
}
