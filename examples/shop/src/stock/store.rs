//! The reservations as they are stored. Each function is one transaction.

use saga_participant::Key;
use sqlx::{SqliteConnection, SqlitePool};

use super::StockRules;
use crate::answers::{Answer, Answers, Asked, Creations};
use crate::item::Article;
use crate::proto::stock::Reservation;
use crate::rejection::Rejection;

const RESERVATIONS: Creations = Creations {
    name: "reservation",
    cancel: "UPDATE reservations SET state = 'cancelled' WHERE id = ?",
    key: "SELECT idempotency_key FROM reservations WHERE id = ?",
};

/// The reservations, and the answer to each key.
#[derive(Debug, Clone)]
pub struct StockStore {
    pub(super) answers: Answers,
    rules: StockRules,
}

impl StockStore {
    /// Reservations in a migrated database.
    #[must_use]
    pub fn new(database: SqlitePool, rules: StockRules) -> Self {
        Self {
            answers: Answers::new(database, RESERVATIONS),
            rules,
        }
    }

    /// Sets pieces of an article aside; or repeats the answer that the key already has.
    ///
    /// # Errors
    /// [`Rejection::Refused`] when there are not enough; [`Rejection::Cancelled`] and [`Rejection::KeyReused`].
    pub async fn reserve(
        &self,
        key: &Key,
        order_id: i64,
        article: &Article,
        quantity: i32,
    ) -> Result<Reservation, Rejection> {
        let request = format!("{quantity} of {article} for order {order_id}");
        let id = match self.answers.open(key, &request).await? {
            Asked::Before(id) => id,
            Asked::Now(mut open) => {
                let answer = self.decide(open.transaction(), key, order_id, article, quantity);
                let answer = answer.await?;
                open.answer(answer).await?
            }
        };
        Ok(Reservation {
            id,
            order_id,
            article: article.to_string(),
            quantity,
        })
    }

    async fn decide(
        &self,
        transaction: &mut SqliteConnection,
        key: &Key,
        order_id: i64,
        article: &Article,
        quantity: i32,
    ) -> Result<Answer, Rejection> {
        // The transaction may write, so nobody else reserves between this sum and the reservation.
        let set_aside = sqlx::query_scalar(
            "SELECT coalesce(sum(quantity), 0) FROM reservations WHERE article = ? AND state = 'active'",
        )
        .bind(article.as_str())
        .fetch_one(&mut *transaction)
        .await?;
        if let Some(reason) = self.rules.refusal(article, quantity, set_aside) {
            return Ok(Err(reason));
        }
        let id =
            sqlx::query("INSERT INTO reservations (order_id, article, quantity, idempotency_key) VALUES (?, ?, ?, ?)")
                .bind(order_id)
                .bind(article.as_str())
                .bind(quantity)
                .bind(key.as_str())
                .execute(transaction)
                .await?
                .last_insert_rowid();
        Ok(Ok(id))
    }
}
