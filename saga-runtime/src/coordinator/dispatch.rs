//! The two loops of a coordinator: one takes over sagas that wait in the journal, one keeps the leases.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Inner;
use super::run::Claimant;
use crate::journal::{Claimed, Rest};
use crate::telemetry;

/// The most sagas that are taken over in one go.
const BATCH: usize = 512;

impl<S: ?Sized + Send + Sync + 'static> Inner<S> {
    /// Takes over sagas that wait in the journal: those that earlier processes left, those that found no free slot, and those
    /// of workers that fell silent. Ends when the coordinator shuts down.
    pub(super) async fn dispatch(self: Arc<Self>) {
        let shutdown = self.tenure.shutdown.clone();
        shutdown.run_until_cancelled(self.dispatch_for_ever()).await;
    }

    async fn dispatch_for_ever(self: &Arc<Self>) {
        let names = self.definitions.names();
        loop {
            // One slot is enough to see whether somebody waits; the others are left to those who come.
            let mut at_once = 1;
            while let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await {
                let mut slots = vec![slot];
                while slots.len() < at_once
                    && let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned()
                {
                    slots.push(slot);
                }
                // In a task of its own: a claim that is dropped half-way would hold sagas that nobody runs.
                let claim = Arc::clone(self).take_over(names.clone(), slots);
                match self.tasks.spawn(claim).await {
                    Ok(0) | Err(_) => break,
                    Ok(_) => at_once = BATCH,
                }
            }
            let next = self.journal.next_rest().await.unwrap_or_default();
            let pause = self.alarm.set(next, self.poll_interval);
            let _ = tokio::time::timeout(pause, self.work.notified()).await;
        }
    }

    /// Takes over as many sagas as there are slots, and says how many there were.
    async fn take_over(
        self: Arc<Self>,
        names: Vec<&'static str>,
        slots: Vec<OwnedSemaphorePermit>,
    ) -> usize {
        match self.journal.claim(&self.lease, &names, slots.len()).await {
            Ok(claimed) => {
                let count = claimed.len();
                for (claimed, slot) in claimed.into_iter().zip(slots) {
                    self.resume(claimed, slot);
                }
                count
            }
            Err(error) => {
                telemetry::journal_trouble(&error);
                0
            }
        }
    }

    /// Goes on with a saga that was taken over.
    pub(super) fn resume(self: &Arc<Self>, claimed: Claimed, slot: OwnedSemaphorePermit) {
        let (name, input) = (
            claimed.record.saga.name.clone(),
            claimed.record.saga.input.clone(),
        );
        let recoveries = claimed.recoveries;
        let (claimant, damage) = Claimant::resuming(claimed, slot);
        if let Some(damage) = damage {
            return self.park(claimant, "damaged", damage.to_string());
        }
        if recoveries > self.max_recoveries {
            let message = format!(
                "taken over {recoveries} times in the same place from processes that had ended: the step may be what ends them"
            );
            return self.park(claimant, "too_many_recoveries", message);
        }
        match self.definitions.get(&name) {
            Some(definition) => definition.resume(self, claimant, &input),
            None => self.put_back(claimant),
        }
    }

    /// Renews the leases, and cancels what others want cancelled. Ends when the coordinator has shut down.
    pub(super) async fn renew_leases(self: Arc<Self>) {
        let shutdown = self.tenure.shutdown.clone();
        // While sagas end after the shutdown, their leases still have to hold.
        while !(shutdown.is_cancelled() && self.running().is_empty()) {
            let asked = Instant::now();
            match self.journal.renew(&self.lease).await {
                Ok(cancelled) => {
                    self.tenure.extend(asked + self.lease.duration);
                    for id in cancelled {
                        if let Some(running) = self.running().get(&id) {
                            running.cancellation.cancel();
                        }
                    }
                    self.release_abandoned().await;
                }
                Err(error) => telemetry::journal_trouble(&error),
            }
            if !shutdown.is_cancelled() {
                let pause = tokio::time::sleep(self.poll_interval);
                shutdown.run_until_cancelled(pause).await;
            } else if !self.running().is_empty() {
                let _ = tokio::time::timeout(self.poll_interval, self.work.notified()).await;
            }
        }
    }

    /// Lets go in the journal of what was let go of while it could not be reached.
    async fn release_abandoned(&self) {
        let abandoned = std::mem::take(&mut *self.abandoned());
        for claim in abandoned {
            if self
                .journal
                .release(&claim, true, Rest::None)
                .await
                .is_err()
            {
                self.abandoned().push(claim);
            } else {
                self.work.notify_one();
            }
        }
    }
}
