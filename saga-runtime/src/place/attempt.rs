//! One attempt of a step or a compensation, and the trait of all places of running code.

use crate::place::{DirectCall, Failure, IdempotencyKey, Instance, KeyedEffect, Position, Scope};

/// The direction in which code runs: forward or backward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A step, or the body of the saga.
    Action,
    /// A compensation or a resolver.
    Compensation,
}

/// The place of running code in a saga: all that a [`Context`](crate::Context) knows besides the services.
///
/// A trait and not a struct, for speed: a first attempt, by far the most frequent place, costs next to nothing to
/// describe.
pub trait Place: Sync {
    /// The saga.
    fn instance(&self) -> &Instance;

    /// The call of the step that runs or is compensated. `None` in the body of a saga.
    fn position(&self) -> Option<Position<'_>>;

    /// The sub-saga whose body this is. `None` elsewhere.
    fn scope(&self) -> Option<&Scope> {
        None
    }

    /// The number of the attempt, from 1.
    fn attempt(&self) -> u32;

    /// The direction in which the code runs.
    fn role(&self) -> Role;

    /// The failure for which the saga is compensated. `None` on the way forward.
    fn failure(&self) -> Option<&Failure> {
        match self.role() {
            Role::Action => None,
            Role::Compensation => self.instance().failure(),
        }
    }

    /// The step that other code awaits as a function. `None` for code that an engine calls.
    #[doc(hidden)]
    fn direct(&self) -> Option<&DirectCall<'_>> {
        None
    }

    /// Returns whether the code runs in a test, outside of any saga.
    #[doc(hidden)]
    fn is_test(&self) -> bool {
        false
    }
}

/// Returns the idempotency key of the effect that the code at `place` has in this role.
pub(crate) fn key(place: &dyn Place, role: Role) -> IdempotencyKey {
    if let Some(direct) = place.direct() {
        return direct.key(role);
    }
    let name;
    let effect = match place.position() {
        None => match place.scope() {
            None => KeyedEffect::Saga,
            Some(scope) => KeyedEffect::Inner { path: scope.path() },
        },
        Some(position) => {
            name = position.name();
            let (step, occurrence) = (&*name, position.occurrence());
            match role {
                Role::Action => KeyedEffect::Action { step, occurrence },
                Role::Compensation => KeyedEffect::Compensation { step, occurrence },
            }
        }
    };
    let instance = place.instance();
    IdempotencyKey::new(instance.name_in_keys(), instance.id(), effect)
}

/// One attempt of a step or of its compensation.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    position: Position<'a>,
    role: Role,
    number: u32,
}

impl<'a> Attempt<'a> {
    /// Creates attempt number `number`, from 1, of the step at `position` or of its compensation.
    #[inline]
    #[must_use]
    pub fn new(position: Position<'a>, role: Role, number: u32) -> Self {
        Self {
            position,
            role,
            number,
        }
    }
}

impl Place for Attempt<'_> {
    fn instance(&self) -> &Instance {
        self.position.instance()
    }

    fn position(&self) -> Option<Position<'_>> {
        Some(self.position)
    }

    fn attempt(&self) -> u32 {
        self.number
    }

    fn role(&self) -> Role {
        self.role
    }

    fn failure(&self) -> Option<&Failure> {
        match self.role {
            Role::Action => None,
            Role::Compensation => {
                let handled = self.position.calls().failure();
                handled.or_else(|| self.instance().failure())
            }
        }
    }
}
