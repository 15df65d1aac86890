//! The calls that a body has made, and the position of one of them.

use std::borrow::Cow;
use std::fmt;

use crate::meta::StepMeta;
use crate::place::{Doubt, Group, Instance, Scope};

/// The calls that the body of a saga has made so far, in order.
pub trait Calls: Sync {
    /// The saga; for a saga that was called by another one, the outermost.
    fn instance(&self) -> &Instance;

    /// How many calls have ended.
    fn count(&self) -> usize;

    /// The durable name of the step or the saga that was called as number `index`.
    fn name(&self, index: usize) -> &'static str;

    /// The saga inside of another one that makes the calls, if it is one.
    fn scope(&self) -> Option<&Scope> {
        None
    }

    /// The group whose member is called next, if it is one.
    fn group(&self) -> Option<&Group<'_>> {
        None
    }

    /// Whether the next call may have been made by an earlier process, if that is not the same for the whole saga.
    fn doubt(&self) -> Option<&Doubt> {
        None
    }

    /// How many of the first `before` calls have this name.
    ///
    /// Counted when it is asked for, which costs time in proportion to the calls so far.
    fn occurrence(&self, name: &str, before: usize) -> usize {
        (0..before)
            .filter(|index| self.name(*index) == name)
            .count()
    }
}

/// The name of a step with the sagas around it that are inside of others: `place_order#1/charge`.
#[inline]
pub(crate) fn path(scope: Option<&Scope>, name: &'static str) -> Cow<'static, str> {
    match scope {
        None => Cow::Borrowed(name),
        Some(scope) => Cow::Owned(scope.path_of_step(name)),
    }
}

/// One call of a step: the step, and the calls that came before it in the same saga.
#[derive(Clone, Copy)]
pub struct Position<'a> {
    calls: &'a dyn Calls,
    step: &'static StepMeta,
    before: usize,
}

impl<'a> Position<'a> {
    /// The call of `step` that comes after the first `before` of `calls`.
    #[inline]
    #[must_use]
    pub fn new(calls: &'a dyn Calls, step: &'static StepMeta, before: usize) -> Self {
        Self {
            calls,
            step,
            before,
        }
    }

    /// The step's description.
    #[must_use]
    pub fn step(&self) -> &'static StepMeta {
        self.step
    }

    /// The saga.
    #[must_use]
    pub fn instance(&self) -> &'a Instance {
        self.calls.instance()
    }

    /// The durable name of the step; in a saga that was called by another one with that one's name before it, as in
    /// `place_order/charge`, or `place_order#1/charge` in its second call.
    #[inline]
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        path(self.calls.scope(), self.step.name)
    }

    /// How many calls of a step with the same name came before this one: 0 for the first.
    #[must_use]
    pub fn occurrence(&self) -> usize {
        self.calls.occurrence(self.step.name, self.before)
    }

    pub(crate) fn before(&self) -> usize {
        self.before
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
