//! One run of a saga: each call of a step in its body goes through here. Used by generated code.

mod end;
mod plan;
mod undo;
mod watch;

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::Ordering;

use arrayvec::ArrayVec;

use crate::attempt::Attempted;
use crate::decision::is_definite;
use crate::engine::{Engine, ErrorRecord, Settlement, StepEnd, Stopped};
use crate::error::{Cause, Compensation};
use crate::kind::StepKind;
use crate::order::Site;
use crate::place::{FirstAttempt, Place};
use crate::pursuit::BoxFuture;
use crate::step::{Call, Step, StepMeta};

pub use plan::{Input, Plan, Start, Unstarted};
pub use undo::{Called, Compensated, Entry, Undo};
pub use watch::{Forward, Watch};

use undo::UndoStack;

/// A step that was given up, and with it perhaps the saga.
struct GivenUp<X> {
    /// What has become of the step's effect.
    settled: Option<Compensation>,
    /// Why the saga ends here, without the body's having a say.
    stop: Option<Stop<X>>,
}

enum Stop<X> {
    Cause(Cause<Infallible>),
    Suspended(X),
}

/// One run of a saga on the engine `E`, with an undo stack of `U` with room for `N` calls.
pub struct Run<'run, E: Engine, U, const N: usize> {
    watch: &'run Watch,
    engine: &'run E,
    /// See [`Engine::trusts_first_attempts`].
    trusted: bool,
    stack: UndoStack<'run, U, N>,
    failed_at: Option<&'static StepMeta>,
    given_up: Vec<GivenUp<E::Suspension>>,
}

impl<E: Engine, U, const N: usize> fmt::Debug for Run<'_, E, U, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("saga", &self.stack.instance)
            .finish_non_exhaustive()
    }
}

// Without a bound on `U`: the types of the undo stack are inferred, and each call of these would wait for all of them.
impl<'run, E: Engine, U, const N: usize> Run<'run, E, U, N> {
    /// Whether the first attempt of a step is made in the body itself, because the engine need not see it: then a step
    /// costs little more than the call of its function. Whatever does not succeed at once goes to [`Self::pursue`].
    #[inline]
    pub fn trusts<S: Step>(&self, _: &Call<'run, '_, S>, _: Site<S>) -> bool {
        self.trusted && S::META.timeout.is_none()
    }

    /// Takes over the output of a step whose first attempt has succeeded.
    #[inline]
    pub fn done<S: Step>(
        &mut self,
        call: &Call<'run, '_, S>,
        output: S::Output,
        entry: impl FnOnce(Called<'run, S>) -> U,
    ) -> S::Output {
        let kept = Some(<S::Kind as StepKind>::keep(&output));
        let services = call.services();
        self.stack.entries.push(entry(Called { services, kept }));
        output
    }

    /// Takes over the refusal of the first attempt in `call.await?`, if that settles the step.
    ///
    /// # Errors
    /// The outcome, if it does not, or was not made.
    #[inline]
    pub fn settled<S: Step>(
        &mut self,
        call: &Call<'run, '_, S>,
        first: Option<Ended<S>>,
        entry: impl FnOnce(Called<'run, S>) -> U,
    ) -> Result<Returned<S>, Option<Ended<S>>> {
        match first {
            Some(Attempted::Refused(error)) if is_definite::<S>(&error) => {
                let services = call.services();
                self.refused(
                    entry(Called {
                        services,
                        kept: None,
                    }),
                    &const { S::META },
                );
                Ok(Err(error))
            }
            other => Err(other),
        }
    }

    #[cold]
    #[inline(never)]
    fn refused(&mut self, entry: U, step: &'static StepMeta) {
        self.failed_at = Some(step);
        self.stack.entries.push(entry);
    }

    /// Takes over the refusal of the first attempt in `call.await`, if that settles the step.
    ///
    /// # Errors
    /// The outcome, if it does not, or was not made.
    #[inline]
    pub fn handled<S: Step>(
        &mut self,
        call: &Call<'run, '_, S>,
        first: Option<Ended<S>>,
        entry: impl FnOnce(Called<'run, S>) -> U,
    ) -> Result<Returned<S>, Option<Ended<S>>> {
        let settled = self.settled(call, first, entry);
        self.failed_at = None;
        settled
    }
}

impl<'run, E: Engine, U: Undo, const N: usize> Run<'run, E, U, N> {
    /// A run that has not called a step.
    #[inline]
    pub fn new(watch: &'run Watch, engine: &'run E) -> Self {
        let stack = UndoStack {
            instance: engine.instance(),
            entries: ArrayVec::new(),
        };
        Self {
            watch,
            engine,
            trusted: engine.trusts_first_attempts(),
            stack,
            failed_at: None,
            given_up: Vec::new(),
        }
    }

    /// Where the first attempt of a call is made.
    #[inline]
    pub fn place<S: Step>(&self, _: Site<S>) -> impl Place + use<'_, S, E, U, N> {
        FirstAttempt::<S, _>::new(&self.stack)
    }

    /// Goes on with `call.await?`: a refusal is about to end the saga.
    #[inline(never)]
    pub fn step<'a, S: Step>(
        &'a mut self,
        call: Call<'run, 'a, S>,
        first: Option<Ended<S>>,
        entry: impl FnOnce(Called<'run, S>) -> U + Send + 'a,
    ) -> BoxFuture<'a, Returned<S>> {
        Box::pin(self.pursue::<S, true>(call, first, ErrorRecord::Text, entry))
    }

    /// Goes on with `call.await`, whose refusal the body handles itself.
    #[inline(never)]
    pub fn handle<'a, S: Step>(
        &'a mut self,
        call: Call<'run, 'a, S>,
        first: Option<Ended<S>>,
        errors: ErrorRecord<S::Error>,
        entry: impl FnOnce(Called<'run, S>) -> U + Send + 'a,
    ) -> BoxFuture<'a, Returned<S>> {
        Box::pin(self.pursue::<S, false>(call, first, errors, entry))
    }

    /// Lets the engine pursue a step until its outcome is settled. A refusal either `ENDS` the saga or is handled.
    async fn pursue<S: Step, const ENDS: bool>(
        &mut self,
        call: Call<'run, '_, S>,
        first: Option<Ended<S>>,
        errors: ErrorRecord<S::Error>,
        entry: impl FnOnce(Called<'run, S>) -> U + Send,
    ) -> Returned<S> {
        let services = call.services();
        let args = call.into_args();
        let end = self
            .engine
            .step::<S>(&self.stack, services, args, first, errors)
            .await;
        let (kept, ended) = match end {
            StepEnd::Done(output) => (Some(<S::Kind as StepKind>::keep(&output)), Ok(output)),
            StepEnd::Refused(error) => (None, Err(self.ending::<S, ENDS>(error))),
            StepEnd::Stopped(stopped) => {
                let Stopped { why, settlement } = *stopped;
                let nothing_left = matches!(settlement, Settlement::Nothing | Settlement::Resolved);
                let (kept, settled) = settlement.into_parts(S::META.name);
                let kept = kept.map(|output| <S::Kind as StepKind>::keep(&output));
                match why.into_stop() {
                    Ok(error) if ENDS || nothing_left => {
                        self.given_up.push(GivenUp {
                            settled,
                            stop: None,
                        });
                        (kept, Err(self.ending::<S, ENDS>(error)))
                    }
                    Ok(error) => {
                        let cause = Cause::InDoubt {
                            message: error.to_string(),
                        };
                        self.stop::<S>(settled, Stop::Cause(cause));
                        (kept, Err(error))
                    }
                    Err(cause) => {
                        self.stop::<S>(settled, Stop::Cause(cause));
                        self.stack.entries.push(entry(Called { services, kept }));
                        return std::future::pending().await;
                    }
                }
            }
            StepEnd::Suspended(suspension) => {
                self.stop::<S>(None, Stop::Suspended(suspension));
                return std::future::pending().await;
            }
        };
        self.stack.entries.push(entry(Called { services, kept }));
        if self.watch.stopped.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        ended
    }

    /// A step has refused; remembers where, if that ends the saga.
    #[inline]
    fn ending<S: Step, const ENDS: bool>(&mut self, error: S::Error) -> S::Error {
        if ENDS {
            self.failed_at = Some(&const { S::META });
        }
        error
    }

    /// Ends the saga here: the body is not polled again.
    #[cold]
    fn stop<S: Step>(&mut self, settled: Option<Compensation>, stop: Stop<E::Suspension>) {
        self.failed_at = Some(&const { S::META });
        self.given_up.push(GivenUp {
            settled,
            stop: Some(stop),
        });
        self.watch.stopped.store(true, Ordering::Relaxed);
    }
}

/// How an attempt of the step `S` ended.
pub type Ended<S> = Attempted<<S as Step>::Output, <S as Step>::Error>;

/// What the body gets from a step.
pub type Returned<S> = Result<<S as Step>::Output, <S as Step>::Error>;
