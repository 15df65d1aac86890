//! A participant: the table of answers of one service, and what it says about a key.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use sqlx::{Pool, Transaction};

use crate::answer::{self, Begun, Cancellation, First};
use crate::database::{Database, State, Statements};
use crate::error::Error;
use crate::key;
use crate::table::{self, InvalidTable, Table};

/// The answers that a service has given, one per idempotency key, in the service's own database.
///
/// It holds no connection: each call takes the transaction in which the service does its work. Clones are the same.
/// The table's name is [`Participant::TABLE`], unless [`in_table`](Participant::in_table) names another one.
pub struct Participant<DB: Database> {
    statements: Arc<Statements>,
    database: std::marker::PhantomData<fn(DB)>,
}

impl<DB: Database> Participant<DB> {
    /// The name of the table, unless another one is given.
    pub const TABLE: &'static str = table::DEFAULT;

    /// A participant whose answers are in the table [`TABLE`](Self::TABLE).
    #[must_use]
    pub fn new() -> Self {
        Self::of(&Table::default())
    }

    /// A participant whose answers are in another table: `table` or `schema.table`, in lower-case letters, digits and
    /// underscores. Several services in one database have a table each. The schema must exist; on SQLite it is the name
    /// of an attached database.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use saga_participant::Participant;
    /// use sqlx::Sqlite;
    ///
    /// let payments = Participant::<Sqlite>::in_table("payment_answers")?;
    /// Participant::<Sqlite>::in_table("answers; DROP TABLE payments").expect_err("no name");
    /// # drop(payments);
    /// # }
    /// # Ok::<(), saga_participant::InvalidTable>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidTable`] if the text is no such name.
    pub fn in_table(name: &str) -> Result<Self, InvalidTable> {
        Table::new(name).map(|table| Self::of(&table))
    }

    fn of(table: &Table) -> Self {
        Self {
            statements: Arc::new(DB::statements(table)),
            database: std::marker::PhantomData,
        }
    }

    /// The statements that create the table, for a service that has migrations of its own. They do nothing where the
    /// table exists.
    #[must_use]
    pub fn schema(&self) -> &str {
        self.statements.create.as_str()
    }

    /// Creates the table if there is none. Any number of processes may do so at once.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn migrate(&self, pool: &Pool<DB>) -> Result<(), Error> {
        DB::create(pool, self.statements.create.clone()).await?;
        Ok(())
    }

    /// Begins a request, in the transaction that is to carry it out.
    ///
    /// Of two equal requests at the same time, the second waits until the transaction of the first has ended. If that
    /// was committed, the second is [`Begun::Repeated`]; if not, it is [`Begun::First`] itself. On SQLite this is
    /// the first statement of the transaction, or the transaction has begun with `BEGIN IMMEDIATE`.
    ///
    /// # Errors
    /// [`Error`]; roll back then. With the isolation `REPEATABLE READ` or `SERIALIZABLE`, Postgres fails the second of
    /// two equal requests instead of letting it wait for the answer.
    ///
    /// # Cancel safety
    /// A call that is dropped leaves the transaction to be rolled back, as any other statement does.
    pub async fn begin<T, E>(
        &self,
        transaction: &mut Transaction<'_, DB>,
        key: impl AsRef<str>,
    ) -> Result<Begun<T, E>, Error>
    where
        T: DeserializeOwned,
        E: DeserializeOwned,
    {
        self.begin_same(transaction, key.as_ref(), None).await
    }

    /// Begins a request as [`begin`](Self::begin) does, and tells it from another one under the same key. `request` is a
    /// text that is the same for every repetition: a summary of what is asked for, or a hash of it.
    ///
    /// # Errors
    /// [`Error::KeyReused`] if the key was used for another request; otherwise as [`begin`](Self::begin).
    pub async fn begin_for<T, E>(
        &self,
        transaction: &mut Transaction<'_, DB>,
        key: impl AsRef<str>,
        request: impl AsRef<str>,
    ) -> Result<Begun<T, E>, Error>
    where
        T: DeserializeOwned,
        E: DeserializeOwned,
    {
        let (key, request) = (key.as_ref(), request.as_ref());
        self.begin_same(transaction, key, Some(request)).await
    }

    async fn begin_same<T, E>(
        &self,
        transaction: &mut Transaction<'_, DB>,
        key: &str,
        request: Option<&str>,
    ) -> Result<Begun<T, E>, Error>
    where
        T: DeserializeOwned,
        E: DeserializeOwned,
    {
        key::check(key)?;
        let statements = &*self.statements;
        loop {
            let insert = statements.insert.clone();
            if DB::insert(transaction, insert, key, State::Begun, request).await? {
                return Ok(Begun::First(First::new(key, statements.settle.clone())));
            }
            let find = statements.find.clone();
            if let Some(row) = DB::find(transaction, find, key).await? {
                return answer::repeated(row, request);
            }
            // The key was forgotten between the two statements.
        }
    }

    /// Cancels a request, in the transaction that is to undo it: `action_key` is the key of the request. From the commit
    /// on, the request is refused, also if it comes for the first time only then.
    ///
    /// A request whose transaction is under way is waited for.
    ///
    /// # Errors
    /// [`Error`]; roll back then.
    ///
    /// # Cancel safety
    /// As for [`begin`](Self::begin).
    pub async fn cancel<T>(
        &self,
        transaction: &mut Transaction<'_, DB>,
        action_key: impl AsRef<str>,
    ) -> Result<Cancellation<T>, Error>
    where
        T: DeserializeOwned,
    {
        let key = action_key.as_ref();
        key::check(key)?;
        let statements = &*self.statements;
        loop {
            let insert = statements.insert.clone();
            if DB::insert(transaction, insert, key, State::Cancelled, None).await? {
                return Ok(Cancellation::NothingToUndo);
            }
            let find = statements.find_and_lock.clone();
            if let Some(row) = DB::find(transaction, find, key).await? {
                let cancellation = answer::cancelled(row)?;
                if !matches!(cancellation, Cancellation::AlreadyCancelled) {
                    let settle = statements.settle.clone();
                    DB::settle(transaction, settle, key, State::Cancelled, None).await?;
                }
                return Ok(cancellation);
            }
            // The key was forgotten between the two statements.
        }
    }

    /// Forgets the keys that were answered or cancelled before `time`, some at a time, and returns how many.
    ///
    /// A forgotten key is new again. So choose a time after which no request comes any more that was sent before: longer
    /// ago than any saga may take with all its retries, than any request may be on its way, and than a caller repeats one.
    ///
    /// # Errors
    /// [`Error::Database`]; some keys may be forgotten already.
    pub async fn forget_before(&self, pool: &Pool<DB>, time: SystemTime) -> Result<u64, Error> {
        let mut forgotten = 0;
        loop {
            let some = DB::forget(pool, self.statements.forget.clone(), time).await?;
            if some == 0 {
                return Ok(forgotten);
            }
            forgotten += some;
        }
    }
}

impl<DB: Database> Default for Participant<DB> {
    fn default() -> Self {
        Self::new()
    }
}

impl<DB: Database> Clone for Participant<DB> {
    fn clone(&self) -> Self {
        Self {
            statements: Arc::clone(&self.statements),
            database: std::marker::PhantomData,
        }
    }
}

impl<DB: Database> fmt::Debug for Participant<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Participant")
            .field("find", &self.statements.find.as_str())
            .finish_non_exhaustive()
    }
}
