//! A company that takes bookings, each key once. In a real service this is a client of its HTTP interface.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use saga_runtime::IdempotencyKey;
use serde::{Deserialize, Serialize};

use crate::trip::TripError;

/// A booking, with all that its cancellation needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Booking {
    key: String,
    pub(crate) price: u64,
}

/// An airline, a chain of hotels, a rental.
#[derive(Debug)]
pub(crate) struct Company {
    price: u64,
    /// The places that it does not serve.
    except: &'static [&'static str],
    bookings: Mutex<BTreeMap<String, Booking>>,
}

impl Company {
    pub(crate) fn new(price: u64, except: &'static [&'static str]) -> Self {
        let bookings = Mutex::default();
        Self {
            price,
            except,
            bookings,
        }
    }

    /// Books, or returns what was booked under this key before.
    pub(crate) fn book(
        &self,
        key: IdempotencyKey,
        to: &str,
        nights: u64,
    ) -> Result<Booking, TripError> {
        if self.except.contains(&to) {
            return Err(TripError::NotServed { to: to.to_owned() });
        }
        let key = key.to_string();
        let price = self.price * nights;
        let booking = Booking {
            key: key.clone(),
            price,
        };
        Ok(self.bookings().entry(key).or_insert(booking).clone())
    }

    /// Cancels a booking. The second time there is nothing to cancel.
    pub(crate) fn cancel(&self, booking: &Booking) {
        self.bookings().remove(&booking.key);
    }

    /// The number of bookings.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.bookings().len()
    }

    fn bookings(&self) -> MutexGuard<'_, BTreeMap<String, Booking>> {
        self.bookings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
