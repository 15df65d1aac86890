//! Undoing one step: attempts until it succeeds or has failed for good. Nothing interrupts it.

use std::fmt;
use std::time::Duration;

use crate::attempt::{Attempted, attempt_undo};
use crate::context::Context;
use crate::place::{Attempt, Position, Role};
use crate::pursuit::{BoxFuture, Surroundings};
use crate::retry::RetryPolicy;
use crate::step::Step;
use crate::telemetry;

/// Something that is undone, one attempt at a time, without knowing its types.
pub trait Undoing: Send {
    /// Attempts it once.
    fn attempt<'b>(&'b mut self, attempt: Attempt<'b>) -> BoxFuture<'b, Result<(), String>>;
}

/// The compensation of one step that was done.
pub struct Compensating<'a, S: Step> {
    /// What it needs.
    pub services: &'a S::Services,
    /// What the step was done with.
    pub output: &'a S::Output,
    /// The longest that one attempt may take.
    pub limit: Option<Duration>,
}

impl<S: Step> fmt::Debug for Compensating<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compensating")
            .field("step", &S::META.name)
            .finish_non_exhaustive()
    }
}

impl<S: Step> Undoing for Compensating<'_, S> {
    fn attempt<'b>(&'b mut self, attempt: Attempt<'b>) -> BoxFuture<'b, Result<(), String>> {
        Box::pin(async move {
            let cx = Context::new(self.services, &attempt);
            // In a block, so that a function that panics before it returns its future is caught as well.
            let undo = async { S::compensate(cx, self.output).await };
            attempt_undo(&attempt, undo, self.limit).await
        })
    }
}

/// How undoing ended: after how many attempts, and with what.
pub type Undone = (u32, Result<(), CompensationFailure>);

/// Attempts to undo by the policy `retry`; goes on after the `first` attempt, if that was made.
///
/// # Errors
/// Why the engine lets go of the saga instead.
pub async fn undo<X>(
    undoing: &mut dyn Undoing,
    position: Position<'_>,
    retry: RetryPolicy,
    first: Option<Attempted<(), String>>,
    around: &dyn Surroundings<X>,
) -> Result<Undone, X> {
    let mut number = 1;
    let mut ended = match first {
        Some(first) => first.into_result(),
        None => {
            undoing
                .attempt(Attempt::new(position, Role::Compensation, number))
                .await
        }
    };
    let mut waits = retry.backoffs();
    loop {
        let Err(message) = ended else {
            return Ok((number, Ok(())));
        };
        let Some(wait) = waits.next() else {
            telemetry::compensation_failed(position, number);
            return Ok((number, Err(CompensationFailure::new(number, message))));
        };
        around.pause(wait).await?;
        number += 1;
        ended = undoing
            .attempt(Attempt::new(position, Role::Compensation, number))
            .await;
    }
}

/// A compensation that failed for good: the step's effect may still be there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompensationFailure {
    /// How often it was attempted.
    pub attempts: u32,
    /// The text of the last error.
    pub message: String,
}

impl CompensationFailure {
    /// A compensation that failed `attempts` times, at last with `message`.
    #[must_use]
    pub fn new(attempts: u32, message: String) -> Self {
        Self { attempts, message }
    }
}

impl fmt::Display for CompensationFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempts {
            1 => write!(f, "{} (1 attempt)", self.message),
            attempts => write!(f, "{} ({attempts} attempts)", self.message),
        }
    }
}

impl std::error::Error for CompensationFailure {}

/// What a saga does with the other compensations when one has failed for good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnCompensationFailure {
    /// The others still run.
    #[default]
    Continue,
    /// The others stay pending.
    Halt,
}

/// In which order a saga compensates its steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CompensationOrder {
    /// One after the other, the step that was done last first.
    #[default]
    Sequential,
    /// All at once.
    Parallel,
}
