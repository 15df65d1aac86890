//! Orders, payments and deliveries as tables, with one thing that goes wrong.

use std::error::Error;
use std::fmt;
use std::future::pending;
use std::sync::{Mutex, MutexGuard};

use saga_runtime::IdempotencyKey;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) id: u32,
    pub(super) amount: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Payment {
    pub(super) id: u32,
    pub(super) order_id: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Delivery {
    pub(super) id: u32,
    pub(super) order_id: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ShopError {
    CardDeclined,
    CommitFailed,
    NotDeleted(String),
}

impl fmt::Display for ShopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CardDeclined => f.write_str("card declined"),
            Self::CommitFailed => f.write_str("commit failed"),
            Self::NotDeleted(row) => write!(f, "{row} can't be deleted"),
        }
    }
}

impl Error for ShopError {}

/// The fault of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    PaymentRefused,
    PaymentAnswerLost,
    DeliveryAnswerLostOnce,
    CommitFails,
    CommitPanics,
    CommitAndDeletingFail,
    DeletingFailsOnce,
}

#[derive(Debug)]
pub(super) struct Shop {
    pub(super) stock: u32,
    fault: Fault,
    cancels: Option<CancellationToken>,
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    /// Key, table and id.
    rows: Vec<(String, &'static str, u32)>,
    last_id: u32,
    deleted: Vec<String>,
    delete_failed: bool,
    answers_lost: u32,
    open_transactions: u32,
    open_during_calls: u32,
}

impl Shop {
    pub(super) fn with(fault: Fault) -> Self {
        Self {
            stock: 1000,
            fault,
            cancels: None,
            tables: Mutex::default(),
        }
    }

    pub(super) fn cancelling_at_payment(self, token: CancellationToken) -> Self {
        Self {
            cancels: Some(token),
            ..self
        }
    }

    pub(super) async fn create_order(
        &self,
        key: &IdempotencyKey,
        amount: u32,
    ) -> Result<Order, ShopError> {
        self.tables().open_transactions += 1;
        tokio::task::yield_now().await;
        let id = self.insert(key, "order");
        self.tables().open_transactions -= 1;
        Ok(Order { id, amount })
    }

    pub(super) async fn create_payment(
        &self,
        key: &IdempotencyKey,
        order_id: u32,
    ) -> Result<Payment, ShopError> {
        self.call().await;
        if let Some(token) = &self.cancels {
            token.cancel();
        }
        if self.fault == Fault::PaymentRefused {
            return Err(ShopError::CardDeclined);
        }
        let id = self.insert(key, "payment");
        if self.fault == Fault::PaymentAnswerLost {
            return pending().await;
        }
        Ok(Payment { id, order_id })
    }

    pub(super) async fn create_delivery(
        &self,
        key: &IdempotencyKey,
        order_id: u32,
    ) -> Result<Delivery, ShopError> {
        self.call().await;
        let id = self.insert(key, "delivery");
        if self.fault == Fault::DeliveryAnswerLostOnce && !self.is_asked_again() {
            return pending().await;
        }
        Ok(Delivery { id, order_id })
    }

    pub(super) async fn commit(&self) -> Result<(), ShopError> {
        tokio::task::yield_now().await;
        match self.fault {
            Fault::CommitFails | Fault::CommitAndDeletingFail => Err(ShopError::CommitFailed),
            Fault::CommitPanics => panic!("the connection is gone"),
            _ => Ok(()),
        }
    }

    pub(super) async fn delete(&self, table: &'static str, id: u32) -> Result<(), ShopError> {
        self.call().await;
        let row = format!("{table} {id}");
        let mut tables = self.tables();
        let fails = match self.fault {
            Fault::CommitAndDeletingFail => true,
            Fault::DeletingFailsOnce => !std::mem::replace(&mut tables.delete_failed, true),
            _ => false,
        };
        if fails {
            return Err(ShopError::NotDeleted(row));
        }
        let before = tables.rows.len();
        let same = |row: &(String, &str, u32)| (row.1, row.2) == (table, id);
        tables.rows.retain(|row| !same(row));
        assert_eq!(tables.rows.len() + 1, before, "there is no {row}");
        tables.deleted.push(row);
        Ok(())
    }

    pub(super) async fn delete_key(&self, key: &IdempotencyKey) -> Result<(), ShopError> {
        self.call().await;
        self.tables().rows.retain(|row| row.0 != key.as_str());
        Ok(())
    }

    /// The rows of the tables: `order 1`.
    pub(super) fn rows(&self) -> Vec<String> {
        let tables = self.tables();
        let rows = tables.rows.iter();
        rows.map(|(_, table, id)| format!("{table} {id}")).collect()
    }

    /// The ids of all deletions, in order.
    pub(super) fn deleted(&self) -> Vec<String> {
        self.tables().deleted.clone()
    }

    /// The number of open transactions at each call of another service.
    pub(super) fn open_transactions_during_calls(&self) -> u32 {
        self.tables().open_during_calls
    }

    /// The way to another service.
    async fn call(&self) {
        {
            let mut tables = self.tables();
            tables.open_during_calls += tables.open_transactions;
        }
        tokio::task::yield_now().await;
    }

    fn is_asked_again(&self) -> bool {
        let mut tables = self.tables();
        tables.answers_lost += 1;
        tables.answers_lost > 1
    }

    /// Inserts a row, or finds the one that was inserted under the same key.
    fn insert(&self, key: &IdempotencyKey, table: &'static str) -> u32 {
        let mut tables = self.tables();
        let known = tables.rows.iter().find(|row| row.0 == key.as_str());
        if let Some((_, _, id)) = known {
            return *id;
        }
        tables.last_id += 1;
        let id = tables.last_id;
        tables.rows.push((key.to_string(), table, id));
        id
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
