//! The settings of an endpoint, and their defaults.

use std::sync::Arc;
use std::time::Duration;

use saga_runtime::Shape;
use saga_runtime::engine::ATTEMPT_TIMEOUT;
use saga_runtime::meta::{Overrides, RetryPolicy};
use saga_runtime::trace::TracePropagator;

use crate::form::Form;

/// The service's tracing. `Debug` does not show it.
#[derive(Clone)]
pub(crate) struct Propagator(pub(crate) Arc<dyn TracePropagator>);

impl std::fmt::Debug for Propagator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Propagator").finish_non_exhaustive()
    }
}

/// The settings of the sagas of an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) patience: Duration,
    pub(crate) overrides: Overrides,
    pub(crate) attempt_timeout: Duration,
    /// The largest recorded value, in bytes of JSON.
    pub(crate) payload_limit: usize,
    pub(crate) retention: Duration,
    /// `None`: as long as the server is set to.
    pub(crate) journal_retention: Option<Duration>,
    /// The number of processes that one attempt may end.
    pub(crate) max_recoveries: u32,
    /// The policy of compensations that say nothing, if a saga takes decisions.
    pub(crate) compensation_retry: RetryPolicy,
    /// The form of a saga that begins now.
    pub(crate) form: Form,
    /// The service's tracing.
    pub(crate) propagator: Option<Propagator>,
    /// Held by an attempt that has ended several processes.
    pub(crate) alone: Arc<tokio::sync::Mutex<()>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(1),
            overrides: Overrides::default(),
            attempt_timeout: ATTEMPT_TIMEOUT,
            payload_limit: 8 * 1024 * 1024,
            retention: Duration::from_hours(24 * 30),
            journal_retention: None,
            max_recoveries: 10,
            compensation_retry: RetryPolicy::FOR_A_DAY,
            form: Form::HandsOnEvents,
            propagator: None,
            alone: Arc::default(),
        }
    }
}

impl Settings {
    /// The longest that an attempt of any step or compensation may take.
    pub(crate) fn longest_attempt(&self, shape: &Shape) -> Duration {
        shape
            .steps()
            .map(|step| self.overrides.of(step, &shape.saga.policy))
            .flat_map(|step| [step.timeout, step.compensation_timeout])
            .map(|own| own.unwrap_or(self.attempt_timeout))
            .max()
            .unwrap_or(self.attempt_timeout)
    }
}
