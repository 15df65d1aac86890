//! The deliveries as they are stored. Each function is one transaction.

use saga_participant::Key;
use sqlx::{SqliteConnection, SqlitePool};

use super::DeliveryRules;
use crate::answers::{Answer, Answers, Asked, Creations};
use crate::proto::delivery::Delivery;
use crate::rejection::Rejection;

const DELIVERIES: Creations = Creations {
    name: "delivery",
    cancel: "UPDATE deliveries SET state = 'cancelled' WHERE id = ?",
    key: "SELECT idempotency_key FROM deliveries WHERE id = ?",
};

/// The deliveries, and the answer to each key.
#[derive(Debug, Clone)]
pub struct DeliveryStore {
    pub(super) answers: Answers,
    rules: DeliveryRules,
}

impl DeliveryStore {
    /// Deliveries in a migrated database.
    #[must_use]
    pub fn new(database: SqlitePool, rules: DeliveryRules) -> Self {
        Self {
            answers: Answers::new(database, DELIVERIES),
            rules,
        }
    }

    /// Books a delivery; or repeats the answer that the key already has.
    ///
    /// # Errors
    /// [`Rejection::Refused`] when it is too much for the courier; [`Rejection::Cancelled`] and [`Rejection::KeyReused`].
    pub async fn create(
        &self,
        key: &Key,
        order_id: i64,
        parcels: i32,
    ) -> Result<Delivery, Rejection> {
        let request = format!("{parcels} parcels for order {order_id}");
        let id = match self.answers.open(key, &request).await? {
            Asked::Before(id) => id,
            Asked::Now(mut open) => {
                let answer = self
                    .decide(open.transaction(), key, order_id, parcels)
                    .await?;
                open.answer(answer).await?
            }
        };
        Ok(Delivery {
            id,
            order_id,
            parcels,
        })
    }

    async fn decide(
        &self,
        transaction: &mut SqliteConnection,
        key: &Key,
        order_id: i64,
        parcels: i32,
    ) -> Result<Answer, Rejection> {
        if let Some(reason) = self.rules.refusal(parcels) {
            return Ok(Err(reason));
        }
        let id = sqlx::query(
            "INSERT INTO deliveries (order_id, parcels, idempotency_key) VALUES (?, ?, ?)",
        )
        .bind(order_id)
        .bind(parcels)
        .bind(key.as_str())
        .execute(transaction)
        .await?
        .last_insert_rowid();
        Ok(Ok(id))
    }
}
