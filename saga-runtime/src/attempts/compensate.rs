//! Undoing one step: attempts until it succeeds or has failed for good. Nothing interrupts it.

use std::fmt;
use std::time::Duration;

use crate::attempts::{AttemptResult, BoxFuture, Surroundings, attempt};
use crate::error::CompensationFailure;
use crate::place::{Attempt, Place, Position, Role};
use crate::telemetry;

/// Something that is undone, one attempt at a time, without knowing its types.
pub trait Compensator: Send {
    /// Begins an attempt.
    fn compensate<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<(), String>>;
}

/// A step that was done, with what its compensation needs.
pub trait Compensate: Sync {
    /// Begins an attempt to compensate it.
    fn compensate<'a>(&'a self, place: &'a dyn Place) -> BoxFuture<'a, Result<(), String>>;
}

/// The compensation of a step.
pub struct StepCompensator<'a>(pub &'a dyn Compensate);

impl fmt::Debug for StepCompensator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compensating").finish_non_exhaustive()
    }
}

impl Compensator for StepCompensator<'_> {
    fn compensate<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<(), String>> {
        self.0.compensate(place)
    }
}

/// How undoing ended: after how many attempts, and with what.
pub type CompensationResult = (u32, Result<(), CompensationFailure>);

/// Attempts to undo by the policy of the step; goes on after the `first` attempt, if that was made.
///
/// # Errors
/// Why the engine lets go of the saga instead.
pub async fn compensate<X>(
    compensator: &mut dyn Compensator,
    position: Position<'_>,
    first: Option<AttemptResult<(), String>>,
    around: &dyn Surroundings<X>,
) -> Result<CompensationResult, X> {
    let step = position.step();
    let limit = around.limit(step.compensation_timeout);
    let mut number = 1;
    let mut ended = match first {
        Some(first) => first.into_result(),
        None => attempt_compensation(compensator, position, number, limit, around).await,
    };
    let mut waits = step.compensation_retry.backoffs();
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
        ended = attempt_compensation(compensator, position, number, limit, around).await;
    }
}

async fn attempt_compensation<X>(
    compensator: &mut dyn Compensator,
    position: Position<'_>,
    number: u32,
    limit: Option<Duration>,
    around: &dyn Surroundings<X>,
) -> Result<(), String> {
    let place = Attempt::new(position, Role::Compensation, number);
    let made = Box::pin(async {
        // In a block, so that a function that panics before it returns its future is caught as well.
        let compensation = async { compensator.compensate(&place).await };
        attempt(&place, compensation, limit).await.into_result()
    });
    around.compensate(place, made).await
}
