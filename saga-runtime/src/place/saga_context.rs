//! The context in the body of a saga: what is recorded, and nothing else.

use std::fmt;
use std::time::SystemTime;

use uuid::Uuid;

use crate::id::SagaId;
use crate::place::{Context, Place};

/// The context in the body of a [`saga!`](crate::saga!): the saga's id, times and random ids. A replay gets the same
/// values again, so it takes the same path.
///
/// The signature of a saga says `cx: Context<'_, Shop>`; in its body `cx` is this type. The calls of steps, sagas and
/// waits get the whole [`Context`] from it: `charge(cx, &order).await?`. Nothing else does, and the body sees no service:
/// a setting that has changed after a crash would let a replay take another path. Read it in a step, which is recorded,
/// or take it as an input of the saga.
///
/// ```
/// # use saga_runtime::{Context, saga, step};
/// # struct Shop { limit: u64 }
/// # #[step(compensate = ())]
/// # async fn charge(_cx: Context<'_, Shop>, _amount: u64) -> Result<(), String> { Ok(()) }
/// /// The limit of today, which the saga keeps.
/// #[step(compensate = ())]
/// async fn limit(cx: Context<'_, Shop>) -> Result<u64, String> {
///     Ok(cx.limit)
/// }
///
/// saga!(
///     async fn sell(cx: Context<'_, Shop>, amount: u64) -> Result<(), String> {
///         if amount > limit(cx).await? {
///             return Err(format!("{} is above the limit", cx.saga_id()));
///         }
///         charge(cx, amount).await
///     }
/// );
/// ```
///
/// Statics, files, the environment and other clocks can't be kept from a body. They belong in a step as well.
pub struct SagaContext<'a, S: ?Sized>(Context<'a, S>);

impl<'a, S: ?Sized> SagaContext<'a, S> {
    /// Creates the context of the body at this place.
    #[doc(hidden)]
    #[inline]
    pub fn at(services: &'a S, place: &'a dyn Place) -> Self {
        Self(Context::at(services, place))
    }

    /// The context for the call of a step. Only generated code calls this.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn __of_call(self) -> Context<'a, S> {
        self.0
    }

    /// The id of the saga. If the caller gave none, the first use generates one.
    #[must_use]
    pub fn saga_id(&self) -> &'a SagaId {
        self.0.saga_id()
    }

    /// The durable name of the outermost saga.
    #[must_use]
    pub fn saga_name(&self) -> &'static str {
        self.0.saga_name()
    }

    /// The current time. It is recorded: a replay gets the same time.
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
        self.0.now()
    }

    /// A new random id (UUID version 7). It is recorded: a replay gets the same id.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        self.0.uuid()
    }
}

impl<S: ?Sized> Clone for SagaContext<'_, S> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: ?Sized> Copy for SagaContext<'_, S> {}

/// Shows the place, never the services.
impl<S: ?Sized> fmt::Debug for SagaContext<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
