//! The first parameter of steps, compensations and sagas: the services, and the place of the running code.

use std::fmt;
use std::ops::Deref;
use std::sync::LazyLock;
use std::time::SystemTime;

use tracing::Span;
use uuid::Uuid;

use crate::id::SagaId;
use crate::meta::StepMeta;
use crate::place::{
    Attempt, DirectCall, Failure, IdempotencyKey, Instance, Place, Role, Scope, TestPlace, key,
};
use crate::trace::TraceContext;

/// The first parameter of every step, compensation and saga: your services, and the saga's id, keys, time and random
/// ids.
///
/// It is `Copy` and dereferences to the services: with `cx: Context<'_, Shop>`, `cx.payments` is the field of `Shop`. In
/// the body of a saga, `cx` is a [`SagaContext`](crate::SagaContext) instead, which gives only what is recorded.
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
    /// [`TestPlace`](crate::TestPlace) creates one with another id, attempt or failure.
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
        static PLACE: LazyLock<TestPlace> = LazyLock::new(TestPlace::new);
        Self::at(services, &*PLACE)
    }

    /// Begins to call `step` as a function from the code that has this context.
    #[track_caller]
    pub(crate) fn call_directly(&self, step: &'static StepMeta) -> DirectCall<'a> {
        DirectCall::begin(self.place, step)
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

    /// The durable name of the step that runs or is compensated. `None` in a test.
    #[must_use]
    pub fn step(&self) -> Option<&'static str> {
        self.place.position().map(|position| position.step().name)
    }

    /// The failure for which the saga is compensated: the step, a code and a text. `None` in a step, and in a resolver that runs
    /// before the saga has failed.
    ///
    /// ```
    /// # use saga_runtime::Context;
    /// # struct Shop;
    /// # struct Order;
    /// async fn cancel_order(cx: Context<'_, Shop>, order: &Order) -> Result<(), String> {
    ///     let is_cancelled = cx.failure().is_some_and(|failure| failure.code() == "cancelled");
    ///     if !is_cancelled {
    ///         let why = cx.failure().map(ToString::to_string);
    ///         // tell the customer
    /// #       drop((order, why));
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn failure(&self) -> Option<&'a Failure> {
        self.place.failure()
    }

    /// The trace context to send on with this code's request, as headers: of the span of this attempt, if the coordinator has a
    /// [`TracePropagator`](crate::trace::TracePropagator), and otherwise of the span that submitted the saga. `None` without
    /// either, and in process.
    ///
    /// ```
    /// # use saga_runtime::{Context, step};
    /// use saga_runtime::trace::TraceContext;
    /// # struct Shop;
    /// # struct Request; impl Request { fn header(self, _: &str, _: &str) -> Self { self } async fn send(self) -> Result<u64, String> { Ok(1) } }
    /// # impl Shop { fn post(&self, _: &str) -> Request { Request } }
    ///
    /// #[step(compensate = ())]
    /// async fn quote(cx: Context<'_, Shop>) -> Result<u64, String> {
    ///     let trace = cx.trace_context();
    ///     let mut request = cx.post("/quotes");
    ///     for (name, value) in trace.iter().flat_map(TraceContext::headers) {
    ///         request = request.header(name, value);
    ///     }
    ///     request.send().await
    /// }
    /// ```
    #[must_use]
    pub fn trace_context(&self) -> Option<TraceContext> {
        let trace = self.instance().trace()?;
        trace.context_at(&Span::current())
    }

    /// The number of the attempt, from 1. Every attempt, also after a timeout or a crash, has the same idempotency key.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.place.attempt()
    }

    /// The current time. It is not recorded: the output of a step is. In the body of a saga,
    /// [`SagaContext::now`](crate::SagaContext::now) is recorded.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match self.body_path() {
            Some(path) => self.instance().ambient().now(path),
            None => self.instance().ambient().time(),
        }
    }

    /// A new random id (UUID version 7). Each attempt gets another id; use the
    /// [`idempotency_key`](Self::idempotency_key) to identify a request. In the body of a saga,
    /// [`SagaContext::uuid`](crate::SagaContext::uuid) is recorded.
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
    /// A compensation has another key than the step that it undoes, and so has a step that another one
    /// [awaits](crate::engine::Call#in-another-step).
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
