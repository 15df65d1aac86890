//! The policies that steps share by name.

use std::time::Duration;

use crate::meta::RetryPolicy;

/// Time limits and retries that several steps share: `#[step(compensate = refund, policy = PROVIDER)]`.
///
/// The other options of a step override its policy: `timeout` and `retry` replace the same part of it. For each part of it,
/// the first of these that says something holds:
///
/// | | | |
/// |---|---|---|
/// | 1 | the settings of the running service | [`Builder::policy`](crate::coordinator::Builder::policy) and [`policy_of`](crate::coordinator::Builder::policy_of) |
/// | 2 | the option of the step | `#[step(timeout = "3s", …)]` |
/// | 3 | the policy of the step | `#[step(policy = PROVIDER, …)]` |
/// | 4 | the default of the saga that is started, also for the sagas that it calls | `#[saga(policy = PROVIDER)]` |
/// | 5 | the default of the engine | [`Builder::attempt_timeout`](crate::coordinator::Builder::attempt_timeout), [`compensation_retry`](crate::coordinator::Builder::compensation_retry), [`retriable_retry`](crate::coordinator::Builder::retriable_retry); in process no time limit, and five attempts of a compensation |
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
    /// The retry policy of the compensation. `None`: the default of the engine.
    pub compensation_retry: Option<RetryPolicy>,
    /// The retry policy of the attempts that settle a step in doubt. `None`: that of the step, if it limits its attempts, or
    /// else the default of the engine.
    pub in_doubt_retry: Option<RetryPolicy>,
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
            in_doubt_retry: None,
        }
    }

    /// Returns true if it leaves everything at its default.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.timeout.is_none()
            && self.retry.is_none()
            && self.compensation_timeout.is_none()
            && self.compensation_retry.is_none()
            && self.in_doubt_retry.is_none()
    }

    /// This policy, with the parts of `default` that it does not have.
    #[must_use]
    pub const fn or(mut self, default: Self) -> Self {
        if self.timeout.is_none() {
            self.timeout = default.timeout;
        }
        if self.retry.is_none() {
            self.retry = default.retry;
        }
        if self.compensation_timeout.is_none() {
            self.compensation_timeout = default.compensation_timeout;
        }
        if self.compensation_retry.is_none() {
            self.compensation_retry = default.compensation_retry;
        }
        if self.in_doubt_retry.is_none() {
            self.in_doubt_retry = default.in_doubt_retry;
        }
        self
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

    /// Sets the retry policy of the attempts that settle a step in doubt.
    #[must_use]
    pub const fn in_doubt_retry(self, retry: RetryPolicy) -> Self {
        Self {
            in_doubt_retry: Some(retry),
            ..self
        }
    }
}
