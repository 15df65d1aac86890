//! A company that takes bookings, each key once. In a real service this is a client of its HTTP interface.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::trip::{Nights, TripError};

/// A booking, with all that its cancellation needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Booking {
    key: String,
    pub(crate) price: u64,
}

/// An airline, a chain of hotels, a rental.
#[derive(Debug)]
pub(crate) struct Company {
    price: u32,
    /// The places that it does not serve.
    except: &'static [&'static str],
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    bookings: BTreeMap<String, Booking>,
    /// The keys that were cancelled: a request that comes later books nothing.
    cancelled: BTreeSet<String>,
}

impl Company {
    pub(crate) fn new(price: u32, except: &'static [&'static str]) -> Self {
        let books = Mutex::default();
        Self {
            price,
            except,
            books,
        }
    }

    /// Books at the company's price for each night.
    pub(crate) fn book(
        &self,
        key: impl Into<String>,
        to: &str,
        nights: Nights,
    ) -> Result<Booking, TripError> {
        self.book_at(key, to, u64::from(self.price) * u64::from(nights))
    }

    /// Books at this price, or returns what was booked under this key before.
    pub(crate) fn book_at(
        &self,
        key: impl Into<String>,
        to: &str,
        price: u64,
    ) -> Result<Booking, TripError> {
        if self.except.contains(&to) {
            return Err(TripError::NotServed { to: to.to_owned() });
        }
        let (key, mut books) = (key.into(), self.books());
        if books.cancelled.contains(&key) {
            return Err(TripError::Cancelled);
        }
        let booking = Booking {
            key: key.clone(),
            price,
        };
        Ok(books.bookings.entry(key).or_insert(booking).clone())
    }

    /// Cancels a booking. The second time there is nothing to cancel.
    pub(crate) fn cancel(&self, booking: &Booking) {
        let mut books = self.books();
        books.bookings.remove(&booking.key);
        books.cancelled.insert(booking.key.clone());
    }

    /// The number of bookings.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.books().bookings.len()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
