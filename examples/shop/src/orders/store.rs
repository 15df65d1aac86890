//! The orders as they are stored. Each function is one transaction.

use sqlx::{SqliteConnection, SqlitePool};

use crate::answers::{self, Answer, Key};
use crate::database;
use crate::money::Money;
use crate::proto::orders::{Order, OrderState};
use crate::rejection::Rejection;

/// The orders, and the answer to each key.
#[derive(Debug, Clone)]
pub struct OrderStore {
    database: SqlitePool,
}

impl OrderStore {
    /// Orders in a migrated database.
    #[must_use]
    pub fn new(database: SqlitePool) -> Self {
        Self { database }
    }

    /// Takes an order down; or repeats the answer that the key already has.
    ///
    /// # Errors
    /// Those of [`answers::find`].
    pub async fn create(&self, key: &Key, amount: Money, parcels: i32) -> Result<Order, Rejection> {
        let request = format!("{amount} in {parcels} parcels");
        let mut transaction = database::begin(&self.database).await?;
        let answer = if let Some(answer) = answers::find(&mut transaction, key, &request).await? {
            answer
        } else {
            let answer = insert(&mut transaction, amount, parcels).await?;
            answers::record(&mut transaction, key, &request, &answer).await?;
            transaction.commit().await?;
            answer
        };
        Ok(Order {
            id: answer.created()?,
            amount: amount.minor_units(),
            parcels,
            // A cancelled one would have been rejected by its key.
            state: OrderState::Active.into(),
        })
    }

    /// Cancels what was ordered under the key, and lets nothing be ordered under it any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel(&self, key: &Key) -> Result<(), Rejection> {
        let mut transaction = database::begin(&self.database).await?;
        if let Some(id) = answers::cancel(&mut transaction, key).await? {
            sqlx::query("UPDATE orders SET state = 'cancelled' WHERE id = ?")
                .bind(id)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The key under which an order was taken down.
    ///
    /// # Errors
    /// [`Rejection::NotFound`].
    pub async fn key_of(&self, id: i64) -> Result<Key, Rejection> {
        let mut connection = self.database.acquire().await?;
        answers::key_of(&mut connection, id)
            .await?
            .ok_or_else(|| unknown(id))
    }

    /// The order with this number.
    ///
    /// # Errors
    /// [`Rejection::NotFound`].
    pub async fn get(&self, id: i64) -> Result<Order, Rejection> {
        let (amount, parcels, active) =
            sqlx::query_as("SELECT amount, parcels, state = 'active' FROM orders WHERE id = ?")
                .bind(id)
                .fetch_optional(&self.database)
                .await?
                .ok_or_else(|| unknown(id))?;
        let state = if active {
            OrderState::Active
        } else {
            OrderState::Cancelled
        };
        Ok(Order {
            id,
            amount,
            parcels,
            state: state.into(),
        })
    }
}

async fn insert(
    transaction: &mut SqliteConnection,
    amount: Money,
    parcels: i32,
) -> Result<Answer, sqlx::Error> {
    let id = sqlx::query("INSERT INTO orders (amount, parcels) VALUES (?, ?)")
        .bind(amount.minor_units())
        .bind(parcels)
        .execute(transaction)
        .await?
        .last_insert_rowid();
    Ok(Answer::Created(id))
}

fn unknown(id: i64) -> Rejection {
    Rejection::NotFound(format!("there is no order {id}"))
}
