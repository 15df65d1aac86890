//! One answer per idempotency key, for the services that the steps of sagas call.
//!
//! A saga asks more than once: its process was killed, a request timed out, an answer got lost. It always asks under the
//! same key. And it may undo a request before that has arrived. So a service has to answer three questions about a key,
//! and to be right under any race: is this the *first* request, was it *repeated*, and with which answer, or was it
//! *cancelled*? [`Participant`] answers them with one row per key, in the transaction in which the service does its
//! work. The service needs no coordinator and no saga for that; any caller with a stable key will do.
//!
//! # A request
//!
//! ```
//! # #[cfg(feature = "sqlite")] mod doc {
//! use saga_participant::{Begun, Participant, begin_transaction};
//! use serde::{Deserialize, Serialize};
//! use sqlx::{Sqlite, SqlitePool};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Payment { id: i64, amount: i64 }
//!
//! /// Why a payment is not taken.
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! enum Refused { OverTheLimit, Cancelled }
//!
//! struct Payments { pool: SqlitePool, participant: Participant<Sqlite> }
//!
//! impl Payments {
//!     async fn create(&self, key: &str, amount: i64) -> Result<Result<Payment, Refused>, saga_participant::Error> {
//!         let mut transaction = begin_transaction(&self.pool).await?;
//!         let answer = match self.participant.begin(&mut transaction, key).await? {
//!             Begun::First(first) if amount > 1_000 => {
//!                 // Refused for good: every repetition hears the same. To let a repetition try anew, roll back.
//!                 first.refuse(&mut transaction, &Refused::OverTheLimit).await?;
//!                 Err(Refused::OverTheLimit)
//!             }
//!             Begun::First(first) => {
//!                 let payment = sqlx::query("INSERT INTO payments (amount) VALUES (?)").bind(amount);
//!                 let id = payment.execute(&mut *transaction).await?.last_insert_rowid();
//!                 let payment = Payment { id, amount };
//!                 first.answer(&mut transaction, &payment).await?;
//!                 Ok(payment)
//!             }
//!             Begun::Repeated(answer) => answer,
//!             Begun::Cancelled => Err(Refused::Cancelled),
//!         };
//!         transaction.commit().await?;
//!         Ok(answer)
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # pub async fn main() -> Result<(), saga_participant::Error> {
//! # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
//! # sqlx::raw_sql("CREATE TABLE payments (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL)").execute(&pool).await?;
//! let participant = Participant::new();
//! participant.migrate(&pool).await?;
//! let payments = Payments { pool, participant };
//!
//! let first = payments.create("order-17/charge/0", 100).await?;
//! let again = payments.create("order-17/charge/0", 100).await?;
//! assert_eq!(first, again);
//! assert_eq!(payments.create("order-18/charge/0", 2_000).await?, Err(Refused::OverTheLimit));
//! # Ok(())
//! # }
//! # }
//! # #[cfg(feature = "sqlite")] doc::main()?;
//! # Ok::<(), saga_participant::Error>(())
//! ```
//!
//! The row, the payment and the answer are in one transaction, so there are all of them or none. If the process is killed
//! before the commit, the repetition is the first request. If it is killed after, the repetition gets the answer. Of two
//! equal requests at the same time, one waits for the other.
//!
//! # A compensation
//!
//! A compensation has a key of its own, `order-17/charge/0/compensation`, and carries the key of the request that it
//! undoes as `cx.action_key()`. [`Participant::cancel`] takes that one:
//!
//! ```
//! # #[cfg(feature = "sqlite")] mod doc {
//! # use saga_participant::{Begun, Cancellation, Participant, begin_transaction};
//! # use sqlx::{Sqlite, SqlitePool};
//! async fn cancel(
//!     pool: &SqlitePool,
//!     participant: &Participant<Sqlite>,
//!     action_key: &str,
//! ) -> Result<(), saga_participant::Error> {
//!     let mut transaction = begin_transaction(pool).await?;
//!     match participant.cancel::<i64>(&mut transaction, action_key).await? {
//!         // It was carried out. Its answer says what is to be undone.
//!         Cancellation::Undo(id) => {
//!             let undo = sqlx::query("DELETE FROM payments WHERE id = ?").bind(id);
//!             undo.execute(&mut *transaction).await?;
//!         }
//!         // It never came, or was refused. The commit makes that final.
//!         Cancellation::NothingToUndo => {}
//!         // This compensation is a repetition.
//!         Cancellation::AlreadyCancelled => {}
//!     }
//!     transaction.commit().await?;
//!     Ok(())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # pub async fn main() -> Result<(), saga_participant::Error> {
//! # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
//! # sqlx::raw_sql("CREATE TABLE payments (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL)").execute(&pool).await?;
//! # let participant = Participant::new();
//! # participant.migrate(&pool).await?;
//! cancel(&pool, &participant, "order-17/charge/0").await?;
//!
//! // The request was on its way for too long.
//! let mut transaction = begin_transaction(&pool).await?;
//! let late = participant.begin::<i64, String>(&mut transaction, "order-17/charge/0").await?;
//! assert!(matches!(late, Begun::Cancelled));
//! # Ok(())
//! # }
//! # }
//! # #[cfg(feature = "sqlite")] doc::main()?;
//! # Ok::<(), saga_participant::Error>(())
//! ```
//!
//! A compensation that has an answer itself, such as the number of a refund, calls [`begin`](Participant::begin) with its
//! own key as well, in the same transaction.
//!
//! # Exactly once
//!
//! A saga requests each effect at least once, under one key. A participant carries out each key at most once, and not at
//! all after its cancellation. Together, **effects happen exactly once, on these conditions**:
//!
//! 1. The effect is in the same transaction as the row of its key. An e-mail is not, nor is a call to another service:
//!    record the intention in the transaction, and pass the key on.
//! 2. The service commits before it answers, and a commit that was acknowledged stays: on SQLite that takes
//!    `synchronous = FULL`, on Postgres `synchronous_commit = on` and, across a failover, a synchronous standby.
//! 3. The service refuses a cancelled request, and does its undoing in the transaction of
//!    [`cancel`](Participant::cancel).
//! 4. Keys are kept for longer than a request or its saga may live ([`forget_before`](Participant::forget_before)).
//! 5. The step counts as refused only if the service says so. An error that leaves it open, such as a timeout, is in
//!    doubt (`in_doubt(when = …)`, `retry(when = …)`), so that the saga asks again or undoes.
//!
//! # The same database
//!
//! A step whose effect is in a database that the saga's own process can reach needs no service between them. The step
//! begins a transaction, calls [`begin`](Participant::begin) with `cx.idempotency_key()`, and commits; its
//! compensation calls [`cancel`](Participant::cancel) with `cx.action_key()`. That is the way to "exactly once in my
//! own database", whichever journal the saga is on.
//!
//! ```
//! # #[cfg(feature = "sqlite")] mod doc {
//! use saga_participant::{Begun, Cancellation, Participant, begin_transaction};
//! use saga_runtime::{Context, saga, step};
//! use sqlx::{Sqlite, SqlitePool};
//!
//! struct Shop { pool: SqlitePool, participant: Participant<Sqlite> }
//!
//! #[derive(Debug, thiserror::Error)]
//! enum ChargeError {
//!     #[error("{0}")]
//!     Refused(String),
//!     #[error(transparent)]
//!     Database(#[from] saga_participant::Error),
//! }
//!
//! impl From<sqlx::Error> for ChargeError {
//!     fn from(error: sqlx::Error) -> Self { Self::Database(error.into()) }
//! }
//!
//! impl ChargeError {
//!     /// The commit may have failed after it was done. So this says nothing about the payment, and the step is repeated.
//!     fn is_transient(&self) -> bool { matches!(self, Self::Database(_)) }
//! }
//!
//! #[step(compensate = give_back, retry(attempts = 5, when = ChargeError::is_transient))]
//! async fn charge(cx: Context<'_, Shop>, amount: i64) -> Result<i64, ChargeError> {
//!     let mut transaction = begin_transaction(&cx.pool).await?;
//!     let answer = match cx.participant.begin(&mut transaction, cx.idempotency_key()).await? {
//!         Begun::First(first) => {
//!             let payment = sqlx::query("INSERT INTO payments (amount) VALUES (?)").bind(amount);
//!             let id = payment.execute(&mut *transaction).await?.last_insert_rowid();
//!             first.answer(&mut transaction, &id).await?;
//!             Ok(id)
//!         }
//!         Begun::Repeated(answer) => answer,
//!         Begun::Cancelled => Err("it was cancelled".to_owned()),
//!     };
//!     transaction.commit().await?;
//!     answer.map_err(ChargeError::Refused)
//! }
//!
//! async fn give_back(cx: Context<'_, Shop>, id: &i64) -> Result<(), ChargeError> {
//!     let mut transaction = begin_transaction(&cx.pool).await?;
//!     let cancelled = cx.participant.cancel::<i64>(&mut transaction, cx.action_key()).await?;
//!     if let Cancellation::Undo(_) = cancelled {
//!         let undo = sqlx::query("DELETE FROM payments WHERE id = ?").bind(id);
//!         undo.execute(&mut *transaction).await?;
//!     }
//!     transaction.commit().await?;
//!     Ok(())
//! }
//!
//! saga!(
//!     /// Charges, and then finds that there is nothing to sell.
//!     async fn sell(cx: Context<'_, Shop>, amount: i64) -> Result<i64, ChargeError> {
//!         let payment = charge(cx, amount).await?;
//!         if amount > 100 {
//!             return Err(ChargeError::Refused("sold out".to_owned()));
//!         }
//!         Ok(payment)
//!     }
//! );
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
//! # sqlx::raw_sql("CREATE TABLE payments (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL)").execute(&pool).await?;
//! # let participant = Participant::new();
//! # participant.migrate(&pool).await?;
//! # let shop = Shop { pool, participant };
//! # Sell { amount: 100 }.execute(&shop).await?;
//! # Sell { amount: 200 }.execute(&shop).await.expect_err("sold out");
//! # let left = sqlx::query_scalar::<_, i64>("SELECT amount FROM payments").fetch_all(&shop.pool).await?;
//! # assert_eq!(left, [100]);
//! # Ok(())
//! # }
//! # }
//! # #[cfg(feature = "sqlite")] doc::main()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The table
//!
//! [`Participant::migrate`] creates it; [`Participant::schema`] is its SQL, for migrations of the service's own.
//!
//! | column | |
//! |---|---|
//! | `key` | the idempotency key, the table's primary key |
//! | `state` | `answered`, `refused` or `cancelled`; `begun` inside of the first transaction only |
//! | `request` | what was asked for, if the service calls [`begin_for`](Participant::begin_for) |
//! | `answer` | what was returned, or why it was refused: JSON |
//! | `changed_at` | when that was: a `timestamptz`; on SQLite milliseconds since 1970 |
//!
//! The idea is the barrier of DTM (<https://en.dtm.pub/practice/barrier.html>) and Seata: of a request and its
//! cancellation, whichever inserts the key first decides.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | |
//! |---|---|
//! | `sqlite`, `postgres` | the database, through sqlx 0.9. TLS is chosen by sqlx's own features |
//! | `http` | [`Key`] and [`ActionKey`] from the headers of a request |
//! | `axum` | the keys as arguments of handlers; errors as responses |
//! | `tonic` | the keys from gRPC metadata; errors as statuses |
//! | `tower` | `KeyLayer` puts the keys into the extensions of a request |
//!
//! sqlx and rusqlite link the same SQLite. A package that has both, as `saga-runtime` with its feature `sqlite` has, needs
//! versions with the same `libsqlite3-sys`: sqlx 0.9.0 goes with rusqlite 0.39.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
#[cfg(feature = "axum")]
mod axum;
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "there is no database to use it")
)]
mod database;
mod error;
mod key;
mod participant;
#[cfg(feature = "http")]
mod request;
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "there is no database to use it")
)]
mod table;
#[cfg(feature = "tonic")]
mod tonic;
#[cfg(feature = "tower")]
mod tower;

pub use self::answer::{Begun, Cancellation, First};
pub use self::database::{Database, begin_transaction};
pub use self::error::Error;
pub use self::key::{ACTION_KEY, ActionKey, IDEMPOTENCY_KEY, InvalidKey, Key};
pub use self::participant::Participant;
#[cfg(feature = "http")]
pub use self::request::KeyError;
pub use self::table::InvalidTable;
#[cfg(feature = "tower")]
pub use self::tower::{KeyFuture, KeyLayer, KeyService};
