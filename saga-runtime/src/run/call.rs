//! Calls: what the body of a saga hands to the run, and how it ended.

use std::borrow::Cow;
use std::fmt;

use super::Stop;
use crate::attempt::Attempted;
use crate::decision::is_definite;
use crate::engine::{Engine, ErrorRecord, Settlement, StepEnd, Stopped};
use crate::error::{Cause, Compensation};
use crate::kind::StepKind;
use crate::part::Part;
use crate::place::{Calls, path};
use crate::step::{Call, Step};

/// Something that the body of a saga calls on the engine `E`: a step, or another saga.
pub trait Callable<'run, E: Engine>: Sized + Send {
    /// What is called.
    type Part: Part;

    /// What it returns.
    type Output: Send;

    /// Why it can fail.
    type Error: Send;

    /// What is left of it on the undo stack.
    type Entry: Send;

    /// Whether it is a step, which has attempts.
    const IS_STEP: bool;

    /// Whether it is a saga, whose calls are in a lane of their own.
    const IS_SAGA: bool;

    /// What is left of a first attempt that has succeeded.
    fn done(&self, output: &Self::Output) -> Self::Entry;

    /// What is left of a first attempt that has refused, if that settles it.
    fn refused(&self, error: &Self::Error) -> Option<Self::Entry>;

    /// Pursues it until its outcome is settled. A refusal either `ends` the saga or is handled.
    fn pursue<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
        first: Option<Attempted<Self::Output, Self::Error>>,
        errors: ErrorRecord<Self::Error>,
        ends: bool,
    ) -> impl Future<Output = EndOf<'run, Self, E>> + Send
    where
        Self: 'a,
        'run: 'a;
}

/// How the call `C` ended on the engine `E`.
pub type EndOf<'run, C, E> = CallEnd<
    <C as Callable<'run, E>>::Output,
    <C as Callable<'run, E>>::Error,
    <C as Callable<'run, E>>::Entry,
    <E as Engine>::Suspension,
>;

/// How the first attempt of a call has ended, if the body has made one.
pub type First<'run, C, E> =
    Option<Attempted<<C as Callable<'run, E>>::Output, <C as Callable<'run, E>>::Error>>;

/// What the body gets from a call.
pub type Returned<'run, C, E> =
    Result<<C as Callable<'run, E>>::Output, <C as Callable<'run, E>>::Error>;

/// How a call ended for good.
pub struct CallEnd<T, F, N, X> {
    /// What is left of it on the undo stack, unless the engine lets go of the saga.
    pub(super) called: Option<N>,
    /// What was settled or undone already.
    pub(super) settled: Vec<Compensation>,
    /// Where inside of it it failed, if it is a saga.
    pub(super) failed_at: Option<Cow<'static, str>>,
    /// What the body gets, or why the saga ends without its having a say.
    pub(super) returned: Result<Result<T, F>, Stop<X>>,
}

impl<T, F, N, X> CallEnd<T, F, N, X> {
    /// It has given this output, or the saga ends here.
    pub(crate) fn of(called: N, output: Result<T, Stop<X>>) -> Self {
        let is_suspended = matches!(output, Err(Stop::Suspended(_)));
        Self {
            called: (!is_suspended).then_some(called),
            settled: Vec::new(),
            failed_at: None,
            returned: output.map(Ok),
        }
    }

    /// Whether the engine lets go of the saga.
    pub(super) fn is_suspended(&self) -> bool {
        matches!(self.returned, Err(Stop::Suspended(_)))
    }
}

impl<T, F, N, X> fmt::Debug for CallEnd<T, F, N, X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallEnd")
            .field("failed_at", &self.failed_at)
            .finish_non_exhaustive()
    }
}

/// A step that was called, on the undo stack: what its compensation needs, or nothing if there is nothing to undo.
pub struct Called<'run, S: Step> {
    pub(super) services: &'run S::Services,
    pub(super) kept: Option<<S::Kind as StepKind>::Kept<S::Output>>,
}

impl<S: Step> fmt::Debug for Called<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called")
            .field("step", &S::META.name)
            .finish_non_exhaustive()
    }
}

impl<'run, S: Step, E: Engine> Callable<'run, E> for Call<'run, '_, S> {
    type Part = S;
    type Output = S::Output;
    type Error = S::Error;
    type Entry = Called<'run, S>;

    const IS_STEP: bool = true;
    const IS_SAGA: bool = false;

    #[inline]
    fn done(&self, output: &S::Output) -> Called<'run, S> {
        Called {
            services: self.services(),
            kept: Some(<S::Kind as StepKind>::keep(output)),
        }
    }

    #[inline]
    fn refused(&self, error: &S::Error) -> Option<Called<'run, S>> {
        is_definite::<S>(error).then(|| Called {
            services: self.services(),
            kept: None,
        })
    }

    async fn pursue<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
        first: Option<Attempted<S::Output, S::Error>>,
        errors: ErrorRecord<S::Error>,
        ends: bool,
    ) -> EndOf<'run, Self, E>
    where
        Self: 'a,
        'run: 'a,
    {
        let services = self.services();
        let args = self.into_args();
        let end = engine.step::<S>(calls, services, args, first, errors).await;
        match end {
            StepEnd::Done(output) => CallEnd {
                called: Some(Called {
                    services,
                    kept: Some(<S::Kind as StepKind>::keep(&output)),
                }),
                settled: Vec::new(),
                failed_at: None,
                returned: Ok(Ok(output)),
            },
            StepEnd::Refused(error) => CallEnd {
                called: Some(Called {
                    services,
                    kept: None,
                }),
                settled: Vec::new(),
                failed_at: None,
                returned: Ok(Err(error)),
            },
            StepEnd::Stopped(stopped) => {
                let Stopped { why, settlement } = *stopped;
                let nothing_left = matches!(settlement, Settlement::Nothing | Settlement::Resolved);
                let (output, settled) = settlement.into_parts(path(calls.scope(), S::META.name));
                let kept = output.map(|output| <S::Kind as StepKind>::keep(&output));
                CallEnd {
                    called: Some(Called { services, kept }),
                    settled: settled.into_iter().collect(),
                    failed_at: None,
                    returned: match why.into_stop() {
                        Ok(error) if ends || nothing_left => Ok(Err(error)),
                        Ok(error) => Err(Stop::Cause(Cause::InDoubt {
                            message: error.to_string(),
                        })),
                        Err(cause) => Err(Stop::Cause(cause)),
                    },
                }
            }
            StepEnd::Suspended(suspension) => CallEnd {
                called: None,
                settled: Vec::new(),
                failed_at: None,
                returned: Err(Stop::Suspended(suspension)),
            },
        }
    }
}
