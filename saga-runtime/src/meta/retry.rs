//! Retry policies: the number of attempts and the waits between them. Engines do the waiting.

use std::time::Duration;

/// The number of attempts, and the waits between them: exponential, limited and jittered.
///
/// ```
/// use std::time::Duration;
/// use saga_runtime::meta::RetryPolicy;
///
/// let policy = RetryPolicy::attempts(5).backoff(Duration::from_millis(100), Duration::from_secs(10));
/// assert_eq!(policy.backoffs().count(), 4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    attempts: Option<u32>,
    first: Duration,
    longest: Duration,
}

impl RetryPolicy {
    /// A single attempt: the default of steps.
    pub const ONCE: Self = Self::attempts(1);

    /// Five attempts: the default of compensations and resolvers.
    pub const COMPENSATION: Self = Self::attempts(5);

    /// Attempts until one succeeds: the default of retriable steps.
    pub const UNTIL_SUCCESS: Self = Self {
        attempts: None,
        ..Self::ONCE
    };

    /// Allows at most `attempts` attempts, with waits from 100 milliseconds to 10 seconds. The first attempt is always
    /// made, also with 0.
    #[must_use]
    pub const fn attempts(attempts: u32) -> Self {
        Self {
            attempts: Some(attempts),
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
        }
    }

    /// Sets the waits: `first`, doubled each time, at most `longest`.
    #[must_use]
    pub const fn backoff(self, first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            ..self
        }
    }

    /// The same waits without a limit of the attempts.
    #[must_use]
    pub(crate) const fn until_success(self) -> Self {
        Self {
            attempts: None,
            ..self
        }
    }

    /// The maximal number of attempts. `None` if there is no limit.
    #[must_use]
    pub const fn max_attempts(&self) -> Option<u32> {
        self.attempts
    }

    /// The first wait, before jitter.
    #[must_use]
    pub const fn first_wait(&self) -> Duration {
        self.first
    }

    /// The maximal wait.
    #[must_use]
    pub const fn longest_wait(&self) -> Duration {
        self.longest
    }

    /// Draws the waits between the attempts: one fewer than there are attempts, with new jitter in each call.
    #[must_use]
    pub fn backoffs(&self) -> Backoffs {
        Backoffs::new(*self, fastrand::u64(..))
    }

    /// Draws the waits that remain after `attempts` attempts: all of them after none or one.
    #[must_use]
    pub(crate) fn backoffs_after(&self, attempts: u32) -> Backoffs {
        let mut backoffs = self.backoffs();
        backoffs.skip_waits(attempts.saturating_sub(1));
        backoffs
    }
}

/// The waits of a [`RetryPolicy`], in order. The iterator ends after the last allowed attempt.
///
/// Each wait lies between half the exponential delay and the whole ("equal jitter": M. Brooker, *Exponential Backoff
/// And Jitter*, 2015). So no saga retries without a pause, and sagas that failed together do not retry together.
#[derive(Debug, Clone)]
pub struct Backoffs {
    remaining: Option<u32>,
    delay: Duration,
    longest: Duration,
    random: fastrand::Rng,
}

impl Backoffs {
    fn new(policy: RetryPolicy, seed: u64) -> Self {
        Self {
            remaining: policy.attempts.map(|attempts| attempts.saturating_sub(1)),
            delay: policy.first.min(policy.longest),
            longest: policy.longest,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Skips this number of waits, in a few steps however many there are.
    fn skip_waits(&mut self, count: u32) {
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.saturating_sub(count);
        }
        for _ in 0..count {
            if self.delay.is_zero() || self.delay == self.longest {
                return;
            }
            self.delay = self.delay.saturating_mul(2).min(self.longest);
        }
    }
}

impl Iterator for Backoffs {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.checked_sub(1)?;
        }
        let delay = self.delay;
        self.delay = delay.saturating_mul(2).min(self.longest);
        Some(delay / 2 + (delay / 2).mul_f64(self.random.f64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn waits_double_up_to_the_longest_and_stay_within_half_of_it() {
        let policy = RetryPolicy::attempts(7).backoff(MS(100), MS(1000));
        for seed in 0..100 {
            let waits: Vec<_> = Backoffs::new(policy, seed).collect();
            assert_eq!(waits.len(), 6, "seed {seed}");
            for (wait, whole) in waits.iter().zip([100, 200, 400, 800, 1000, 1000].map(MS)) {
                assert!(
                    *wait >= whole / 2 && *wait <= whole,
                    "seed {seed}: {wait:?} of {whole:?}"
                );
            }
        }
    }

    #[test]
    fn after_some_attempts_the_waits_go_on_where_they_were() {
        let policy = RetryPolicy::attempts(7).backoff(MS(100), MS(1000));
        for (attempts, expected) in [
            (0, &[100, 200, 400, 800, 1000, 1000][..]),
            (1, &[100, 200, 400, 800, 1000, 1000]),
            (3, &[400, 800, 1000, 1000]),
            (6, &[1000]),
            (7, &[]),
            (u32::MAX, &[]),
        ] {
            let waits: Vec<_> = policy.backoffs_after(attempts).collect();
            assert_eq!(waits.len(), expected.len(), "after {attempts}");
            for (wait, whole) in waits.iter().zip(expected) {
                let whole = MS(*whole);
                assert!(
                    *wait >= whole / 2 && *wait <= whole,
                    "after {attempts}: {wait:?} of {whole:?}"
                );
            }
        }
        let mut unlimited = RetryPolicy::UNTIL_SUCCESS.backoffs_after(u32::MAX);
        assert!(unlimited.next() >= Some(policy.longest_wait() / 2));
    }

    #[test]
    fn waits_are_jittered() {
        let first = |seed| Backoffs::new(RetryPolicy::COMPENSATION, seed).next();
        assert!((1..20).any(|seed| first(seed) != first(0)));
    }

    #[test]
    fn one_attempt_has_no_wait_and_no_limit_has_no_end() {
        assert_eq!(RetryPolicy::ONCE.backoffs().count(), 0);
        assert_eq!(RetryPolicy::attempts(0).backoffs().count(), 0);
        assert_eq!(
            RetryPolicy::UNTIL_SUCCESS.backoffs().take(10_000).count(),
            10_000
        );
    }

    #[test]
    fn a_first_wait_over_the_longest_is_cut() {
        let policy = RetryPolicy::attempts(2).backoff(MS(100), MS(10));
        assert!(policy.backoffs().all(|wait| wait <= MS(10)));
    }
}
