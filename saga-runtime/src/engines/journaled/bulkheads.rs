//! Bulkheads: at most so many attempts of one step at a time in the process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engines::journaled::Journaled;
use crate::engines::journaled::activity::Rest;
use crate::engines::journaled::recorder::Suspension;
use crate::language::EventNames;
use crate::meta::StepMeta;

/// The shortest time for which a saga is suspended because others make as many attempts as there may be.
const SHORTEST_REST: Duration = Duration::from_millis(100);

/// The limited steps of a coordinator, by durable name. Clones share the limits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bulkheads(Arc<HashMap<&'static str, Arc<Semaphore>>>);

impl Bulkheads {
    /// Limits the attempts of the step with this name.
    pub(crate) fn limit(&mut self, step: &'static str, attempts: usize) {
        let attempts = attempts.clamp(1, Semaphore::MAX_PERMITS);
        Arc::make_mut(&mut self.0).insert(step, Arc::new(Semaphore::new(attempts)));
    }

    #[inline]
    fn of(&self, step: &'static StepMeta) -> Option<&Arc<Semaphore>> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(step.name)
    }
}

impl Journaled {
    /// Waits until the step may be attempted. The attempt holds the permit. `None` if the step has no limit.
    ///
    /// # Errors
    /// If the saga is suspended meanwhile: no attempt was made. It waits in memory within patience, and then as a row.
    #[inline]
    pub(super) async fn enter(
        &self,
        step: &'static StepMeta,
    ) -> Result<Option<OwnedSemaphorePermit>, Suspension> {
        let Some(limit) = self.policies.bulkheads.of(step) else {
            return Ok(None);
        };
        let entering = Box::pin(self.wait_for_permit(limit));
        let entered = self.policies.attempts.time_permit(step.name, entering);
        entered.await.map(Some)
    }

    async fn wait_for_permit(
        &self,
        limit: &Arc<Semaphore>,
    ) -> Result<OwnedSemaphorePermit, Suspension> {
        if let Ok(permit) = Arc::clone(limit).try_acquire_owned() {
            return Ok(permit);
        }
        let patience = self.policies.patience;
        let entering = Arc::clone(limit).acquire_owned();
        let entered = self
            .pass(None, tokio::time::timeout(patience, entering))
            .await?;
        if let Ok(Ok(permit)) = entered {
            return Ok(permit);
        }
        // Others wait as well: they do not wake up together.
        let delay = patience.max(SHORTEST_REST).mul_f64(1.0 + fastrand::f64());
        let rest = Rest {
            until: self.or_deadline(Some(self.time_after(delay))),
            events: EventNames::default(),
        };
        let entered = self.pass(Some(rest), Arc::clone(limit).acquire_owned());
        // The semaphore is never closed.
        entered.await?.map_err(|_| Suspension::Shutdown)
    }
}
