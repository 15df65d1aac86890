//! The databases of participants: the statements of each, and how they are run. The decisions are made elsewhere.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
mod transaction;

use std::time::SystemTime;

use sqlx::{AssertSqlSafe, Pool, SqlSafeStr as _, SqlStr};

pub use self::transaction::begin_transaction;
use crate::table::Table;

/// A database that keeps answers: `sqlx::Postgres` with the feature `postgres`, `sqlx::Sqlite` with `sqlite`.
pub trait Database: Store {}

/// The answers in one kind of database. It is implemented here only.
pub trait Store: sqlx::Database {
    /// The statements for a table.
    fn statements(table: &Table) -> Statements;

    /// Adds a row, unless the key has one. Waits for another transaction that is about to add it. Returns whether the
    /// row was added.
    fn insert(
        connection: &mut Self::Connection,
        insert: SqlStr,
        key: &str,
        state: State,
        request: Option<&str>,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send;

    /// The row of a key.
    fn find(
        connection: &mut Self::Connection,
        find: SqlStr,
        key: &str,
    ) -> impl Future<Output = Result<Option<Row>, sqlx::Error>> + Send;

    /// Gives the row of a key another state, and an answer if it has none.
    fn settle(
        connection: &mut Self::Connection,
        settle: SqlStr,
        key: &str,
        state: State,
        answer: Option<&str>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Creates the table where there is none; any number of processes may do so at once.
    fn create(
        pool: &Pool<Self>,
        create: SqlStr,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Deletes some rows that were last changed before `time`, and returns how many.
    fn forget(
        pool: &Pool<Self>,
        forget: SqlStr,
        time: SystemTime,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;
}

/// What is done with the table of one participant, in the words of its database.
#[derive(Debug)]
pub struct Statements {
    pub(crate) create: SqlStr,
    pub(crate) insert: SqlStr,
    pub(crate) find: SqlStr,
    /// As `find`, and no other transaction changes the row until this one ends.
    pub(crate) find_and_lock: SqlStr,
    pub(crate) settle: SqlStr,
    pub(crate) forget: SqlStr,
}

/// What is recorded of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub(crate) state: State,
    pub(crate) request: Option<String>,
    pub(crate) answer: Option<String>,
}

/// The state of a key. Its name is in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its first request is being carried out, in a transaction that is not committed yet.
    Begun,
    /// Its request was carried out.
    Answered,
    /// Its request was refused.
    Refused,
    /// It was cancelled.
    Cancelled,
}

/// How many rows one statement forgets, so that requests wait for a moment only.
const FORGOTTEN_AT_ONCE: u32 = 1_000;

impl State {
    const ALL: [Self; 4] = [Self::Begun, Self::Answered, Self::Refused, Self::Cancelled];

    const fn name(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Row {
    fn new(
        (state, request, answer): (String, Option<String>, Option<String>),
    ) -> Result<Self, sqlx::Error> {
        let known = State::ALL.into_iter().find(|known| known.name() == state);
        let unknown = || sqlx::Error::Decode(format!("`{state}` is no state of a key").into());
        Ok(Self {
            state: known.ok_or_else(unknown)?,
            request,
            answer,
        })
    }
}

/// A statement that is made of a checked name and of constants.
fn statement(text: String) -> SqlStr {
    AssertSqlSafe(std::sync::Arc::<str>::from(text)).into_sql_str()
}

/// Milliseconds since 1970.
fn milliseconds(time: SystemTime) -> i64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
