//! The calls that a body has made so far, and the position of one call among them.

use std::borrow::Cow;
use std::fmt;

use crate::meta::{StepMeta, UndoRules};
use crate::place::{Doubt, Failure, Group, Instance, Scope};

/// The calls that a saga's body has made so far, in order.
pub trait Calls: Sync {
    /// The saga. For a sub-saga, the outermost one.
    fn instance(&self) -> &Instance;

    /// The number of calls that have ended.
    fn count(&self) -> usize;

    /// The durable name of the step or sub-saga in call number `index`, from 0.
    fn name(&self, index: usize) -> &'static str;

    /// The sub-saga that makes the calls. `None` if the outermost saga makes them.
    fn scope(&self) -> Option<&Scope> {
        None
    }

    /// The group, if the next call is one of its members.
    fn group(&self) -> Option<&Group<'_>> {
        None
    }

    /// Set inside groups: whether an earlier process may already have made the next call. `None`: use the saga-wide
    /// flag.
    fn doubt(&self) -> Option<&Doubt> {
        None
    }

    /// The rules by which calls are compensated whose failure the body handles: those of the outermost saga.
    fn undo_rules(&self) -> UndoRules {
        UndoRules::DEFAULT
    }

    /// The failure for which the calls are compensated, if the body of a saga handles it. `None` if it is that of the whole saga.
    fn failure(&self) -> Option<&Failure> {
        None
    }

    /// Counts the calls with this name among the first `before` ones. The default takes time linear in `before`; a body with a
    /// loop needs one that does not.
    fn occurrence(&self, name: &str, before: usize) -> usize {
        count_occurrences(self, name, before)
    }
}

/// Counts the calls with this name among the first `before` ones, one by one.
pub(crate) fn count_occurrences<C: Calls + ?Sized>(calls: &C, name: &str, before: usize) -> usize {
    (0..before)
        .filter(|index| calls.name(*index) == name)
        .count()
}

/// Puts the path of the sub-saga, if there is one, before the name of a step: `place_order#1/charge`.
#[inline]
pub(crate) fn path(scope: Option<&Scope>, name: &'static str) -> Cow<'static, str> {
    match scope {
        None => Cow::Borrowed(name),
        Some(scope) => Cow::Owned(scope.step_path(name)),
    }
}

/// One call of a step: the step, and the calls before it in the same body.
#[derive(Clone, Copy)]
pub struct Position<'a> {
    calls: &'a dyn Calls,
    step: &'static StepMeta,
    before: usize,
}

impl<'a> Position<'a> {
    /// Creates the position of a call of `step` that follows the first `before` of `calls`.
    #[inline]
    #[must_use]
    pub fn new(calls: &'a dyn Calls, step: &'static StepMeta, before: usize) -> Self {
        Self {
            calls,
            step,
            before,
        }
    }

    /// The step's name, kind and policies.
    #[must_use]
    pub fn step(&self) -> &'static StepMeta {
        self.step
    }

    /// The saga.
    #[must_use]
    pub fn instance(&self) -> &'a Instance {
        self.calls.instance()
    }

    /// The durable name of the step. In a sub-saga the path of that saga comes first: `place_order/charge`, or
    /// `place_order#1/charge` in its second call.
    #[inline]
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        path(self.calls.scope(), self.step.name)
    }

    /// The number of earlier calls of a step with the same name: 0 for the first call.
    #[must_use]
    pub fn occurrence(&self) -> usize {
        self.calls.occurrence(self.step.name, self.before)
    }

    pub(crate) fn before(&self) -> usize {
        self.before
    }

    /// Returns true if the call is compensated because the body handles the failure of its part of the saga.
    #[must_use]
    pub fn is_in_handled_part(&self) -> bool {
        self.calls.failure().is_some()
    }

    pub(crate) fn calls(&self) -> &'a dyn Calls {
        self.calls
    }
}

impl fmt::Debug for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Position")
            .field("step", &self.name())
            .field("occurrence", &self.occurrence())
            .finish()
    }
}
