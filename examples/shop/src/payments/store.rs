//! The payments as they are stored. Each function is one transaction.

use saga_participant::Key;
use sqlx::{SqliteConnection, SqlitePool};

use super::PaymentRules;
use crate::answers::{Answer, Answers, Asked, Creations};
use crate::money::Money;
use crate::proto::payments::Payment;
use crate::rejection::Rejection;

const PAYMENTS: Creations = Creations {
    name: "payment",
    cancel: "UPDATE payments SET state = 'cancelled' WHERE id = ?",
    key: "SELECT idempotency_key FROM payments WHERE id = ?",
};

/// The payments, and the answer to each key.
#[derive(Debug, Clone)]
pub struct PaymentStore {
    pub(super) answers: Answers,
    rules: PaymentRules,
}

impl PaymentStore {
    /// Payments in a migrated database.
    #[must_use]
    pub fn new(database: SqlitePool, rules: PaymentRules) -> Self {
        Self {
            answers: Answers::new(database, PAYMENTS),
            rules,
        }
    }

    /// Takes a payment; or repeats the answer that the key already has.
    ///
    /// # Errors
    /// [`Rejection::Refused`] when it is over the limit; [`Rejection::Cancelled`] and [`Rejection::KeyReused`].
    pub async fn create(
        &self,
        key: &Key,
        order_id: i64,
        amount: Money,
    ) -> Result<Payment, Rejection> {
        let request = format!("{amount} for order {order_id}");
        let id = match self.answers.open(key, &request).await? {
            Asked::Before(id) => id,
            Asked::Now(mut open) => {
                let answer = self
                    .decide(open.transaction(), key, order_id, amount)
                    .await?;
                open.answer(answer).await?
            }
        };
        Ok(Payment {
            id,
            order_id,
            amount: amount.minor_units(),
        })
    }

    async fn decide(
        &self,
        transaction: &mut SqliteConnection,
        key: &Key,
        order_id: i64,
        amount: Money,
    ) -> Result<Answer, Rejection> {
        if let Some(reason) = self.rules.refusal(amount) {
            return Ok(Err(reason));
        }
        let id = sqlx::query(
            "INSERT INTO payments (order_id, amount, idempotency_key) VALUES (?, ?, ?)",
        )
        .bind(order_id)
        .bind(amount.minor_units())
        .bind(key.as_str())
        .execute(transaction)
        .await?
        .last_insert_rowid();
        Ok(Ok(id))
    }
}
