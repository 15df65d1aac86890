//! The orders as they are stored. Each function is one transaction.

use saga_participant::Key;
use sqlx::{SqliteConnection, SqlitePool};

use crate::answers::{Answer, Answers, Asked, Creations};
use crate::item::{self, LineItem};
use crate::money::Money;
use crate::proto::orders::{self as proto, Order, OrderState};
use crate::rejection::Rejection;

const ORDERS: Creations = Creations {
    name: "order",
    cancel: "UPDATE orders SET state = 'cancelled' WHERE id = ?",
    key: "SELECT idempotency_key FROM orders WHERE id = ?",
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
    /// [`Rejection::Invalid`] when the items have no sum; [`Rejection::Cancelled`] and [`Rejection::KeyReused`].
    pub async fn create(
        &self,
        key: &Key,
        items: &[LineItem],
        parcels: i32,
    ) -> Result<Order, Rejection> {
        let amount = item::total(items)?;
        let request = request(items, parcels);
        let id = match self.answers.open(key, &request).await? {
            Asked::Before(id) => id,
            Asked::Now(mut open) => {
                let answer = insert(open.transaction(), key, amount, items, parcels).await?;
                open.answer(answer).await?
            }
        };
        Ok(Order {
            id,
            amount: amount.minor_units(),
            parcels,
            // A cancelled one would have been rejected by its key.
            state: OrderState::Active.into(),
            items: items.iter().map(Into::into).collect(),
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
        let items = sqlx::query_as(
            "SELECT article, quantity, price FROM items WHERE order_id = ? ORDER BY line",
        )
        .bind(id)
        .fetch_all(self.answers.database())
        .await?;
        let item = |(article, quantity, price)| proto::LineItem {
            article,
            quantity,
            price,
        };
        Ok(Order {
            id,
            amount,
            parcels,
            state: state.into(),
            items: items.into_iter().map(item).collect(),
        })
    }
}

async fn insert(
    transaction: &mut SqliteConnection,
    key: &Key,
    amount: Money,
    items: &[LineItem],
    parcels: i32,
) -> Result<Answer, sqlx::Error> {
    let id = sqlx::query("INSERT INTO orders (amount, parcels, idempotency_key) VALUES (?, ?, ?)")
        .bind(amount.minor_units())
        .bind(parcels)
        .bind(key.as_str())
        .execute(&mut *transaction)
        .await?
        .last_insert_rowid();
    for (line, item) in (1_i64..).zip(items) {
        sqlx::query(
            "INSERT INTO items (order_id, line, article, quantity, price) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(id)
        .bind(line)
        .bind(item.article.as_str())
        .bind(item.quantity)
        .bind(item.price.minor_units())
        .execute(&mut *transaction)
        .await?;
    }
    Ok(Ok(id))
}

/// What is remembered of a request, to tell it from another one.
fn request(items: &[LineItem], parcels: i32) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    format!("{} in {parcels} parcels", items.join(" "))
}
