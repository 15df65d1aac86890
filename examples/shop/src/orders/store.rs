//! The orders as they are stored. Each function is one transaction.

use sqlx::{SqliteConnection, SqlitePool};

use crate::answers::{Answer, Answers, Asked, Creations, Key};
use crate::money::Money;
use crate::proto::orders::{Order, OrderState};
use crate::rejection::Rejection;

const ORDERS: Creations = Creations {
    name: "order",
    cancel: "UPDATE orders SET state = 'cancelled' WHERE id = ?",
};

/// The orders, and the answer to each key.
#[derive(Debug, Clone)]
pub struct OrderStore {
    pub(super) answers: Answers,
}

impl OrderStore {
    /// Orders in a migrated database.
    #[must_use]
    pub fn new(database: SqlitePool) -> Self {
        Self {
            answers: Answers::new(database, ORDERS),
        }
    }

    /// Takes an order down; or repeats the answer that the key already has.
    ///
    /// # Errors
    /// [`Rejection::Cancelled`] and [`Rejection::KeyReused`].
    pub async fn create(&self, key: &Key, amount: Money, parcels: i32) -> Result<Order, Rejection> {
        let request = format!("{amount} in {parcels} parcels");
        let id = match self.answers.open(key, request).await? {
            Asked::Before(id) => id,
            Asked::Now(mut open) => {
                let answer = insert(open.transaction(), amount, parcels).await?;
                open.answer(answer).await?
            }
        };
        Ok(Order {
            id,
            amount: amount.minor_units(),
            parcels,
            // A cancelled one would have been rejected by its key.
            state: OrderState::Active.into(),
        })
    }

    /// The order with this number.
    ///
    /// # Errors
    /// [`Rejection::NotFound`].
    pub async fn get(&self, id: i64) -> Result<Order, Rejection> {
        let (amount, parcels, active) =
            sqlx::query_as("SELECT amount, parcels, state = 'active' FROM orders WHERE id = ?")
                .bind(id)
                .fetch_optional(self.answers.database())
                .await?
                .ok_or_else(|| self.answers.unknown(id))?;
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
