//! What a participant has answered to each idempotency key: one row per key, written in the participant's own
//! transaction, and final. It holds no opinion on what is created; that is the participant's.
//!
//! ```text
//! (none) ──┬── create ──▶ created ──┐
//!          ├── create ──▶ refused ──┤
//!          └────────────────────────┴── cancel ──▶ cancelled: refuses every create, however late
//! ```
//! The idea is DTM's barrier (<https://en.dtm.pub/practice/barrier.html>): of a creation and its cancellation, whichever
//! inserts the key first decides.

use sqlx::migrate::Migration;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::database;
use crate::rejection::Rejection;

/// What one participant has created, and what it has answered to each key.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    database: SqlitePool,
    of: Creations,
}

/// What is created: rows of one table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creations {
    /// What one of them is called.
    pub(crate) name: &'static str,
    /// The statement that cancels the one with a number.
    pub(crate) cancel: &'static str,
}

/// What is known of a creation when it is requested.
#[derive(Debug)]
pub(crate) enum Asked<'a> {
    /// It was requested before, and created under this number.
    Before(i64),
    /// It is requested for the first time.
    Now(Open<'a>),
}

/// A transaction in which a key gets its answer, or nothing happens.
#[derive(Debug)]
pub(crate) struct Open<'a> {
    transaction: Transaction<'static, Sqlite>,
    key: &'a Key,
    request: String,
}

/// The name of one creation: whoever repeats it means the same one. 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

/// What a participant answers to a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It was created, under this number.
    Created(i64),
    /// It was refused, for this reason.
    Refused(String),
}

impl Key {
    const MAX_LENGTH: usize = 255;

    /// Takes a key from a request.
    ///
    /// # Errors
    /// [`Rejection::Invalid`] when it is empty, too long, or not of visible ASCII characters.
    pub fn new(text: impl Into<String>) -> Result<Self, Rejection> {
        let text = text.into();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (1..=Self::MAX_LENGTH).contains(&text.len()) {
            Ok(Self(text))
        } else {
            Err(Rejection::Invalid(
                "`idempotency_key` must be 1 to 255 visible ASCII characters".to_owned(),
            ))
        }
    }
}

impl Answer {
    /// The number of what was created; [`Rejection::Refused`] when it was not.
    fn created(self) -> Result<i64, Rejection> {
        match self {
            Self::Created(id) => Ok(id),
            Self::Refused(reason) => Err(Rejection::Refused(reason)),
        }
    }
}

impl Answers {
    pub(crate) fn new(database: SqlitePool, of: Creations) -> Self {
        Self { database, of }
    }

    pub(crate) fn database(&self) -> &SqlitePool {
        &self.database
    }

    /// Begins a creation, unless the key has its answer already: [`Rejection::Refused`], [`Rejection::Cancelled`], or
    /// [`Rejection::KeyReused`] when it was for another `request`.
    pub(crate) async fn open<'a>(
        &self,
        key: &'a Key,
        request: String,
    ) -> Result<Asked<'a>, Rejection> {
        let mut transaction = database::begin(&self.database).await?;
        match find(&mut transaction, key, &request).await? {
            Some(answer) => answer.created().map(Asked::Before),
            None => Ok(Asked::Now(Open {
                transaction,
                key,
                request,
            })),
        }
    }

    /// Cancels what was created under the key, and lets nothing be created under it any more.
    pub(crate) async fn cancel(&self, key: &Key) -> Result<(), Rejection> {
        let mut transaction = database::begin(&self.database).await?;
        if let Some(id) = cancel(&mut transaction, key).await? {
            sqlx::query(self.of.cancel)
                .bind(id)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The key under which something was created, or [`Rejection::NotFound`].
    pub(crate) async fn key_of(&self, id: i64) -> Result<Key, Rejection> {
        let key = sqlx::query_scalar("SELECT key FROM answers WHERE created_id = ?")
            .bind(id)
            .fetch_optional(&self.database)
            .await?;
        key.map(Key).ok_or_else(|| self.unknown(id))
    }

    pub(crate) fn unknown(&self, id: i64) -> Rejection {
        Rejection::NotFound(format!("there is no {} {id}", self.of.name))
    }
}

impl Open<'_> {
    /// The transaction, to create something in.
    pub(crate) fn transaction(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Gives the key its answer, for good. The number of what was created, or [`Rejection::Refused`].
    pub(crate) async fn answer(self, answer: Answer) -> Result<i64, Rejection> {
        let Self {
            mut transaction,
            key,
            request,
        } = self;
        record(&mut transaction, key, &request, &answer).await?;
        transaction.commit().await?;
        answer.created()
    }
}

/// The table of answers, the second migration of each participant.
pub(crate) fn migration() -> [Migration; 2] {
    database::migration(
        2,
        "remember answers",
        include_str!("../migrations/0002_remember_answers.up.sql"),
        include_str!("../migrations/0002_remember_answers.down.sql"),
    )
}

/// The answer that the key has, if any.
async fn find(
    transaction: &mut SqliteConnection,
    key: &Key,
    request: &str,
) -> Result<Option<Answer>, Rejection> {
    type Row = (Option<String>, String, Option<i64>, Option<String>);
    let row: Option<Row> =
        sqlx::query_as("SELECT request, answer, created_id, reason FROM answers WHERE key = ?")
            .bind(&key.0)
            .fetch_optional(transaction)
            .await?;
    match row {
        None => Ok(None),
        Some((_, answer, ..)) if answer == "cancelled" => Err(Rejection::Cancelled),
        Some((asked, ..)) if asked.as_deref() != Some(request) => Err(Rejection::KeyReused),
        Some((.., Some(reason))) => Ok(Some(Answer::Refused(reason))),
        Some((.., created, None)) => Ok(created.map(Answer::Created)),
    }
}

/// Gives the key its answer.
async fn record(
    transaction: &mut SqliteConnection,
    key: &Key,
    request: &str,
    answer: &Answer,
) -> Result<(), Rejection> {
    let (name, created, reason) = match answer {
        Answer::Created(id) => ("created", Some(id), None),
        Answer::Refused(reason) => ("refused", None, Some(reason)),
    };
    sqlx::query(
        "INSERT INTO answers (key, request, answer, created_id, reason) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(&key.0)
    .bind(request)
    .bind(name)
    .bind(created)
    .bind(reason)
    .execute(transaction)
    .await?;
    Ok(())
}

/// Cancels the key, for good, and says what had been created under it.
async fn cancel(transaction: &mut SqliteConnection, key: &Key) -> Result<Option<i64>, Rejection> {
    let created: Option<i64> = sqlx::query_scalar(
        "INSERT INTO answers (key, answer) VALUES (?, 'cancelled')
         ON CONFLICT (key) DO UPDATE SET answer = 'cancelled', reason = NULL
         RETURNING created_id",
    )
    .bind(&key.0)
    .fetch_one(transaction)
    .await?;
    Ok(created)
}
