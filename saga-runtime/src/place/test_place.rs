//! The place of a unit test, outside of any saga.

use crate::id::SagaId;
use crate::place::{Context, Failure, Instance, Place, Position, Role};
use crate::trace::TraceContext;

/// The surroundings that a unit test gives to steps and compensations, where [`Context::for_test`] is not enough.
///
/// ```
/// # use saga_runtime::{Context, SagaId, TestPlace};
/// # struct Shop;
/// async fn refund(cx: Context<'_, Shop>, _payment: &u64) -> Result<String, String> {
///     Ok(format!("{}, since {}", cx.action_key(), cx.failure().ok_or("why?")?))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let place = TestPlace::new()
///     .saga_id(SagaId::new("order-17")?)
///     .attempt(2)
///     .failure("ship", "no courier");
/// let refunded = refund(place.context(&Shop), &4).await?;
/// assert_eq!(refunded, "order-17, since `ship` failed: no courier");
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use]
pub struct TestPlace {
    instance: Instance,
    attempt: u32,
    failure: Option<Failure>,
}

impl TestPlace {
    /// Creates the first attempt in a saga with the name and the id `test`, which has not failed.
    pub fn new() -> Self {
        Self {
            instance: Instance::new("test", SagaId::new("test").ok()),
            attempt: 1,
            failure: None,
        }
    }

    /// Sets the id of the saga. Keys begin with it, so tests that share a participant need different ones.
    pub fn saga_id(self, id: SagaId) -> Self {
        let trace = self.instance.trace().cloned().unwrap_or_default();
        let instance = Instance::new("test", Some(id)).with_trace(trace);
        Self { instance, ..self }
    }

    /// Sets the [trace context](Context::trace_context) that steps send on.
    pub fn trace_context(self, context: TraceContext) -> Self {
        let instance = self.instance.with_trace_context(context);
        Self { instance, ..self }
    }

    /// Sets the number of the attempt, from 1.
    pub fn attempt(self, attempt: u32) -> Self {
        Self { attempt, ..self }
    }

    /// Sets the failure that compensations see: of this step, with this text.
    pub fn failure(self, step: &str, message: &str) -> Self {
        let failure = Failure::refused(step.to_owned().into(), message.to_owned());
        Self {
            failure: Some(failure),
            ..self
        }
    }

    /// Sets the [code](Failure::code) of the failure that was given before, such as `cancelled`. It is `error` otherwise.
    pub fn failure_code(self, code: &str) -> Self {
        let failure = self
            .failure
            .map(|known| known.with_code(code.to_owned().into()));
        Self { failure, ..self }
    }

    /// The context of a step or a compensation here.
    pub fn context<'a, S: ?Sized>(&'a self, services: &'a S) -> Context<'a, S> {
        Context::at(services, self)
    }
}

impl Default for TestPlace {
    fn default() -> Self {
        Self::new()
    }
}

impl Place for TestPlace {
    fn instance(&self) -> &Instance {
        &self.instance
    }

    fn position(&self) -> Option<Position<'_>> {
        None
    }

    fn attempt(&self) -> u32 {
        self.attempt
    }

    fn role(&self) -> Role {
        Role::Action
    }

    fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    fn is_test(&self) -> bool {
        true
    }
}
