//! The shop that gets a catalogue. In a real service this is its database.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// The reason why a row, or the catalogue, is not imported. Each of them says that nothing happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum ImportError {
    BadRow { row: u32 },
    TooMany { bad: usize },
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRow { row } => write!(f, "row {row} is bad"),
            Self::TooMany { bad } => write!(f, "{bad} rows are bad"),
        }
    }
}

#[derive(Debug, Default)]
struct Rows {
    stored: BTreeSet<u32>,
    is_live: bool,
    now: usize,
    most: usize,
    requests: usize,
}

#[derive(Debug)]
pub(crate) struct Shop {
    /// Each row whose number divides by this is bad.
    bad: u32,
    rows: Mutex<Rows>,
}

impl Shop {
    pub(crate) fn new(bad: u32) -> Self {
        let rows = Mutex::default();
        Self { bad, rows }
    }

    /// Stores a row, unless it is bad. The same row is stored once, however often this is asked.
    pub(crate) async fn store(&self, row: u32) -> Result<u32, ImportError> {
        {
            let mut rows = self.rows();
            rows.requests += 1;
            rows.now += 1;
            rows.most = rows.most.max(rows.now);
        }
        tokio::task::yield_now().await; // others have their turn
        let mut rows = self.rows();
        rows.now -= 1;
        if row % self.bad == self.bad - 1 {
            return Err(ImportError::BadRow { row });
        }
        rows.stored.insert(row);
        Ok(row)
    }

    pub(crate) fn remove(&self, row: u32) {
        self.rows().stored.remove(&row);
    }

    pub(crate) fn go_live(&self) {
        self.rows().is_live = true;
    }

    /// The number of rows that are stored.
    pub(crate) fn stored(&self) -> usize {
        self.rows().stored.len()
    }

    pub(crate) fn is_live(&self) -> bool {
        self.rows().is_live
    }

    /// The number of all requests to store a row, and the most at the same time.
    pub(crate) fn requests(&self) -> (usize, usize) {
        let rows = self.rows();
        (rows.requests, rows.most)
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
