//! The deliveries as they are stored. Each function is one transaction.

use sqlx::{SqliteConnection, SqlitePool};

use super::DeliveryRules;
use crate::answers::{self, Answer, Key};
use crate::database;
use crate::proto::delivery::Delivery;
use crate::rejection::Rejection;

/// The deliveries, and the answer to each key.
#[derive(Debug, Clone)]
pub struct DeliveryStore {
    database: SqlitePool,
    rules: DeliveryRules,
}

impl DeliveryStore {
    /// Deliveries in a migrated database.
    #[must_use]
    pub fn new(database: SqlitePool, rules: DeliveryRules) -> Self {
        Self { database, rules }
    }

    /// Books a delivery; or repeats the answer that the key already has.
    ///
    /// # Errors
    /// [`Rejection::Refused`] when it is too much for the courier; and those of [`answers::find`].
    pub async fn create(
        &self,
        key: &Key,
        order_id: i64,
        parcels: i32,
    ) -> Result<Delivery, Rejection> {
        let request = format!("{parcels} parcels for order {order_id}");
        let mut transaction = database::begin(&self.database).await?;
        let answer = if let Some(answer) = answers::find(&mut transaction, key, &request).await? {
            answer
        } else {
            let answer = self.decide(&mut transaction, order_id, parcels).await?;
            answers::record(&mut transaction, key, &request, &answer).await?;
            transaction.commit().await?;
            answer
        };
        Ok(Delivery {
            id: answer.created()?,
            order_id,
            parcels,
        })
    }

    async fn decide(
        &self,
        transaction: &mut SqliteConnection,
        order_id: i64,
        parcels: i32,
    ) -> Result<Answer, Rejection> {
        if let Some(reason) = self.rules.refusal(parcels) {
            return Ok(Answer::Refused(reason));
        }
        let id = sqlx::query("INSERT INTO deliveries (order_id, parcels) VALUES (?, ?)")
            .bind(order_id)
            .bind(parcels)
            .execute(transaction)
            .await?
            .last_insert_rowid();
        Ok(Answer::Created(id))
    }

    /// Calls off what was booked under the key, and lets nothing be booked under it any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel(&self, key: &Key) -> Result<(), Rejection> {
        let mut transaction = database::begin(&self.database).await?;
        if let Some(id) = answers::cancel(&mut transaction, key).await? {
            sqlx::query("UPDATE deliveries SET state = 'cancelled' WHERE id = ?")
                .bind(id)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The key under which a delivery was booked.
    ///
    /// # Errors
    /// [`Rejection::NotFound`].
    pub async fn key_of(&self, id: i64) -> Result<Key, Rejection> {
        let mut connection = self.database.acquire().await?;
        answers::key_of(&mut connection, id)
            .await?
            .ok_or_else(|| Rejection::NotFound(format!("there is no delivery {id}")))
    }
}
