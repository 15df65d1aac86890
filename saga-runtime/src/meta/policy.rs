//! The policies that steps share by name.

use std::time::Duration;

use crate::meta::RetryPolicy;

/// Time limits and retries that several steps share: `#[step(compensate = refund, policy = PROVIDER)]`.
///
/// The other options of a step override its policy: `timeout` and `retry` replace the same part of it.
///
/// ```
/// # use saga_runtime::{Context, step};
/// use std::time::Duration;
///
/// use saga_runtime::meta::{Policy, RetryPolicy};
///
/// # struct Shop;
/// /// The limits of our payment provider.
/// const PROVIDER: Policy = Policy::new()
///     .timeout(Duration::from_secs(3))
///     .retry(RetryPolicy::attempts(5).backoff(Duration::from_millis(100), Duration::from_secs(5)));
///
/// #[step(compensate = refund, policy = PROVIDER, retry(when = |error| error.contains("unavailable")))]
/// async fn charge(_cx: Context<'_, Shop>, amount: u64) -> Result<u64, String> {
///     Ok(amount)
/// }
///
/// async fn refund(_cx: Context<'_, Shop>, _payment: &u64) -> Result<(), String> {
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Policy {
    /// The time limit of one attempt. `None`: the default of the engine.
    pub timeout: Option<Duration>,
    /// The retry policy of the step. `None`: the default of its kind.
    pub retry: Option<RetryPolicy>,
    /// The time limit of one attempt of the compensation. `None`: the default of the engine.
    pub compensation_timeout: Option<Duration>,
    /// The retry policy of the compensation. `None`: the default, five attempts.
    pub compensation_retry: Option<RetryPolicy>,
}

impl Policy {
    /// A policy that leaves everything at its default.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            timeout: None,
            retry: None,
            compensation_timeout: None,
            compensation_retry: None,
        }
    }

    /// Sets the time limit of one attempt.
    #[must_use]
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// Sets the retry policy.
    #[must_use]
    pub const fn retry(self, retry: RetryPolicy) -> Self {
        Self {
            retry: Some(retry),
            ..self
        }
    }

    /// Sets the time limit of one attempt of the compensation.
    #[must_use]
    pub const fn compensation_timeout(self, timeout: Duration) -> Self {
        Self {
            compensation_timeout: Some(timeout),
            ..self
        }
    }

    /// Sets the retry policy of the compensation.
    #[must_use]
    pub const fn compensation_retry(self, retry: RetryPolicy) -> Self {
        Self {
            compensation_retry: Some(retry),
            ..self
        }
    }
}
