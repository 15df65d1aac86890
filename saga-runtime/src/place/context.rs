//! What a step, a compensation and the body of a saga are given: the services, and where they are in which saga.

use std::fmt;
use std::ops::Deref;
use std::sync::LazyLock;
use std::time::SystemTime;

use uuid::Uuid;

use crate::id::SagaId;
use crate::place::{Attempt, IdempotencyKey, Instance, Place, Role, Scope, key};

/// The first parameter of every step, compensation and saga: the services, and where in which saga the code runs.
///
/// It is `Copy`, and dereferences to the services: with `cx: Context<'_, Shop>`, `cx.payments` is the field of `Shop`.
pub struct Context<'a, S: ?Sized> {
    services: &'a S,
    place: &'a dyn Place,
}

impl<'a, S: ?Sized> Context<'a, S> {
    /// A context for one attempt; what an [`Engine`](crate::Engine) hands to a step.
    #[inline]
    pub fn new(services: &'a S, attempt: &'a Attempt<'a>) -> Self {
        Self {
            services,
            place: attempt,
        }
    }

    /// A context for the body of a saga.
    #[inline]
    pub fn of_saga(services: &'a S, instance: &'a Instance) -> Self {
        Self {
            services,
            place: instance,
        }
    }

    /// Where the code runs.
    #[doc(hidden)]
    #[inline]
    pub fn at(services: &'a S, place: &'a dyn Place) -> Self {
        Self { services, place }
    }

    /// A context for a unit test of a step or a compensation: the body of a saga with the id `test`.
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
        Self::of_saga(services, &INSTANCE)
    }

    /// The services, for as long as the context lives.
    #[inline]
    #[must_use]
    pub fn services(&self) -> &'a S {
        self.services
    }

    /// The saga, for an [`Engine`](crate::Engine).
    #[must_use]
    pub fn instance(&self) -> &'a Instance {
        self.place.instance()
    }

    /// The id of the saga. One that was not given is made up the first time somebody asks.
    #[must_use]
    pub fn saga_id(&self) -> &'a SagaId {
        self.place.instance().id()
    }

    /// The durable name of the saga.
    #[must_use]
    pub fn saga_name(&self) -> &'static str {
        self.place.instance().name()
    }

    /// The durable name of the step that runs or is compensated; `None` in the body of the saga.
    #[must_use]
    pub fn step(&self) -> Option<&'static str> {
        self.place.position().map(|position| position.step().name)
    }

    /// Which attempt this is, counted from 1. An attempt after a refusal, a timeout or a crash has the same
    /// idempotency key.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.place.attempt()
    }

    /// The time, in the body of a saga: written down, so that a replay gives the same time again, and the body takes the
    /// same way. In a step or a compensation it is just the time now: what is written down of a step is its output.
    ///
    /// ```
    /// # use saga_runtime::{Context, saga, step};
    /// # use std::time::{Duration, SystemTime};
    /// # struct Shop;
    /// # #[step(compensate = ())]
    /// # async fn quote(_cx: Context<'_, Shop>, until: SystemTime) -> Result<u64, String> { Ok(3) }
    /// saga!(
    ///     async fn offer(cx: Context<'_, Shop>) -> Result<u64, String> {
    ///         let until = cx.now() + Duration::from_secs(24 * 60 * 60);
    ///         quote(cx, until).await
    ///     }
    /// );
    /// ```
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match self.lane() {
            Some(lane) => self.instance().values().now(lane),
            None => SystemTime::now(),
        }
    }

    /// A new random id (UUID version 7), in the body of a saga: written down, so that a replay gives the same id again. In a
    /// step or a compensation it is another one at each attempt; what identifies the request there is the
    /// [`idempotency_key`](Self::idempotency_key).
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        match self.lane() {
            Some(lane) => self.instance().values().uuid(lane),
            None => Uuid::now_v7(),
        }
    }

    /// The lane whose body this is, if it is one: see [`Ambient`](crate::Values).
    fn lane(&self) -> Option<&'a str> {
        match self.place.position() {
            Some(_) => None,
            None => Some(self.place.scope().map_or("", Scope::path)),
        }
    }

    /// The key to send along with the request that this code makes: the same at every attempt, in every process.
    ///
    /// A compensation has another key than the step it undoes; in the body of a saga it is the key of the saga.
    #[must_use]
    pub fn idempotency_key(&self) -> IdempotencyKey {
        key(self.place, self.place.role())
    }

    /// In a compensation or a resolver the key that the step sent, which is what is to be undone; elsewhere the same
    /// as [`idempotency_key`](Self::idempotency_key).
    #[must_use]
    pub fn action_key(&self) -> IdempotencyKey {
        key(self.place, Role::Action)
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
            .field("saga", &self.saga_name())
            .field("id", &self.place.instance().known_id())
            .field("position", &self.place.position())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
