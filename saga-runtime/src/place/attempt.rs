//! One attempt of a step or a compensation, and the trait of all places where code runs.

use crate::place::{Effect, IdempotencyKey, Instance, Position, Scope};

/// What kind of code runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A step, or the body of the saga.
    Action,
    /// A compensation or a resolver.
    Compensation,
}

/// Where in a saga a piece of code runs; what a [`Context`](crate::Context) knows besides the services.
///
/// A trait, so that the first attempt of a step, which is most of them, costs next to nothing to describe.
pub trait Place: Sync {
    /// The saga.
    fn instance(&self) -> &Instance;

    /// The call; `None` in the body of the saga.
    fn position(&self) -> Option<Position<'_>>;

    /// The saga inside of another one whose body it is, if it is one.
    fn scope(&self) -> Option<&Scope> {
        None
    }

    /// The attempt, counted from 1.
    fn attempt(&self) -> u32;

    /// What kind of code it is.
    fn role(&self) -> Role;
}

/// The key of the effect that the code at `place` has in the role `role`.
pub(crate) fn key(place: &dyn Place, role: Role) -> IdempotencyKey {
    let name;
    let effect = match place.position() {
        None => match place.scope() {
            None => Effect::Saga,
            Some(scope) => Effect::Inner { path: scope.path() },
        },
        Some(position) => {
            name = position.name();
            let (step, occurrence) = (&*name, position.occurrence());
            match role {
                Role::Action => Effect::Action { step, occurrence },
                Role::Compensation => Effect::Compensation { step, occurrence },
            }
        }
    };
    IdempotencyKey::new(place.instance().id(), effect)
}

/// One attempt of a step or of its compensation.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    position: Position<'a>,
    role: Role,
    number: u32,
}

impl<'a> Attempt<'a> {
    /// The attempt with this number, counted from 1, of the step at `position` or of its compensation.
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
}
