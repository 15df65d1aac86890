//! Rules for calls in the body of a saga: the operands of `.await`.

use std::pin::Pin;
use std::task::{self, Poll};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::language::{Awaited, Call, ErrorCodec, ErrorRecord, Never, Step, Waits};
use crate::run::{PendingCall, Saga, SubSaga};

/// Implemented by calls that can be awaited in the body of a saga: of steps and of sub-sagas.
#[diagnostic::on_unimplemented(
    message = "only steps can be awaited in a saga",
    label = "this is not a step",
    note = "put `#[step(…)]` on the function that is called here, so that the saga knows how it is undone",
    note = "other sagas can be called by their names; `sleep`, `event` and `first_of` never fail: they are awaited without a `?`, and a saga ends with `Ok(event(cx, PAID).await)`"
)]
pub trait IsStepCall<C> {
    /// Converts the operand of `.await` into the call that the run makes.
    fn of(self) -> C;
}

#[diagnostic::do_not_recommend]
impl<'run, 'a, S: Step> IsStepCall<PendingCall<'run, 'a, S>> for Call<'run, 'a, S> {
    #[inline]
    fn of(self) -> PendingCall<'run, 'a, S> {
        let (services, args) = self.into_parts();
        PendingCall::new(services, args)
    }
}

#[diagnostic::do_not_recommend]
impl<'run, G: Saga> IsStepCall<SubSaga<'run, G>> for SubSaga<'run, G> {
    #[inline]
    fn of(self) -> Self {
        self
    }
}

/// Implemented by calls that can be members of a `try_join!`, or of a `try_join_all`: of steps and of sub-sagas.
#[diagnostic::on_unimplemented(
    message = "only steps and sagas can run at the same time in a saga",
    label = "this is neither",
    note = "put `#[step(…)]` on the function that is called here, so that the saga knows how it is undone",
    note = "an event or a `sleep` is put into a saga that is the member: `#[saga(compensatable)] async fn approved(…)`, with the body `Ok(event(cx, APPROVED).await)`; for the first of two events, write `first_of(cx, (PAID, DECLINED)).await`"
)]
pub trait IsMember<C> {
    /// Converts the member into the call that the run makes.
    fn of(self) -> C;
}

#[diagnostic::do_not_recommend]
impl<'run, 'a, S: Step> IsMember<PendingCall<'run, 'a, S>> for Call<'run, 'a, S> {
    #[inline]
    fn of(self) -> PendingCall<'run, 'a, S> {
        let (services, args) = self.into_parts();
        PendingCall::new(services, args)
    }
}

#[diagnostic::do_not_recommend]
impl<'run, G: Saga> IsMember<SubSaga<'run, G>> for SubSaga<'run, G> {
    #[inline]
    fn of(self) -> Self {
        self
    }
}

/// Implemented by futures that may be awaited outside a saga body. Sub-sagas do not implement it.
#[diagnostic::on_unimplemented(
    message = "only another saga calls a saga by its function",
    label = "outside of a saga nothing runs it",
    note = "here it is started by its struct, in process with `{Self} {{ … }}.execute(&services).await`",
    note = "or on a journal with `coordinator.execute(\"an-id\", {Self} {{ … }}).await`"
)]
pub trait RunsByItself {}

// No saga implements `RunsByItself`, so this is never a future. It only gives the compiler's message better words.
#[doc(hidden)]
impl<G: Saga + RunsByItself> Future for SubSaga<'_, G> {
    type Output = Result<G::Output, G::Error>;

    fn poll(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

/// Implemented by waits that may be awaited outside a saga body. No wait implements it.
#[diagnostic::on_unimplemented(
    message = "only the body of a saga can wait like this",
    label = "outside of it nobody writes down that it waits",
    note = "call it in the saga, between two steps: there it costs no task, and goes on after a restart",
    note = "what a step waits for by itself is other code, such as `tokio::time::sleep`"
)]
pub trait WaitsAnywhere {}

// No wait implements `WaitsAnywhere`, so this is never a future, either.
#[doc(hidden)]
#[cfg(not(rust_analyzer))]
impl<W: Awaited + WaitsAnywhere> Future for Waits<W> {
    type Output = W::Output;

    fn poll(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<W::Output> {
        Poll::Pending
    }
}

/// Implemented by calls that can be awaited in the body of a saga without a `?`: of steps, of sagas and of waits.
#[diagnostic::on_unimplemented(
    message = "only steps, sagas, `sleep`, `event` and `first_of` can be awaited without a `?` in a saga",
    label = "this is none of them",
    note = "put `#[step(…)]` on the function that is called here, so that the saga knows how it is undone",
    note = "to wait, call `saga_runtime::sleep`"
)]
pub trait HandledCall<C> {
    /// Converts the operand of `.await` into the call that the run makes.
    fn of(self) -> C;
}

#[diagnostic::do_not_recommend]
impl<'run, 'a, S: Step> HandledCall<PendingCall<'run, 'a, S>> for Call<'run, 'a, S> {
    #[inline]
    fn of(self) -> PendingCall<'run, 'a, S> {
        let (services, args) = self.into_parts();
        PendingCall::new(services, args)
    }
}

#[diagnostic::do_not_recommend]
impl<'run, G: Saga> HandledCall<SubSaga<'run, G>> for SubSaga<'run, G> {
    #[inline]
    fn of(self) -> Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<W: Awaited> HandledCall<Self> for Waits<W> {
    #[inline]
    fn of(self) -> Self {
        self
    }
}

/// A call whose error the body handles.
pub trait Handled {
    /// The error.
    type Error;
}

impl<S: Step> Handled for PendingCall<'_, '_, S> {
    type Error = S::Error;
}

impl<G: Saga> Handled for SubSaga<'_, G> {
    type Error = G::Error;
}

impl<W: Awaited> Handled for Waits<W> {
    type Error = Never;
}

/// Implemented by errors that a body can handle. The whole error is recorded, so that a replay takes the same branch.
#[diagnostic::on_unimplemented(
    message = "the error `{Self}` is handled by the saga, so it has to be `Serialize + Deserialize`",
    label = "the saga handles this error",
    note = "the error is recorded whole, so that a replay takes the same branch",
    note = "put `#[derive(serde::Serialize, serde::Deserialize)]` on `{Self}`, or end the saga with `?`"
)]
pub trait RecordedError: Sized {
    /// Returns the call, and the functions that record its error and read it again.
    fn of<C: Handled<Error = Self>>(call: C) -> (C, ErrorRecord<Self>);
}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned> RecordedError for E {
    #[inline]
    fn of<C: Handled<Error = Self>>(call: C) -> (C, ErrorRecord<Self>) {
        let errors = ErrorRecord::Whole(ErrorCodec {
            write: |error| serde_json::to_string(error),
            read: |text| serde_json::from_str(text),
        });
        (call, errors)
    }
}
