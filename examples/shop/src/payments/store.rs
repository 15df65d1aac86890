//! The payments as they are stored. Each function is one transaction.

use sqlx::{SqliteConnection, SqlitePool};

use super::PaymentRules;
use crate::answers::{self, Answer, Key};
use crate::database;
use crate::money::Money;
use crate::proto::payments::Payment;
use crate::rejection::Rejection;

/// The payments, and the answer to each key.
#[derive(Debug, Clone)]
pub struct PaymentStore {
    database: SqlitePool,
    rules: PaymentRules,
}

impl PaymentStore {
    /// Payments in a migrated database.
    #[must_use]
    pub fn new(database: SqlitePool, rules: PaymentRules) -> Self {
        Self { database, rules }
    }

    /// Takes a payment; or repeats the answer that the key already has.
    ///
    /// # Errors
    /// [`Rejection::Refused`] when it is over the limit; and those of [`answers::find`].
    pub async fn create(
        &self,
        key: &Key,
        order_id: i64,
        amount: Money,
    ) -> Result<Payment, Rejection> {
        let request = format!("{amount} for order {order_id}");
        let mut transaction = database::begin(&self.database).await?;
        let answer = if let Some(answer) = answers::find(&mut transaction, key, &request).await? {
            answer
        } else {
            let answer = self.decide(&mut transaction, order_id, amount).await?;
            answers::record(&mut transaction, key, &request, &answer).await?;
            transaction.commit().await?;
            answer
        };
        Ok(Payment {
            id: answer.created()?,
            order_id,
            amount: amount.minor_units(),
        })
    }

    async fn decide(
        &self,
        transaction: &mut SqliteConnection,
        order_id: i64,
        amount: Money,
    ) -> Result<Answer, Rejection> {
        if let Some(reason) = self.rules.refusal(amount) {
            return Ok(Answer::Refused(reason));
        }
        let id = sqlx::query("INSERT INTO payments (order_id, amount) VALUES (?, ?)")
            .bind(order_id)
            .bind(amount.minor_units())
            .execute(transaction)
            .await?
            .last_insert_rowid();
        Ok(Answer::Created(id))
    }

    /// Gives back what was taken under the key, and lets nothing be taken under it any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel(&self, key: &Key) -> Result<(), Rejection> {
        let mut transaction = database::begin(&self.database).await?;
        if let Some(id) = answers::cancel(&mut transaction, key).await? {
            sqlx::query("UPDATE payments SET state = 'cancelled' WHERE id = ?")
                .bind(id)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The key under which a payment was taken.
    ///
    /// # Errors
    /// [`Rejection::NotFound`].
    pub async fn key_of(&self, id: i64) -> Result<Key, Rejection> {
        let mut connection = self.database.acquire().await?;
        answers::key_of(&mut connection, id)
            .await?
            .ok_or_else(|| Rejection::NotFound(format!("there is no payment {id}")))
    }
}
