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
    give_up_after: Option<Duration>,
    first: Duration,
    longest: Duration,
}

impl RetryPolicy {
    /// A single attempt: the default of steps.
    pub const ONCE: Self = Self::attempts(1);

    /// Five attempts: the default of compensations and resolvers in process, where a caller waits.
    pub const COMPENSATION: Self = Self::attempts(5);

    /// Attempts until one succeeds: the default of retriable steps in process.
    pub const UNTIL_SUCCESS: Self = Self {
        attempts: None,
        ..Self::ONCE
    };

    /// Attempts for 24 hours, with waits that grow to five minutes: the default on a journal for what must succeed.
    pub const FOR_A_DAY: Self = Self::UNTIL_SUCCESS
        .backoff(Duration::from_millis(100), Duration::from_mins(5))
        .give_up_after(Duration::from_hours(24));

    /// Allows at most `attempts` attempts, with waits from 100 milliseconds to 10 seconds. The first attempt is always
    /// made, also with 0.
    #[must_use]
    pub const fn attempts(attempts: u32) -> Self {
        Self {
            attempts: Some(attempts),
            give_up_after: None,
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

    /// Limits the sum of the waits. Each counts with its mean, so that the number of attempts is the same each time, and
    /// the time that attempts take does not count.
    #[must_use]
    pub const fn give_up_after(self, waits: Duration) -> Self {
        Self {
            give_up_after: Some(waits),
            ..self
        }
    }

    /// The maximal sum of the waits. `None` if there is no limit.
    #[must_use]
    pub const fn longest_sum(&self) -> Option<Duration> {
        self.give_up_after
    }

    /// This policy, with the limits of `default` if it has none of its own.
    #[must_use]
    pub const fn or_limits(self, default: Self) -> Self {
        match (self.attempts, self.give_up_after) {
            (None, None) => Self {
                attempts: default.attempts,
                give_up_after: default.give_up_after,
                ..self
            },
            _ => self,
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
    /// The sum that the waits may still reach.
    sum: Option<Duration>,
    delay: Duration,
    longest: Duration,
    random: fastrand::Rng,
}

impl Backoffs {
    fn new(policy: RetryPolicy, seed: u64) -> Self {
        Self {
            remaining: policy.attempts.map(|attempts| attempts.saturating_sub(1)),
            sum: policy.give_up_after,
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
        for skipped in 0..count {
            let is_constant = self.delay.is_zero() || self.delay == self.longest;
            let waits = if is_constant { count - skipped } else { 1 };
            let mean = mean(self.delay).saturating_mul(waits);
            self.sum = self.sum.map(|sum| sum.saturating_sub(mean));
            if is_constant {
                return;
            }
            self.delay = self.delay.saturating_mul(2).min(self.longest);
        }
    }
}

/// The mean of a jittered wait. Not zero, so that waits without a length come to an end as well.
fn mean(delay: Duration) -> Duration {
    (delay / 4 * 3).max(Duration::from_millis(1))
}

impl Iterator for Backoffs {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if let Some(sum) = &mut self.sum {
            *sum = sum.checked_sub(mean(self.delay))?;
        }
        if let Some(remaining) = &mut self.remaining {
            *remaining = remaining.checked_sub(1)?;
        }
        let delay = self.delay;
        self.delay = delay.saturating_mul(2).min(self.longest);
        Some(delay / 2 + (delay / 2).mul_f64(self.random.f64()))
    }
}

/// The policies of what must succeed, where a step says nothing: of an engine, or of a coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryDefaults {
    /// For compensations, for resolvers, and for the attempts that settle a step in doubt.
    pub compensation: RetryPolicy,
    /// For retriable steps.
    pub retriable: RetryPolicy,
}

impl RetryDefaults {
    /// Where a caller waits: five attempts, and retriable steps until they succeed.
    pub const IN_PROCESS: Self = Self {
        compensation: RetryPolicy::COMPENSATION,
        retriable: RetryPolicy::UNTIL_SUCCESS,
    };

    /// The same policy for all of them.
    #[must_use]
    pub const fn all(policy: RetryPolicy) -> Self {
        Self {
            compensation: policy,
            retriable: policy,
        }
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
    fn a_policy_with_a_limited_sum_makes_the_same_number_of_attempts_each_time() {
        let policy = RetryPolicy::FOR_A_DAY;
        let waits: Vec<_> = policy.backoffs().collect();
        assert_eq!(waits.len(), 394);
        let hours = waits.iter().sum::<Duration>().as_secs_f64() / 3600.0;
        assert!((23.0..25.0).contains(&hours), "{hours}");
        for attempts in [1, 2, 5, 12, 13, 100, 394, 395, u32::MAX] {
            let left = policy.backoffs_after(attempts).count();
            let made = usize::try_from(attempts).expect("it fits") - 1;
            assert_eq!(left, 394_usize.saturating_sub(made), "after {attempts}");
        }
        let without_waits = RetryPolicy::UNTIL_SUCCESS.backoff(MS(0), MS(0));
        let ends = without_waits.give_up_after(MS(9)).backoffs().count();
        assert_eq!(ends, 9);
    }

    #[test]
    fn a_policy_without_limits_takes_those_of_the_default() {
        let waits = RetryPolicy::UNTIL_SUCCESS.backoff(MS(1), MS(2));
        let limited = waits.or_limits(RetryPolicy::FOR_A_DAY);
        assert_eq!(limited.longest_sum(), RetryPolicy::FOR_A_DAY.longest_sum());
        assert_eq!(limited.longest_wait(), MS(2));
        let own = RetryPolicy::attempts(3);
        assert_eq!(own.or_limits(RetryPolicy::FOR_A_DAY), own);
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
