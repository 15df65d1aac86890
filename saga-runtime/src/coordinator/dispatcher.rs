//! The two loops of a coordinator: one takes over sagas that wait in the journal, one keeps the leases.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::coordinator::task::Claimant;
use crate::coordinator::{RuntimeGuard, Shared};
use crate::journal::{Claim, Claimed, Filter, JournalError, State, Wakeup};
use crate::telemetry;

/// The most sagas that are taken over with one claim.
const BATCH: usize = 1024;

/// Whether as many sagas were taken over as there were slots, so that there may be more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claims {
    Full,
    NotFull,
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Takes over sagas that wait in the journal: those that earlier processes left, those that found no free slot, and those
    /// of workers that fell silent. Ends when the coordinator shuts down.
    pub(super) async fn dispatch(self: Arc<Self>, guard: RuntimeGuard<S>) {
        let shutdown = self.tenure.shutdown.clone();
        shutdown.run_until_cancelled(self.dispatch_for_ever()).await;
        drop(guard);
    }

    async fn dispatch_for_ever(self: &Arc<Self>) {
        let names = self.definitions.names();
        loop {
            // In a task of its own: a claim that is dropped half-way would hold sagas that nobody runs.
            let claiming = Arc::clone(self).take_over_all(names.clone());
            let _ = self.tasks.spawn(claiming).await;
            let next = self.journal.next_rest().await.unwrap_or_default();
            let pause = self.alarm.set(next, self.poll_interval);
            let _ = tokio::time::timeout(pause, self.work.notified()).await;
        }
    }

    /// Takes over all that wait, as far as there are slots.
    async fn take_over_all(self: Arc<Self>, names: Vec<&'static str>) {
        let mut claims = FuturesOrdered::new();
        let mut is_more = true;
        while is_more && !self.is_shutting_down() {
            // One slot is enough to see whether somebody waits; the others are left to those who come.
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
                return;
            };
            is_more = self.take_over(&names, vec![slot]).await == Claims::Full;
            // All are asked for before the first saga goes on: what that writes would hold up the claims.
            while is_more
                && let slots = self.free_slots()
                && !slots.is_empty()
            {
                claims.push_back(self.take_over(&names, slots));
            }
            while let Some(claimed) = claims.next().await {
                is_more &= claimed == Claims::Full;
            }
        }
    }

    /// Slots for one claim.
    fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        let slots = (0..BATCH).map_while(|_| Arc::clone(&self.slots).try_acquire_owned().ok());
        slots.collect()
    }

    /// Takes over as many sagas as there are slots.
    async fn take_over(
        self: &Arc<Self>,
        names: &[&'static str],
        slots: Vec<OwnedSemaphorePermit>,
    ) -> Claims {
        match self.heard(self.journal.claim(&self.lease, names, slots.len()).await) {
            Ok(claimed) => {
                let is_full = claimed.len() == slots.len();
                let inner = Arc::clone(self);
                // Beside the claims that come next.
                self.tasks.spawn(async move {
                    for (claimed, slot) in claimed.into_iter().zip(slots) {
                        inner.resume(claimed, slot);
                    }
                });
                if is_full {
                    Claims::Full
                } else {
                    Claims::NotFull
                }
            }
            Err(error) => {
                telemetry::journal_trouble(&error);
                Claims::NotFull
            }
        }
    }

    /// Goes on with a saga that was taken over.
    pub(super) fn resume(self: &Arc<Self>, claimed: Claimed, slot: OwnedSemaphorePermit) {
        let recoveries = claimed.recoveries;
        let (claimant, saga, damage) = Claimant::resuming(claimed, slot);
        if let Some(damage) = damage {
            return self.park(claimant, "damaged", damage.to_string());
        }
        if recoveries > self.max_recoveries {
            let message = format!(
                "taken over {recoveries} times in the same place from processes that had ended: the step may be what ends them"
            );
            return self.park(claimant, "too_many_recoveries", message);
        }
        match self.definitions.get(&saga.name) {
            Some(definition) => definition.resume(self, claimant, &saga.input),
            None => self.put_back(claimant),
        }
    }

    /// Renews the leases, and cancels what others want cancelled. Ends when the coordinator has shut down.
    pub(super) async fn renew_leases(self: Arc<Self>) {
        let shutdown = self.tenure.shutdown.clone();
        let mut unheard = Vec::new();
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
                    self.release_unheard(&mut unheard).await;
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
                .release(&claim, true, Wakeup::Now)
                .await
                .is_err()
            {
                self.abandoned().push(claim);
            } else {
                self.work.notify_one();
            }
        }
    }

    /// Lets go of what this worker holds in the journal without having heard of it, because the answer to a claim was lost.
    ///
    /// A claim may be on its way to the one who runs the saga, so it is only let go of if it was there the time `before`.
    async fn release_unheard(&self, before: &mut Vec<Claim>) {
        if !self.has_lost_claims.swap(false, Ordering::Acquire) && before.is_empty() {
            return;
        }
        let Ok(unheard) = self.unheard().await else {
            self.has_lost_claims.store(true, Ordering::Release);
            return;
        };
        let (again, new): (Vec<_>, Vec<_>) = unheard
            .into_iter()
            .partition(|claim| before.contains(claim));
        self.abandoned().extend(again);
        self.release_abandoned().await;
        *before = new;
    }

    /// What this worker holds in the journal, and does not run.
    async fn unheard(&self) -> Result<Vec<Claim>, JournalError> {
        let mut unheard = Vec::new();
        for state in [State::Running, State::Compensating, State::Stuck] {
            let mut filter = Filter::default().state(state).limit(BATCH);
            loop {
                let page = self.journal.list(&filter).await?;
                let running = self.running();
                let mine = page.sagas.into_iter().filter_map(|record| {
                    let is_held = record.worker.as_ref() == Some(&self.lease.worker);
                    let (id, epoch) = (record.saga.id, record.epoch);
                    let run = running.get(&id).map(|run| run.recorder.claim());
                    let is_run = run.is_some_and(|claim| claim.epoch == epoch);
                    (is_held && !is_run).then_some(Claim { id, epoch })
                });
                unheard.extend(mine);
                match page.next {
                    Some(next) => filter.after = Some(next),
                    None => break,
                }
            }
        }
        Ok(unheard)
    }
}
