//! A bank with a database of its own. Each change of a balance is in one transaction with the key of its request.

use std::path::Path;

use saga_participant::{Begun, Cancellation, Participant, begin_transaction};
use saga_runtime::IdempotencyKey;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Sqlite, SqlitePool};

/// The error of a request to a bank.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BankError {
    /// The bank says no, for good: nothing happened.
    #[error("{0}")]
    Refused(String),
    /// The answer got lost: the request may have been carried out.
    #[error("no answer")]
    NoAnswer,
    /// The database failed, perhaps after its commit.
    #[error(transparent)]
    Database(#[from] saga_participant::Error),
}

impl From<sqlx::Error> for BankError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error.into())
    }
}

impl BankError {
    /// Returns whether the error says nothing about the request.
    pub(crate) fn is_open(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

pub(crate) struct Bank {
    pool: SqlitePool,
    participant: Participant<Sqlite>,
    /// The first answer to each request gets lost on its way, as on a bad network.
    loses_answers: bool,
}

impl Bank {
    pub(crate) async fn open(
        file: &Path,
        accounts: &[(&str, i64)],
        loses_answers: bool,
    ) -> Result<Self, BankError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .synchronous(SqliteSynchronous::Full);
        // SQLite has one writer at a time.
        let pool = SqlitePoolOptions::new().max_connections(1);
        let pool = pool.connect_with(options).await?;
        let table = "CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, cents INTEGER NOT NULL CHECK (cents >= 0))";
        sqlx::query(table).execute(&pool).await?;
        for (name, cents) in accounts {
            let account = sqlx::query("INSERT INTO accounts VALUES (?, ?) ON CONFLICT DO NOTHING");
            account.bind(name).bind(cents).execute(&pool).await?;
        }
        let participant = Participant::new();
        participant.migrate(&pool).await?;
        Ok(Self {
            pool,
            participant,
            loses_answers,
        })
    }

    /// Takes an amount from an account.
    pub(crate) async fn take(
        &self,
        key: IdempotencyKey,
        account: &str,
        cents: i64,
    ) -> Result<i64, BankError> {
        self.change(key, account, -positive(cents)?).await
    }

    /// Puts an amount into an account.
    pub(crate) async fn put(
        &self,
        key: IdempotencyKey,
        account: &str,
        cents: i64,
    ) -> Result<i64, BankError> {
        self.change(key, account, positive(cents)?).await
    }

    /// Adds an amount to an account, or takes it if it is negative. Under one key this happens once.
    async fn change(
        &self,
        key: IdempotencyKey,
        account: &str,
        cents: i64,
    ) -> Result<i64, BankError> {
        let mut transaction = begin_transaction(&self.pool).await?;
        let begun = self.participant.begin(&mut transaction, key).await?;
        let is_first = matches!(begun, Begun::First(_));
        let answer = match begun {
            Begun::First(first) => {
                let change =
                    "UPDATE accounts SET cents = cents + ?1 WHERE name = ?2 AND cents + ?1 >= 0";
                let change = sqlx::query(change).bind(cents).bind(account);
                if change.execute(&mut *transaction).await?.rows_affected() == 1 {
                    first.answer(&mut transaction, &cents).await?;
                    Ok(cents)
                } else {
                    let refusal = format!("{account} has no {} cents", -cents);
                    let refusal = if cents < 0 {
                        refusal
                    } else {
                        format!("there is no {account}")
                    };
                    first.refuse(&mut transaction, &refusal).await?;
                    Err(refusal)
                }
            }
            Begun::Repeated(answer) => answer,
            Begun::Cancelled => Err("it was cancelled".to_owned()),
        };
        transaction.commit().await?;
        self.send(is_first)?;
        answer.map_err(BankError::Refused)
    }

    /// Undoes the request with this key, if it was carried out, and refuses it from now on.
    pub(crate) async fn undo(
        &self,
        action_key: IdempotencyKey,
        account: &str,
    ) -> Result<(), BankError> {
        let mut transaction = begin_transaction(&self.pool).await?;
        let cancelled = self
            .participant
            .cancel::<i64>(&mut transaction, action_key)
            .await?;
        let is_first = !matches!(cancelled, Cancellation::AlreadyCancelled);
        if let Cancellation::Undo(cents) = cancelled {
            let undo = sqlx::query("UPDATE accounts SET cents = cents - ? WHERE name = ?");
            undo.bind(cents)
                .bind(account)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        self.send(is_first)
    }

    pub(crate) async fn balance(&self, account: &str) -> Result<i64, BankError> {
        let balance = sqlx::query_scalar("SELECT cents FROM accounts WHERE name = ?");
        Ok(balance.bind(account).fetch_one(&self.pool).await?)
    }

    /// Forgets all requests, and sets all balances to this amount.
    #[cfg(test)]
    pub(crate) async fn begin_anew(&self, cents: i64) -> Result<(), BankError> {
        let mut transaction = begin_transaction(&self.pool).await?;
        let forget = sqlx::query("DELETE FROM participant_answers");
        forget.execute(&mut *transaction).await?;
        let balances = sqlx::query("UPDATE accounts SET cents = ?").bind(cents);
        balances.execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Sends an answer, or loses it.
    fn send(&self, is_first: bool) -> Result<(), BankError> {
        if self.loses_answers && is_first {
            Err(BankError::NoAnswer)
        } else {
            Ok(())
        }
    }
}

/// Refuses an amount that would move money the other way, or none.
fn positive(cents: i64) -> Result<i64, BankError> {
    if cents > 0 {
        return Ok(cents);
    }
    let refusal = format!("{cents} cents are no amount to move");
    Err(BankError::Refused(refusal))
}
