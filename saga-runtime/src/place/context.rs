//! The first parameter of steps, compensations and sagas: the services, and the place of the running code.

use std::fmt;
use std::ops::Deref;
use std::sync::LazyLock;
use std::time::SystemTime;

use uuid::Uuid;

use crate::id::SagaId;
use crate::place::{Attempt, IdempotencyKey, Instance, Place, Role, Scope, key};

/// The first parameter of every step, compensation and saga: your services, and the saga's id, keys, time and random
/// ids.
///
/// It is `Copy` and dereferences to the services: with `cx: Context<'_, Shop>`, `cx.payments` is the field of `Shop`.
pub struct Context<'a, S: ?Sized> {
    services: &'a S,
    place: &'a dyn Place,
}

impl<'a, S: ?Sized> Context<'a, S> {
    /// Creates the context of one attempt. An [`Engine`](crate::engine::Engine) hands it to a step.
    #[inline]
    pub fn new(services: &'a S, attempt: &'a Attempt<'a>) -> Self {
        Self {
            services,
            place: attempt,
        }
    }

    /// Creates the context of a saga's body.
    #[inline]
    pub fn for_saga(services: &'a S, instance: &'a Instance) -> Self {
        Self {
            services,
            place: instance,
        }
    }

    /// Creates the context of the code at this place.
    #[doc(hidden)]
    #[inline]
    pub fn at(services: &'a S, place: &'a dyn Place) -> Self {
        Self { services, place }
    }

    /// Creates a context for unit tests of steps and compensations. The saga has the name and the id `test`.
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
        Self::for_saga(services, &INSTANCE)
    }

    /// The services, with the full lifetime of the context.
    #[inline]
    #[must_use]
    pub fn services(&self) -> &'a S {
        self.services
    }

    /// The running saga. Engines use it.
    #[must_use]
    pub fn instance(&self) -> &'a Instance {
        self.place.instance()
    }

    /// The id of the saga. If the caller gave none, the first use generates one.
    #[must_use]
    pub fn saga_id(&self) -> &'a SagaId {
        self.place.instance().id()
    }

    /// The durable name of the saga.
    #[must_use]
    pub fn saga_name(&self) -> &'static str {
        self.place.instance().name()
    }

    /// The durable name of the step that runs or is compensated. `None` in the body of a saga.
    #[must_use]
    pub fn step(&self) -> Option<&'static str> {
        self.place.position().map(|position| position.step().name)
    }

    /// The number of the attempt, from 1. Every attempt, also after a timeout or a crash, has the same idempotency key.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.place.attempt()
    }

    /// The current time. In the body of a saga it is recorded: a replay gets the same time, so the body takes the same
    /// path. In a step or a compensation it is not recorded: a step's output is.
    ///
    /// ```
    /// # use saga_runtime::{Context, saga, step};
    /// # use std::time::{Duration, SystemTime};
    /// # struct Shop;
    /// # #[step(compensate = ())]
    /// # async fn quote(_cx: Context<'_, Shop>, until: SystemTime) -> Result<u64, String> { Ok(3) }
    /// saga!(
    ///     async fn offer(cx: Context<'_, Shop>) -> Result<u64, String> {
    ///         let until = cx.now() + Duration::from_hours(24);
    ///         quote(cx, until).await
    ///     }
    /// );
    /// ```
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match self.body_path() {
            Some(path) => self.instance().ambient().now(path),
            None => SystemTime::now(),
        }
    }

    /// A new random id (UUID version 7). In the body of a saga it is recorded: a replay gets the same id. In a step or
    /// a compensation each attempt gets another id; use the [`idempotency_key`](Self::idempotency_key) to identify a
    /// request.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        match self.body_path() {
            Some(path) => self.instance().ambient().uuid(path),
            None => Uuid::now_v7(),
        }
    }

    /// The path by which [`Ambient`](crate::place::Ambient) knows this body. `None` in a step or a compensation.
    fn body_path(&self) -> Option<&'a str> {
        match self.place.position() {
            Some(_) => None,
            None => Some(self.place.scope().map_or("", Scope::path)),
        }
    }

    /// The idempotency key to send with this code's request: the same at every attempt, in every process.
    ///
    /// A compensation has another key than the step that it undoes. In the body of a saga it is the key of the saga.
    #[must_use]
    pub fn idempotency_key(&self) -> IdempotencyKey {
        key(self.place, self.place.role())
    }

    /// The key that the step sent. Compensations and resolvers use it to name the request that they undo. Elsewhere it
    /// equals [`idempotency_key`](Self::idempotency_key).
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

/// Shows the place, never the services.
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
