//! How an engine has the attempts of a step made: at once, or by way of something that may know already what became of them.

use std::marker::PhantomData;
use std::time::Duration;

use crate::attempt::{Attempted, attempt_step};
use crate::control::Interruption;
use crate::decision::Answer;
use crate::engine::{ErrorRecord, Why};
use crate::place::Attempt;
use crate::pursuit::BoxFuture;
use crate::step::Step;

/// Who is asked for the attempts of a [`Pursuit`](crate::pursuit::Pursuit).
pub trait Asking: Sync {
    /// Why it can let go of the saga instead.
    type Suspension: Send;

    /// Makes one attempt of the step `S`, or says what is written down about it.
    fn ask<'b, 'args: 'b, S: Step>(
        &'b self,
        attempt: Attempt<'b>,
        phase: Phase,
        services: &'b S::Services,
        args: S::Args<'args>,
        limit: Option<Duration>,
        errors: ErrorRecord<S::Error>,
    ) -> impl Future<Output = Result<Asked<S::Output, S::Error>, Self::Suspension>> + Send;

    /// Makes one attempt of a compensation or a resolver, which is what polling `undoing` does, or says what is written down
    /// about it.
    fn undo<'b>(
        &'b self,
        attempt: Attempt<'b>,
        undoing: BoxFuture<'b, Result<(), String>>,
    ) -> BoxFuture<'b, Result<(), String>>;
}

/// What an attempt is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// To go forward. It can be interrupted.
    Forward,
    /// To find out what an earlier one has done. Nothing interrupts it.
    Settling,
}

/// What is known of an attempt.
#[derive(Debug)]
pub struct Asked<T, E> {
    /// How it ended.
    pub outcome: Outcome<T, E>,
    /// Whether it may have been made before, and that answer is lost.
    pub is_repeated: bool,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum Outcome<T, E> {
    /// It was made, or is written down whole.
    Attempted(Attempted<T, E>),
    /// It did not succeed, and this is what is written down about it.
    Recorded {
        /// What that means.
        answer: Answer,
        /// Why the step is given up, if it is.
        why: Why<E>,
    },
    /// The saga is interrupted: it was not made, or its answer is lost.
    Interrupted(Interruption),
}

/// Makes attempts at once, in this process.
#[derive(Debug)]
pub(crate) struct Directly<X>(PhantomData<fn() -> X>);

impl<X> Directly<X> {
    pub(crate) const NEW: Self = Self(PhantomData);
}

impl<X: Send> Asking for Directly<X> {
    type Suspension = X;

    async fn ask<'b, 'args: 'b, S: Step>(
        &'b self,
        attempt: Attempt<'b>,
        _: Phase,
        services: &'b S::Services,
        args: S::Args<'args>,
        limit: Option<Duration>,
        _: ErrorRecord<S::Error>,
    ) -> Result<Asked<S::Output, S::Error>, X> {
        let ended = attempt_step::<S>(services, &attempt, args, limit).await;
        Ok(Asked {
            outcome: Outcome::Attempted(ended),
            is_repeated: false,
        })
    }

    fn undo<'b>(
        &'b self,
        _: Attempt<'b>,
        undoing: BoxFuture<'b, Result<(), String>>,
    ) -> BoxFuture<'b, Result<(), String>> {
        undoing
    }
}
