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

use sqlx::SqliteConnection;

use crate::rejection::Rejection;

/// The name of one creation: whoever repeats it means the same one. 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

/// What a participant answers to a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
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
    /// The number of what was created.
    ///
    /// # Errors
    /// [`Rejection::Refused`] when it was not.
    pub fn created(self) -> Result<i64, Rejection> {
        match self {
            Self::Created(id) => Ok(id),
            Self::Refused(reason) => Err(Rejection::Refused(reason)),
        }
    }
}

/// The answer that the key has, if any.
///
/// # Errors
/// [`Rejection::Cancelled`], and [`Rejection::KeyReused`] when the key was answered for another `request`.
pub async fn find(
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
///
/// # Errors
/// When the database fails, or the key has an answer already.
pub async fn record(
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
///
/// # Errors
/// When the database fails.
pub async fn cancel(
    transaction: &mut SqliteConnection,
    key: &Key,
) -> Result<Option<i64>, Rejection> {
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

/// The key under which something was created.
///
/// # Errors
/// When the database fails.
pub async fn key_of(
    transaction: &mut SqliteConnection,
    created: i64,
) -> Result<Option<Key>, Rejection> {
    let key = sqlx::query_scalar("SELECT key FROM answers WHERE created_id = ?")
        .bind(created)
        .fetch_optional(transaction)
        .await?;
    Ok(key.map(Key))
}
