//! Suppliers with goods and trucks, and a bank. In a real service these are clients of theirs, which take a key with each request.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Supplier {
    /// It is near.
    Mill,
    /// It is far away.
    Harbour,
}

/// The reason why there is no order. Each of them says that nothing happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum OrderError {
    SoldOut {
        at: Supplier,
    },
    NoTruck {
        at: Supplier,
    },
    NoSupplier {
        reasons: Vec<OrderError>,
    },
    NoMoney,
    /// The request came after its cancellation.
    Cancelled {
        at: Supplier,
    },
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SoldOut { at } => write!(f, "{at:?} is sold out"),
            Self::NoTruck { at } => write!(f, "{at:?} has no truck"),
            Self::NoMoney => f.write_str("the bank declines"),
            Self::Cancelled { at } => write!(f, "it is cancelled already at {at:?}"),
            Self::NoSupplier { reasons } => {
                let reasons: Vec<_> = reasons.iter().map(ToString::to_string).collect();
                f.write_str(&reasons.join(", "))
            }
        }
    }
}

/// The goods, or the truck, that a request has taken under its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Taken {
    key: String,
    pub(crate) at: Supplier,
    pub(crate) pieces: u32,
}

/// All requests for goods, or for trucks.
#[derive(Debug, Default)]
struct Requests {
    taken: BTreeMap<String, Taken>,
    /// The keys that were cancelled: a request that comes later takes nothing.
    cancelled: BTreeSet<String>,
}

impl Requests {
    /// Takes something, once for each key.
    fn take(&mut self, taken: Taken) -> Result<Taken, OrderError> {
        if self.cancelled.contains(&taken.key) {
            return Err(OrderError::Cancelled { at: taken.at });
        }
        let taken = self.taken.entry(taken.key.clone()).or_insert(taken);
        Ok(taken.clone())
    }

    /// Gives back what was taken under this key. Returns whether anything was.
    fn cancel(&mut self, key: &str) -> bool {
        self.cancelled.insert(key.to_owned());
        self.taken.remove(key).is_some()
    }
}

#[derive(Debug, Default)]
struct Books {
    goods: Requests,
    trucks: Requests,
    paid: BTreeMap<String, u32>,
    log: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Market {
    /// The pieces that each supplier has.
    pub(crate) stock: BTreeMap<Supplier, u32>,
    /// The suppliers that have a truck.
    pub(crate) trucks: Vec<Supplier>,
    /// The bank's limit.
    pub(crate) limit: u32,
    books: Mutex<Books>,
}

impl Market {
    pub(crate) fn new(stock: [u32; 2], trucks: &[Supplier], limit: u32) -> Self {
        let [mill, harbour] = stock;
        Self {
            stock: [(Supplier::Mill, mill), (Supplier::Harbour, harbour)].into(),
            trucks: trucks.to_vec(),
            limit,
            books: Mutex::default(),
        }
    }

    pub(crate) fn reserve(
        &self,
        key: impl Into<String>,
        at: Supplier,
        pieces: u32,
    ) -> Result<Taken, OrderError> {
        let key = key.into();
        if self.stock[&at] < pieces {
            return Err(OrderError::SoldOut { at });
        }
        let taken = Taken { key, at, pieces };
        self.books().goods.take(taken)
    }

    pub(crate) fn release(&self, goods: &Taken) {
        let mut books = self.books();
        if books.goods.cancel(&goods.key) {
            let line = format!("{:?} released {}", goods.at, goods.pieces);
            books.log.push(line);
        }
    }

    pub(crate) fn book_truck(
        &self,
        key: impl Into<String>,
        goods: &Taken,
    ) -> Result<Taken, OrderError> {
        let at = goods.at;
        if !self.trucks.contains(&at) {
            return Err(OrderError::NoTruck { at });
        }
        let key = key.into();
        let taken = Taken {
            key,
            ..goods.clone()
        };
        self.books().trucks.take(taken)
    }

    pub(crate) fn send_back(&self, truck: &Taken) {
        self.books().trucks.cancel(&truck.key);
    }

    pub(crate) fn pay(&self, key: impl Into<String>, pieces: u32) -> Result<(), OrderError> {
        if pieces > self.limit {
            return Err(OrderError::NoMoney);
        }
        self.books().paid.insert(key.into(), pieces);
        Ok(())
    }

    /// The pieces that are reserved, on trucks, and paid.
    #[cfg(test)]
    pub(crate) fn totals(&self) -> [u32; 3] {
        let books = self.books();
        let sum = |all: &Requests| all.taken.values().map(|one| one.pieces).sum();
        [
            sum(&books.goods),
            sum(&books.trucks),
            books.paid.values().sum(),
        ]
    }

    /// The goods that were released, in this order.
    pub(crate) fn log(&self) -> Vec<String> {
        self.books().log.clone()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
