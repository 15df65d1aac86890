//! The leases of a journal that lives in one process: who may hold sagas, and until when.

use std::time::Duration;

use tokio::time::Instant;

use crate::journal::Lease;
use crate::journal::record::Worker;

/// Until when each worker's claims are valid, by the clock of this process. There are few workers in a process, and each
/// start of a saga renews a lease.
#[derive(Debug, Default)]
pub(super) struct Leases(Vec<(Worker, Instant)>);

impl Leases {
    /// Extends the claims of a worker.
    pub(super) fn renew(&mut self, lease: &Lease) {
        let now = Instant::now();
        // A lease of ages is as good as one that never ends.
        let end = now
            .checked_add(lease.duration)
            .unwrap_or_else(|| now + Duration::from_hours(24 * 365));
        let known = self
            .0
            .iter_mut()
            .find(|(worker, _)| *worker == lease.worker);
        if let Some((_, valid_until)) = known {
            *valid_until = end;
        } else {
            // A worker whose lease has run out may come back: it is added again then.
            self.0.retain(|(_, valid_until)| *valid_until > now);
            self.0.push((lease.worker.clone(), end));
        }
    }

    /// Returns whether the worker's claims are still valid.
    pub(super) fn is_valid(&self, worker: &Worker) -> bool {
        let known = self.0.iter().find(|(known, _)| known == worker);
        known.is_some_and(|(_, valid_until)| *valid_until > Instant::now())
    }
}
