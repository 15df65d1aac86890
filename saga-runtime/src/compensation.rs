//! Undoing one step: attempts until it succeeds or has failed for good. Nothing interrupts it.

use std::fmt;

use crate::attempt::Attempted;
use crate::place::{Attempt, Position, Role};
use crate::pursuit::BoxFuture;
use crate::retry::RetryPolicy;
use crate::telemetry;

/// Something that is undone, one attempt at a time, without knowing its types.
pub(crate) trait Undoing: Send {
    fn attempt<'b>(&'b mut self, attempt: Attempt<'b>) -> BoxFuture<'b, Result<(), String>>;
}

/// Attempts to undo by the policy `retry`; goes on after the `first` attempt, if that was made.
pub(crate) async fn undo(
    undoing: &mut dyn Undoing,
    position: Position<'_>,
    retry: RetryPolicy,
    first: Option<Attempted<(), String>>,
) -> Result<(), CompensationFailure> {
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
        let Err(message) = ended else { return Ok(()) };
        let Some(wait) = waits.next() else {
            telemetry::compensation_failed(position, number);
            return Err(CompensationFailure::new(number, message));
        };
        tokio::time::sleep(wait).await;
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
