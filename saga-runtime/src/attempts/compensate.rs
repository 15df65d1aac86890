//! Compensations without their types: how a step or a resolver is handed to the loop that attempts it.

use std::fmt;

use crate::attempts::BoxFuture;
use crate::error::CompensationFailure;
use crate::place::Place;

/// A compensation or a resolver, type-erased.
pub trait Compensator: Send {
    /// Begins an attempt.
    fn compensate<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<(), String>>;
}

/// A step that is done, with the value that its compensation needs.
pub trait Compensate: Sync {
    /// Begins an attempt to compensate it.
    fn compensate<'a>(&'a self, place: &'a dyn Place) -> BoxFuture<'a, Result<(), String>>;
}

/// The compensation of a step.
pub struct StepCompensator<'a>(pub &'a dyn Compensate);

impl fmt::Debug for StepCompensator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepCompensator").finish_non_exhaustive()
    }
}

impl Compensator for StepCompensator<'_> {
    fn compensate<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<(), String>> {
        self.0.compensate(place)
    }
}

/// The number of attempts that a compensation took, and its end.
pub type CompensationResult = (u32, Result<(), CompensationFailure>);
