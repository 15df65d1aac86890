//! The policies that hold for a step in a running service: the settings of the engine, and the defaults of the saga.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::meta::{Policy, StepMeta};

/// The policies that the settings of an engine give to steps, by durable name. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Overrides(Arc<HashMap<Cow<'static, str>, Policy>>);

impl Overrides {
    /// Sets the parts that this policy has, for the step with this durable name.
    pub fn set(&mut self, step: impl Into<Cow<'static, str>>, policy: Policy) {
        let set = Arc::make_mut(&mut self.0).entry(step.into()).or_default();
        *set = policy.or(*set);
    }

    /// Changes the policy of this step. `change` gets the numbers that hold without it, as far as the step has them.
    pub fn change(&mut self, step: &StepMeta, change: impl FnOnce(Policy) -> Policy) {
        let before = self.of(step, &Policy::new()).own_policy();
        self.set(step.name, change(before));
    }

    /// The names of the steps that have a policy here.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }

    /// The step with the policies that hold for it in a saga with these `defaults`.
    #[must_use]
    pub fn of<'a>(&self, step: &'a StepMeta, defaults: &Policy) -> Cow<'a, StepMeta> {
        // Usually there is none, and then no name is hashed.
        let set = (!self.0.is_empty())
            .then(|| self.0.get(step.name))
            .flatten();
        if set.is_none() && defaults.is_empty() {
            return Cow::Borrowed(step);
        }
        let step = step.or_policy(*defaults);
        Cow::Owned(set.map_or(step, |set| step.policy(*set)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::meta::{Kind, RetryPolicy};

    const SECONDS: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn settings_come_before_the_step_and_the_step_before_the_saga() {
        let step = StepMeta::new("charge", Kind::Compensatable).timeout(SECONDS(3));
        let defaults = Policy::new()
            .timeout(SECONDS(9))
            .retry(RetryPolicy::attempts(9));
        let mut overrides = Overrides::default();
        let held = overrides.of(&step, &defaults);
        assert_eq!(held.timeout, Some(SECONDS(3)));
        assert_eq!(held.retry, Some(RetryPolicy::attempts(9)));

        overrides.change(&step, |policy| {
            policy.timeout(policy.timeout.unwrap_or_default() * 2)
        });
        overrides.set("charge", Policy::new().compensation_timeout(SECONDS(7)));
        let held = overrides.of(&step, &defaults);
        assert_eq!(held.timeout, Some(SECONDS(6)));
        assert_eq!(held.retry, Some(RetryPolicy::attempts(9)));
        assert_eq!(held.compensation_timeout, Some(SECONDS(7)));
        assert_eq!(overrides.steps().collect::<Vec<_>>(), ["charge"]);
    }

    #[test]
    fn a_retry_that_only_tests_errors_leaves_its_numbers_to_the_saga() {
        let step = StepMeta::new("charge", Kind::Compensatable)
            .retry_by_default(RetryPolicy::COMPENSATION);
        assert_eq!(step.forward_retry(), RetryPolicy::COMPENSATION);
        let defaults = Policy::new().retry(RetryPolicy::attempts(2));
        let held = step.or_policy(defaults).forward_retry();
        assert_eq!(held, RetryPolicy::attempts(2));
    }

    #[test]
    fn without_settings_and_defaults_nothing_is_copied() {
        let step = StepMeta::new("charge", Kind::Pivot);
        let mut overrides = Overrides::default();
        overrides.set("ship", Policy::new().timeout(SECONDS(1)));
        let held = overrides.of(&step, &Policy::new());
        assert!(matches!(held, Cow::Borrowed(_)));
    }
}
