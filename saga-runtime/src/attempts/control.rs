//! The rules around the attempts of a step that hold on every engine: before its first attempt, and after one that is done.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::attempts::{GiveUp, Origin, PendingStep, Settlement, StepEnd};
use crate::error::Interruption;
use crate::meta::Kind;

/// The way back of one saga. It is open at first; the pivot, or the first retriable step, closes it for good.
#[derive(Debug, Default)]
pub struct WayBack(AtomicBool);

impl WayBack {
    /// An open way back.
    #[inline]
    #[must_use]
    pub const fn open() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Closes it: from now on the saga only goes forward.
    #[inline]
    pub fn close(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns true if the saga only goes forward.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The control over one saga from outside: a cancellation or a deadline interrupts it while its way back is open.
///
/// An engine says where the two facts come from. The rules that follow from them are provided, so that they are the same on
/// every engine.
pub trait Control {
    /// The way back of the saga.
    fn way_back(&self) -> &WayBack;

    /// The reason to stop the saga. It has no effect while the way back is closed.
    fn requested_stop(&self) -> Option<Interruption>;

    /// The reason to stop the saga before its next attempt. `None` once the way back is closed.
    #[inline]
    fn interruption(&self) -> Option<Interruption> {
        if self.way_back().is_closed() {
            return None;
        }
        self.requested_stop()
    }

    /// Gives the step up if the saga is interrupted before the step is requested: nothing of it has happened.
    fn before_request<X>(&self, step: &mut dyn PendingStep) -> Option<StepEnd<X>> {
        let interruption = self.interruption()?;
        step.give_up(GiveUp::Interrupted(interruption));
        Some(StepEnd::Stopped(Settlement::Nothing))
    }

    /// Decides how a request of the step begins. A retriable step closes the way back with its first request.
    ///
    /// `in_doubt`: an earlier process may have requested the step already.
    ///
    /// # Errors
    /// The end of the step, if the saga is interrupted before the step is requested.
    fn begin_request<X>(
        &self,
        step: &mut dyn PendingStep,
        in_doubt: bool,
    ) -> Result<Origin, StepEnd<X>> {
        let is_retriable = step.meta().kind == Kind::Retriable;
        if !in_doubt {
            if let Some(end) = self.before_request(step) {
                return Err(end);
            }
        } else if !is_retriable && let Some(interruption) = self.interruption() {
            return Ok(Origin::Interrupted(interruption));
        }
        // A retriable step that an earlier process requested may be done and can't be undone: an interruption is too late.
        if is_retriable {
            self.way_back().close();
        }
        Ok(if in_doubt {
            Origin::InDoubt
        } else {
            Origin::Request
        })
    }

    /// Ends a step that is done. If the saga was interrupted during the attempt, the step is stopped, and its effect is
    /// compensated with the others.
    fn after_done<X>(&self, step: &mut dyn PendingStep) -> StepEnd<X> {
        if step.meta().kind.closes_the_way_back() {
            self.way_back().close();
        }
        match self.interruption() {
            None => StepEnd::Done,
            Some(interruption) => {
                step.give_up(GiveUp::Interrupted(interruption));
                StepEnd::Stopped(Settlement::Done)
            }
        }
    }
}
