//! The leases of a journal that lives in one process: who may hold sagas, and until when.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Lease;
use super::record::Worker;

/// Until when each worker's claims are valid, by the clock of this process.
#[derive(Debug, Default)]
pub(super) struct Leases(HashMap<Worker, Instant>);

impl Leases {
    /// Extends the claims of a worker.
    pub(super) fn renew(&mut self, lease: &Lease) {
        let now = Instant::now();
        // A lease of ages is as good as one that never ends.
        let end = now
            .checked_add(lease.duration)
            .unwrap_or_else(|| now + Duration::from_hours(24 * 365));
        self.0.insert(lease.worker.clone(), end);
    }

    /// Whether what `worker` holds is still its own.
    pub(super) fn is_valid(&self, worker: &Worker) -> bool {
        self.0.get(worker).is_some_and(|end| *end > Instant::now())
    }
}
