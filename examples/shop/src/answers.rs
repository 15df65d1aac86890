//! What the four services have in common: each creation is answered once per idempotency key, in the service's own
//! transaction, as [`saga_participant`] has it. It holds no opinion on what is created; that is the service's.
//!
//! ```text
//! (none) ──┬── create ──▶ answered ─┐
//!          ├── create ──▶ refused ──┤
//!          └────────────────────────┴── cancel ──▶ cancelled: refuses every create, however late
//! ```

use saga_participant::{Begun, Cancellation, First, Key, Participant};
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::database;
use crate::rejection::Rejection;

/// What one service has created, and what it has answered to each key.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    database: SqlitePool,
    participant: Participant<Sqlite>,
    of: Creations,
}

/// What is created: rows of one table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creations {
    /// What one of them is called.
    pub(crate) name: &'static str,
    /// The statement that cancels the one with a number.
    pub(crate) cancel: &'static str,
    /// The query for the key of the one with a number.
    pub(crate) key: &'static str,
}

/// What is known of a creation when it is requested.
#[derive(Debug)]
pub(crate) enum Asked {
    /// It was requested before, and created under this number.
    Before(i64),
    /// It is requested for the first time.
    Now(Open),
}

/// A transaction in which a key gets its answer, or nothing happens.
#[derive(Debug)]
pub(crate) struct Open {
    transaction: Transaction<'static, Sqlite>,
    first: First<i64, String>,
}

/// What a service answers to a creation: the number of what was created, or the reason why it was refused.
pub(crate) type Answer = Result<i64, String>;

impl Answers {
    pub(crate) fn new(database: SqlitePool, of: Creations) -> Self {
        Self {
            database,
            participant: Participant::new(),
            of,
        }
    }

    pub(crate) fn database(&self) -> &SqlitePool {
        &self.database
    }

    /// Begins a creation, unless the key has its answer already: [`Rejection::Refused`], [`Rejection::Cancelled`], or
    /// [`Rejection::KeyReused`] when it was for another `request`.
    pub(crate) async fn open(&self, key: &Key, request: &str) -> Result<Asked, Rejection> {
        let mut transaction = database::begin(&self.database).await?;
        let begun = self
            .participant
            .begin_for(&mut transaction, key, request)
            .await?;
        match begun {
            Begun::First(first) => Ok(Asked::Now(Open { transaction, first })),
            Begun::Repeated(answer) => answer.map(Asked::Before).map_err(Rejection::Refused),
            Begun::Cancelled => Err(Rejection::Cancelled),
        }
    }

    /// Cancels what was created under the key, and lets nothing be created under it any more.
    pub(crate) async fn cancel(&self, key: &Key) -> Result<(), Rejection> {
        let mut transaction = database::begin(&self.database).await?;
        match self.participant.cancel(&mut transaction, key).await? {
            Cancellation::Undo(id) => {
                let cancel = sqlx::query(self.of.cancel).bind::<i64>(id);
                cancel.execute(&mut *transaction).await?;
            }
            Cancellation::NothingToUndo | Cancellation::AlreadyCancelled => {}
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The key under which something was created, or [`Rejection::NotFound`].
    pub(crate) async fn key_of(&self, id: i64) -> Result<Key, Rejection> {
        let key = sqlx::query_scalar(self.of.key)
            .bind(id)
            .fetch_optional(&self.database)
            .await?;
        key.map_or_else(|| Err(self.unknown(id)), self::key)
    }

    pub(crate) fn unknown(&self, id: i64) -> Rejection {
        Rejection::NotFound(format!("there is no {} {id}", self.of.name))
    }
}

impl Open {
    /// The transaction, to create something in.
    pub(crate) fn transaction(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Gives the key its answer, for good. The number of what was created, or [`Rejection::Refused`].
    pub(crate) async fn answer(self, answer: Answer) -> Result<i64, Rejection> {
        let Self {
            mut transaction,
            first,
        } = self;
        match &answer {
            Ok(id) => first.answer(&mut transaction, id).await?,
            Err(reason) => first.refuse(&mut transaction, reason).await?,
        }
        transaction.commit().await?;
        answer.map_err(Rejection::Refused)
    }
}

/// Takes a key from a request.
///
/// # Errors
/// [`Rejection::Invalid`] when it is empty, too long, or not of visible ASCII characters.
pub fn key(text: String) -> Result<Key, Rejection> {
    const MAX_LENGTH: usize = 255;
    let key = Key::new(text).ok();
    let key = key.filter(|key| key.as_str().len() <= MAX_LENGTH);
    key.ok_or_else(|| {
        Rejection::Invalid(format!(
            "`idempotency_key` must be 1 to {MAX_LENGTH} visible ASCII characters"
        ))
    })
}
