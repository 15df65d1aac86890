//! What a step, a compensation and the body of a saga are given: the services, and where they are in which saga.

use std::fmt;
use std::ops::Deref;
use std::sync::{LazyLock, OnceLock};

use crate::id::SagaId;
use crate::key::{Effect, IdempotencyKey};
use crate::step::StepMeta;

/// The first parameter of every step, compensation and saga: the services, and where in which saga the code runs.
///
/// It is `Copy`, and dereferences to the services: with `cx: Context<'_, Shop>`, `cx.payments` is the field of `Shop`.
pub struct Context<'a, S: ?Sized> {
    services: &'a S,
    place: &'a dyn Place,
}

impl<'a, S: ?Sized> Context<'a, S> {
    /// A context for code that runs at `scope`; what an [`Engine`](crate::Engine) hands to a step.
    #[inline]
    pub fn new(services: &'a S, scope: &'a Scope<'a>) -> Self {
        Self { services, scope }
    }

    /// A context for a unit test of a step or a compensation: the first attempt of a saga with the id `test`.
    ///
    /// ```
    /// # use saga_runtime::{Context, step};
    /// # struct Shop { price: u64 }
    /// #[step(compensate = ())]
    /// async fn quote(cx: Context<'_, Shop>, pieces: u64) -> Result<u64, String> {
    ///     Ok(cx.price * pieces)
    /// }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let shop = Shop { price: 3 };
    /// assert_eq!(quote(Context::for_test(&shop), 4).await, Ok(12));
    /// # }
    /// ```
    #[must_use]
    pub fn for_test(services: &'a S) -> Self {
        static INSTANCE: LazyLock<Instance> =
            LazyLock::new(|| Instance::new("test", SagaId::new("test").ok()));
        static SCOPE: LazyLock<Scope<'static>> = LazyLock::new(|| Scope::of_saga(&INSTANCE));
        Self {
            services,
            scope: &SCOPE,
        }
    }

    /// The services, for as long as the context lives.
    #[inline]
    #[must_use]
    pub fn services(&self) -> &'a S {
        self.services
    }

    /// The saga it belongs to, for an [`Engine`](crate::Engine).
    #[inline]
    #[must_use]
    pub fn instance(&self) -> &'a Instance {
        self.scope.instance
    }

    /// The id of the saga. One that was not given is made up the first time somebody asks.
    #[must_use]
    pub fn saga_id(&self) -> &'a SagaId {
        self.scope.instance.id()
    }

    /// The durable name of the saga.
    #[must_use]
    pub fn saga_name(&self) -> &'static str {
        self.scope.instance.name
    }

    /// The durable name of the step that runs or is compensated; `None` in the body of the saga.
    #[must_use]
    pub fn step(&self) -> Option<&'static str> {
        self.scope
            .position
            .as_ref()
            .map(|position| position.step.name)
    }

    /// Which attempt this is, counted from 1. An attempt after a refusal, a timeout or a crash has the same
    /// idempotency key.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.scope.attempt
    }

    /// The key to send along with the request that this code makes: the same at every attempt, in every process.
    ///
    /// A compensation has another key than the step it undoes; in the body of a saga it is the key of the saga.
    #[must_use]
    pub fn idempotency_key(&self) -> IdempotencyKey {
        self.scope.key(self.scope.role)
    }

    /// In a compensation or a resolver the key that the step sent, which is what is to be undone; elsewhere the same
    /// as [`idempotency_key`](Self::idempotency_key).
    #[must_use]
    pub fn action_key(&self) -> IdempotencyKey {
        self.scope.key(Role::Action)
    }
}

impl<S: ?Sized> Clone for Context<'_, S> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: ?Sized> Copy for Context<'_, S> {}

impl<S: ?Sized> Deref for Context<'_, S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        self.services
    }
}

/// Shows where the code runs, never the services.
impl<S: ?Sized> fmt::Debug for Context<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("scope", self.scope)
            .finish_non_exhaustive()
    }
}

/// One saga that runs: its durable name and its id.
#[derive(Debug)]
pub struct Instance {
    name: &'static str,
    id: OnceLock<SagaId>,
}

impl Instance {
    /// The saga `name` with this id, or with one that is made up when it is first asked for.
    #[must_use]
    pub fn new(name: &'static str, id: Option<SagaId>) -> Self {
        Self {
            name,
            id: id.map_or_else(OnceLock::new, OnceLock::from),
        }
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

    /// The id, if one was given or asked for.
    pub fn known_id(&self) -> Option<&SagaId> {
        self.id.get()
    }
}

/// What kind of code a [`Scope`] belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A step, or the body of the saga.
    Action,
    /// A compensation or a resolver.
    Compensation,
}

/// Where in a saga a piece of code runs: which saga, which step of it, which attempt.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    instance: &'a Instance,
    position: Option<Position<'a>>,
    attempt: u32,
    role: Role,
}

impl<'a> Scope<'a> {
    /// The scope of a saga's body.
    #[must_use]
    pub fn of_saga(instance: &'a Instance) -> Self {
        Self {
            instance,
            position: None,
            attempt: 1,
            role: Role::Action,
        }
    }

    /// The scope of one attempt, counted from 1, of the step at `position` or of its compensation.
    #[inline]
    #[must_use]
    pub fn of_step(
        instance: &'a Instance,
        position: Position<'a>,
        role: Role,
        attempt: u32,
    ) -> Self {
        Self {
            instance,
            position: Some(position),
            attempt,
            role,
        }
    }

    /// The saga it belongs to.
    #[must_use]
    pub fn instance(&self) -> &'a Instance {
        self.instance
    }

    /// Which attempt it is, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The step it belongs to; `None` for a saga's body.
    #[must_use]
    pub fn position(&self) -> Option<&Position<'a>> {
        self.position.as_ref()
    }

    fn key(&self, role: Role) -> IdempotencyKey {
        let effect = match &self.position {
            None => Effect::Saga,
            Some(position) => {
                let (step, occurrence) = (position.step.name, position.occurrence());
                match role {
                    Role::Action => Effect::Action { step, occurrence },
                    Role::Compensation => Effect::Compensation { step, occurrence },
                }
            }
        };
        IdempotencyKey::new(self.instance.id(), effect)
    }
}

/// Which call of which step: the step, and the calls that came before it in the same saga.
#[derive(Clone, Copy)]
pub struct Position<'a> {
    step: &'static StepMeta,
    trail: &'a (dyn Trail + Sync),
    before: usize,
}

/// The steps that a saga has called so far, in order.
pub(crate) trait Trail {
    /// The name of the step that was called as number `index`.
    fn name(&self, index: usize) -> &'static str;
}

impl<'a> Position<'a> {
    #[inline]
    pub(crate) fn new(
        step: &'static StepMeta,
        trail: &'a (dyn Trail + Sync),
        before: usize,
    ) -> Self {
        Self {
            step,
            trail,
            before,
        }
    }

    /// The step's description.
    #[must_use]
    pub fn step(&self) -> &'static StepMeta {
        self.step
    }

    /// How many calls of a step with the same name came before this one in the saga: 0 for the first.
    ///
    /// Counted when it is asked for, which costs time in proportion to the steps so far.
    #[must_use]
    pub fn occurrence(&self) -> usize {
        (0..self.before)
            .filter(|index| self.trail.name(*index) == self.step.name)
            .count()
    }
}

impl fmt::Debug for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Position")
            .field("step", &self.step.name)
            .field("occurrence", &self.occurrence())
            .finish()
    }
}
