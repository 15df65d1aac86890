//! The awaits of a saga's body for rust-analyzer, which checks the body as a plain function. Rustc never compiles them.

use std::future::Future;
use std::pin::Pin;

use crate::generated::call::RunsByItself;
use crate::language::{Awaited, Call, Step, Waits};
use crate::place::{Context, SagaContext};
use crate::run::{FanOut, Saga, SubSaga};

/// The context in a body.
pub fn in_a_body<S: ?Sized>(_cx: Context<'_, S>) -> SagaContext<'_, S> {
    unreachable!("an editor runs nothing")
}

/// The context of a saga whose signature has none.
pub fn unknown<T>() -> T {
    unreachable!("an editor runs nothing")
}

impl<G: Saga> RunsByItself for G {}

impl<C: IntoFuture<Output = Result<T, E>>, T, E> IntoFuture for FanOut<C> {
    type Output = Result<Vec<T>, E>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        unreachable!("an editor runs nothing")
    }
}

impl<W: Awaited> IntoFuture for Waits<W> {
    type Output = W::Output;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        unreachable!("an editor runs nothing")
    }
}

/// A member of a group.
pub trait JoinedCall {
    /// The output of the member.
    type Output;
    /// The error of the member.
    type Error;
}

impl<S: Step> JoinedCall for Call<'_, '_, S> {
    type Output = S::Output;
    type Error = S::Error;
}

impl<G: Saga> JoinedCall for SubSaga<'_, G> {
    type Output = G::Output;
    type Error = G::Error;
}

impl<C: JoinedCall> JoinedCall for FanOut<C> {
    type Output = Vec<C::Output>;
    type Error = C::Error;
}

impl<T, E> JoinedCall for Result<T, E> {
    type Output = T;
    type Error = E;
}

/// The members of a group.
pub trait JoinedCalls {
    /// Their outputs.
    type Outputs;
    /// The error of the first member.
    type Error;
}

/// `try_join!` in a body.
pub fn join<G: JoinedCalls>(_members: G) -> Result<G::Outputs, G::Error> {
    unreachable!("an editor runs nothing")
}

macro_rules! groups {
    ($first:ident $($rest:ident)*) => {
        impl<$first: JoinedCall, $($rest: JoinedCall),*> JoinedCalls for ($first, $($rest,)*) {
            type Outputs = ($first::Output, $($rest::Output,)*);
            type Error = $first::Error;
        }
        groups!($($rest)*);
    };
    () => {};
}
groups!(A B C D E F G H I J K L M N O P);

#[allow(non_upper_case_globals)]
pub mod options {
    //! The options of `#[step(…)]` as names, which an editor completes and explains.

    /// `compensate = refund`: undone by `async fn refund(cx, output: &Output) -> Result<(), E>`.
    ///
    /// `compensate = ()`: there is nothing to undo.
    pub const compensate: () = ();
    /// It can't be undone. Once the step has succeeded, the saga only goes forward.
    pub const pivot: () = ();
    /// Retried until the step succeeds. It never makes the saga fail.
    pub const retriable: () = ();
    /// `timeout = "3s"`: the time limit of one attempt.
    pub const timeout: () = ();
    /// `retry(attempts = 5, backoff = "100ms..10s", when = path)`: the attempts, the waits between them, and which errors
    /// are transient.
    pub const retry: () = ();
    /// `in_doubt(when = path, resolve = path, retry(…))`: which errors leave open whether something happened, and what
    /// settles the step then.
    pub const in_doubt: () = ();
    /// `compensation(timeout = "10s", retry(…))`: the policies of the compensation and of the resolver.
    pub const compensation: () = ();
    /// `policy = PROVIDER`: a `Policy` that several steps share.
    pub const policy: () = ();
    /// `name = "…"`: the durable name. Set it to the old name if you rename the function.
    pub const name: () = ();

    pub mod in_retry {
        //! The options in `retry(…)`.

        /// `attempts = 5`: the most attempts.
        pub const attempts: () = ();
        /// `backoff = "100ms..10s"`: the first and the longest wait between two attempts.
        pub const backoff: () = ();
        /// `when = path`: which errors are transient, `fn(&Error) -> bool`.
        pub const when: () = ();
        /// `give_up_after = "24h"`: the most that the waits may add up to.
        pub const give_up_after: () = ();
    }

    pub mod in_in_doubt {
        //! The options in `in_doubt(…)`.

        pub use super::{in_retry, retry};

        /// `when = path`: which errors leave the step in doubt, `fn(&Error) -> bool`.
        pub const when: () = ();
        /// `resolve = path`: an `async fn` with the parameters of the step that undoes any effect under its key.
        ///
        /// `resolve` alone: the compensation is the resolver, too.
        pub const resolve: () = ();
    }

    pub mod in_compensation {
        //! The options in `compensation(…)`.

        pub use super::{in_retry, retry, timeout};
    }
}
