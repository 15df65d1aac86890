//! The first loop of a coordinator: claims sagas that wait in the journal, and runs them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::sync::OwnedSemaphorePermit;

use crate::coordinator::suspects::Suspicion;
use crate::coordinator::task::Claimant;
use crate::coordinator::{BATCH, RuntimeGuard, Shared};
use crate::journal::{Claimed, SagaVersion, Wakeup};
use crate::meta::RetryPolicy;
use crate::telemetry;

/// The pauses between claims while a saga is due that this process does not run.
const IN_VAIN: RetryPolicy =
    RetryPolicy::UNTIL_SUCCESS.backoff(Duration::from_millis(100), Duration::from_mins(1));

/// The size of a claim. `Full`: the journal returned a saga for each slot, so more may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClaimSize {
    Full,
    NotFull,
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Claims sagas that wait in the journal: sagas of earlier processes and silent workers, sagas that found no free
    /// slot, and sagas whose sleep is over. Ends when the coordinator shuts down.
    pub(super) async fn dispatch(self: Arc<Self>, guard: RuntimeGuard<S>) {
        let shutdown = self.tenure.shutdown.clone();
        shutdown.run_until_cancelled(self.dispatch_for_ever()).await;
        drop(guard);
    }

    async fn dispatch_for_ever(self: &Arc<Self>) {
        let mut in_vain = IN_VAIN.backoffs();
        loop {
            let definitions = self.definitions_to_claim().await;
            let begun = self.policies.clock.now();
            // In a task of its own: a claim that is dropped half-way would hold sagas that do not run.
            let claiming = Arc::clone(self).take_over_all(definitions);
            let _ = self.tasks.spawn(claiming).await;
            let next = self.journal.next_rest().await.unwrap_or_default();
            let longest = self.rhythm.between_claims();
            let mut pause = self.alarm.set(next, longest);
            if next.is_some_and(|next| next < begun) {
                // It could be claimed and was not: its definition is paused, or not registered here.
                let again = in_vain.next().unwrap_or(longest);
                pause = pause.max(again.min(longest));
            } else {
                in_vain = IN_VAIN.backoffs();
            }
            let _ = tokio::time::timeout(pause, self.work.notified()).await;
        }
    }

    /// Claims all waiting sagas, as long as there are free slots.
    async fn take_over_all(self: Arc<Self>, definitions: Vec<SagaVersion>) {
        let mut claims = FuturesOrdered::new();
        let mut is_more = true;
        while is_more && !self.is_shutting_down() {
            // One slot is enough to see whether a saga waits. New sagas can use the others.
            let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else {
                return;
            };
            if self.is_shutting_down() {
                // A saga that was handed over has made room.
                return;
            }
            is_more = self.take_over(&definitions, vec![slot]).await == ClaimSize::Full;
            // All claims are sent before the first saga runs: its writes would delay them.
            while is_more
                && !self.is_shutting_down()
                && let slots = self.free_slots()
                && !slots.is_empty()
            {
                claims.push_back(self.take_over(&definitions, slots));
            }
            while let Some(claimed) = claims.next().await {
                is_more &= claimed == ClaimSize::Full;
            }
        }
    }

    /// Takes the free slots, at most as many as fit in one claim.
    fn free_slots(&self) -> Vec<OwnedSemaphorePermit> {
        let slots = (0..BATCH).map_while(|_| Arc::clone(&self.slots).try_acquire_owned().ok());
        slots.collect()
    }

    /// Claims at most one saga for each slot, and resumes them.
    async fn take_over(
        self: &Arc<Self>,
        definitions: &[SagaVersion],
        slots: Vec<OwnedSemaphorePermit>,
    ) -> ClaimSize {
        let claimed = self.journal.claim(&self.lease, definitions, slots.len());
        match self.note_lost_claims(claimed.await) {
            Ok(claimed) => {
                let is_full = claimed.len() == slots.len();
                let inner = Arc::clone(self);
                // In a task, so that the next claim does not wait for it.
                self.tasks.spawn(async move {
                    for (claimed, slot) in claimed.into_iter().zip(slots) {
                        inner.resume(claimed, slot);
                    }
                });
                if is_full {
                    ClaimSize::Full
                } else {
                    ClaimSize::NotFull
                }
            }
            Err(error) => {
                telemetry::journal_trouble(&error);
                ClaimSize::NotFull
            }
        }
    }

    /// Runs a claimed saga, or parks it as stuck if it can't run.
    pub(super) fn resume(self: &Arc<Self>, claimed: Claimed, slot: OwnedSemaphorePermit) {
        let recoveries = claimed.recoveries;
        let (mut claimant, saga, damage) = Claimant::from_claimed(claimed, slot);
        if let Some(damage) = damage {
            return self.park(claimant, "damaged", damage.to_string());
        }
        if recoveries > self.max_recoveries {
            let message = format!(
                "taken over {recoveries} times in the same place from processes that had ended: the step may be what ends them"
            );
            return self.park(claimant, "too_many_recoveries", message);
        }
        match self.suspects.examine(claimant.id(), recoveries) {
            Suspicion::None => {}
            Suspicion::Try(trial) => claimant.trial = Some(trial),
            Suspicion::Rest(pause) => {
                return self.put_back(claimant, Wakeup::At(self.policies.clock.now() + pause));
            }
        }
        if claimant.is_undone_by_record() {
            return self.undo(claimant, &saga);
        }
        match self.definitions.get(&saga.name, saga.version) {
            Some(definition) => definition.resume(self, claimant, &saga.input),
            None => self.put_back(claimant, Wakeup::Now),
        }
    }
}
