//! Where in a saga a piece of code runs: in which one, at which call of which step, at which attempt.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::arena::Arena;
use crate::id::SagaId;
use crate::key::{Effect, IdempotencyKey};
pub(crate) use crate::lane::Lane;
use crate::lane::{Doubt, Group, Scope};
use crate::step::StepMeta;
use crate::values::{Fresh, Values};

/// One saga that runs: its durable name and its id.
#[derive(Debug)]
pub struct Instance {
    name: &'static str,
    id: OnceLock<SagaId>,
    rare: OnceLock<Arc<Rare>>,
}

/// What most sagas do without.
#[derive(Debug, Default)]
struct Rare {
    /// The sagas that were called by this one.
    scopes: OnceLock<Box<Arena<Scope>>>,
    values: Option<Arc<dyn Values>>,
}

impl Instance {
    /// The saga `name` with this id, or with one that is made up when it is first asked for.
    #[inline]
    #[must_use]
    pub fn new(name: &'static str, id: Option<SagaId>) -> Self {
        let id = match id {
            Some(id) => OnceLock::from(id),
            None => OnceLock::new(),
        };
        Self {
            name,
            id,
            rare: OnceLock::new(),
        }
    }

    /// The same saga, whose body asks `values` for the time and for random ids.
    #[must_use]
    pub fn with_values(self, values: Arc<dyn Values>) -> Self {
        let rare = Rare {
            scopes: OnceLock::new(),
            values: Some(values),
        };
        Self {
            rare: OnceLock::from(Arc::new(rare)),
            ..self
        }
    }

    /// Whether nothing was allocated for it.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.id.get().is_none() && self.rare.get().is_none()
    }

    pub(crate) fn values(&self) -> &dyn Values {
        let values = self.rare.get().and_then(|rare| rare.values.as_deref());
        values.unwrap_or(&Fresh)
    }

    /// The durable name of the saga.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The id, made up if nobody gave one.
    pub fn id(&self) -> &SagaId {
        self.id.get_or_init(SagaId::generate)
    }

    /// The saga `name` is called next after `calls`, inside of this one.
    pub(crate) fn scope_inside(&self, calls: &dyn Calls, name: &'static str) -> &Scope {
        let mut this = Self::new(self.name, Some(self.id().clone()));
        let rare = self.rare.get_or_init(Arc::default);
        if let Some(values) = &rare.values {
            this = this.with_values(Arc::clone(values));
        }
        let scopes = rare.scopes.get_or_init(Box::default);
        scopes.push(Scope::inside(this, calls, name))
    }

    /// The id, if one was given or asked for.
    #[must_use]
    pub fn known_id(&self) -> Option<&SagaId> {
        self.id.get()
    }
}

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

/// The body of a saga.
impl Place for Instance {
    fn instance(&self) -> &Instance {
        self
    }

    fn position(&self) -> Option<Position<'_>> {
        None
    }

    fn attempt(&self) -> u32 {
        1
    }

    fn role(&self) -> Role {
        Role::Action
    }
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
