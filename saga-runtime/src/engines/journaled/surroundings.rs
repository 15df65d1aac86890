//! The engine's side of a pursuit: limits, waits, and the shutdown of the coordinator.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::attempts::{BoxFuture, Surroundings};
use crate::engines::journaled::Journaled;
use crate::engines::journaled::recorder::Suspension;
use crate::error::{Interruption, Reason};
use crate::journal::{Event, StepCall};
use crate::place::Position;

/// The engine's side of the pursuit of one step.
pub(super) struct Around<'a> {
    pub(super) engine: &'a Journaled,
    pub(super) call: StepCall,
    pub(super) is_settling: AtomicBool,
}

impl Surroundings<Suspension> for Around<'_> {
    fn limit(&self, own: Option<Duration>) -> Option<Duration> {
        Some(self.engine.limit(own))
    }

    fn wait(&self, delay: Duration) -> BoxFuture<'_, Result<Option<Interruption>, Suspension>> {
        Box::pin(
            self.engine
                .recorder
                .unless_stopped(self.engine.control.wait(delay)),
        )
    }

    fn pause(&self, delay: Duration) -> BoxFuture<'_, Result<(), Suspension>> {
        Box::pin(
            self.engine
                .recorder
                .unless_stopped(tokio::time::sleep(delay)),
        )
    }

    fn begin_settling<'a>(
        &'a self,
        _: Position<'a>,
        attempts: u32,
        reason: Reason,
    ) -> BoxFuture<'a, Result<(), Suspension>> {
        self.is_settling.store(true, Ordering::Relaxed);
        self.engine.recorder.note(Event::StepInDoubt {
            step: self.call.clone(),
            attempts,
            reason,
        });
        Box::pin(self.engine.recorder.write())
    }
}

impl Journaled {
    /// The longest that an attempt may take.
    pub(super) fn limit(&self, own: Option<Duration>) -> Duration {
        own.unwrap_or(self.policies.attempt_timeout)
    }
}
