//! The rules around the attempts of a step that hold on every engine: before its first attempt, and after one that is done.

use std::sync::atomic::{AtomicU8, Ordering};

use crate::attempts::{GiveUp, Origin, PendingStep, Settlement, StepEnd};
use crate::error::Interruption;
use crate::meta::Kind;

/// The way back of one saga. It is open at first; the pivot, or the first retriable step, closes it for good.
///
/// ```text
/// open ──pivot requested──▶ uncertain ──pivot done──▶ closed
///   ├──retriable step requested─────────────────────────▲
///   ├──stopped──▶ stopped: the saga is compensated
///   └──completes──▶ ended: it is too late to stop it
/// ```
#[derive(Debug, Default)]
pub struct WayBack(AtomicU8);

const OPEN: u8 = 0;
const UNCERTAIN: u8 = 1;
const STOPPED: u8 = 2;
const CLOSED: u8 = 3;
const ENDED: u8 = 4;

/// The answer to a request to stop a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopAnswer {
    /// The saga does not complete any more: it is compensated.
    Stopped,
    /// A step is under way after which it may be too late.
    Uncertain,
    /// The saga only goes forward.
    Closed,
    /// The body has returned its output.
    Ended,
}

impl WayBack {
    /// An open way back.
    #[inline]
    #[must_use]
    pub const fn open() -> Self {
        Self(AtomicU8::new(OPEN))
    }

    /// Closes it: from now on the saga only goes forward.
    #[inline]
    pub fn close(&self) {
        self.0.store(CLOSED, Ordering::Relaxed);
    }

    /// Returns true if the saga only goes forward.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::Relaxed) == CLOSED
    }

    /// Stops the saga, unless it may be too late.
    pub(crate) fn stop(&self) -> StopAnswer {
        match self.leave_open(STOPPED) {
            OPEN | STOPPED => StopAnswer::Stopped,
            UNCERTAIN => StopAnswer::Uncertain,
            CLOSED => StopAnswer::Closed,
            _ => StopAnswer::Ended,
        }
    }

    /// Notes that a step is requested after which it may be too late to stop. Returns false if the saga is stopped.
    pub(crate) fn begin_to_close(&self) -> bool {
        self.leave_open(UNCERTAIN) != STOPPED
    }

    /// Closes it, unless the saga is stopped: then returns false.
    fn close_unless_stopped(&self) -> bool {
        let is_open = self.leave_open(CLOSED) != STOPPED;
        if is_open {
            self.close();
        }
        is_open
    }

    /// Notes that the body has returned its output. Returns false if the saga is stopped.
    pub(crate) fn end(&self) -> bool {
        self.leave_open(ENDED) != STOPPED
    }

    /// Changes the state if it is open. Returns the state before.
    fn leave_open(&self, to: u8) -> u8 {
        let changed = self
            .0
            .compare_exchange(OPEN, to, Ordering::AcqRel, Ordering::Acquire);
        changed.unwrap_or_else(|state| state)
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
        let is_in_time = match step.meta().kind {
            // A retriable step that an earlier process requested may be done and can't be undone: an interruption is too late.
            Kind::Retriable if in_doubt => {
                self.way_back().close();
                true
            }
            Kind::Retriable => self.way_back().close_unless_stopped(),
            Kind::Pivot => self.way_back().begin_to_close(),
            Kind::Compensatable | Kind::NothingToUndo => true,
        };
        if !is_in_time {
            let stopped = Interruption::Cancelled;
            if in_doubt {
                return Ok(Origin::Interrupted(stopped));
            }
            step.give_up(GiveUp::Interrupted(stopped));
            return Err(StepEnd::Stopped(Settlement::Nothing));
        }
        Ok(if in_doubt {
            Origin::InDoubt { attempts: 0 }
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use super::*;
    use crate::attempts::{BoxFuture, Compensator, Verdict};
    use crate::error::Reason;
    use crate::meta::StepMeta;
    use crate::place::Place;

    /// A saga that is cancelled, or not.
    struct Saga {
        way_back: WayBack,
        is_cancelled: bool,
    }

    impl Control for Saga {
        fn way_back(&self) -> &WayBack {
            &self.way_back
        }

        fn requested_stop(&self) -> Option<Interruption> {
            self.is_cancelled.then_some(Interruption::Cancelled)
        }
    }

    fn saga(is_cancelled: bool) -> Saga {
        Saga {
            way_back: WayBack::open(),
            is_cancelled,
        }
    }

    /// A step that only knows that it was given up.
    struct Step(Kind, Option<GiveUp<Reason>>);

    impl PendingStep for Step {
        fn meta(&self) -> &'static StepMeta {
            match self.0 {
                Kind::Compensatable => &const { StepMeta::new("step", Kind::Compensatable) },
                Kind::NothingToUndo => &const { StepMeta::new("step", Kind::NothingToUndo) },
                Kind::Pivot => &const { StepMeta::new("step", Kind::Pivot) },
                Kind::Retriable => &const { StepMeta::new("step", Kind::Retriable) },
            }
        }

        fn attempt<'b>(
            &'b mut self,
            _: &'b dyn Place,
            _: Option<Duration>,
        ) -> BoxFuture<'b, Verdict> {
            unreachable!("these rules make no attempt")
        }

        fn resolver(&mut self) -> &mut dyn Compensator {
            unreachable!("these rules resolve nothing")
        }

        fn give_up(&mut self, why: GiveUp<Infallible>) {
            self.1 = Some(why.widen());
        }

        fn given_up(&self) -> Option<GiveUp<Reason>> {
            None
        }

        fn has_refused(&self) -> bool {
            false
        }

        fn is_interrupted(&self) -> bool {
            matches!(self.1, Some(GiveUp::Interrupted(_)))
        }

        fn write_output(&mut self, _: usize) -> Result<String, String> {
            Err("there is none".to_owned())
        }

        fn read_output(&mut self, _: &str) -> serde_json::Result<()> {
            Ok(())
        }

        fn check_error(&mut self) -> Result<(), String> {
            Ok(())
        }

        fn read_error(&mut self, _: &str) -> serde_json::Result<bool> {
            Ok(false)
        }
    }

    fn step(kind: Kind) -> Step {
        Step(kind, None)
    }

    const KINDS: [Kind; 4] = [
        Kind::Compensatable,
        Kind::NothingToUndo,
        Kind::Pivot,
        Kind::Retriable,
    ];

    /// The start of a request, and true if the way back is closed then.
    fn begin(kind: Kind, is_cancelled: bool, in_doubt: bool) -> (Option<Origin>, bool) {
        let (saga, mut step) = (saga(is_cancelled), step(kind));
        let begun = saga.begin_request::<()>(&mut step, in_doubt);
        assert_eq!(begun.is_err(), step.is_interrupted(), "{kind}");
        if let Err(end) = &begun {
            assert!(
                matches!(end, StepEnd::Stopped(Settlement::Nothing)),
                "{kind}"
            );
        }
        (begun.ok(), saga.way_back.is_closed())
    }

    #[test]
    fn a_request_begins_unless_the_saga_is_interrupted() {
        let interrupted = Origin::Interrupted(Interruption::Cancelled);
        for kind in KINDS {
            let is_retriable = kind == Kind::Retriable;
            assert_eq!(
                begin(kind, false, false),
                (Some(Origin::Request), is_retriable),
                "{kind}"
            );
            assert_eq!(
                begin(kind, false, true),
                (Some(Origin::InDoubt { attempts: 0 }), is_retriable),
                "{kind}"
            );
            assert_eq!(begin(kind, true, false), (None, false), "{kind}");
            let late = if is_retriable {
                Origin::InDoubt { attempts: 0 }
            } else {
                interrupted
            };
            assert_eq!(
                begin(kind, true, true),
                (Some(late), is_retriable),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_step_that_is_done_closes_the_way_back_or_is_stopped() {
        for kind in KINDS {
            for is_cancelled in [false, true] {
                let (saga, mut step) = (saga(is_cancelled), step(kind));
                let end = saga.after_done::<()>(&mut step);
                let is_stopped = is_cancelled && !kind.closes_the_way_back();
                assert_eq!(step.is_interrupted(), is_stopped, "{kind}");
                match end {
                    StepEnd::Done => assert!(!is_stopped, "{kind}"),
                    StepEnd::Stopped(Settlement::Done) => assert!(is_stopped, "{kind}"),
                    end => panic!("{kind}: {end:?}"),
                }
                assert_eq!(
                    saga.way_back.is_closed(),
                    kind.closes_the_way_back(),
                    "{kind}"
                );
            }
        }
    }

    #[test]
    fn a_stop_is_answered_by_the_fate_of_the_saga() {
        let way_back = WayBack::open();
        assert_eq!(way_back.stop(), StopAnswer::Stopped);
        assert_eq!(way_back.stop(), StopAnswer::Stopped);
        assert!(!way_back.end(), "a saga that is stopped does not complete");
        assert!(!way_back.begin_to_close());
        assert!(!way_back.close_unless_stopped());
        assert!(!way_back.is_closed());

        let way_back = WayBack::open();
        assert!(way_back.begin_to_close());
        assert_eq!(way_back.stop(), StopAnswer::Uncertain);
        assert!(!way_back.is_closed());
        way_back.close();
        assert_eq!(way_back.stop(), StopAnswer::Closed);

        let way_back = WayBack::open();
        assert!(way_back.end());
        assert_eq!(way_back.stop(), StopAnswer::Ended);
    }

    #[test]
    fn a_saga_that_is_stopped_requests_no_step_that_can_not_be_undone() {
        for kind in [Kind::Pivot, Kind::Retriable] {
            // The request to stop comes after the look at the interruption.
            let (saga, mut step) = (saga(false), step(kind));
            assert_eq!(saga.way_back.stop(), StopAnswer::Stopped);
            let begun = saga.begin_request::<()>(&mut step, false);
            assert!(
                matches!(begun, Err(StepEnd::Stopped(Settlement::Nothing))),
                "{kind}"
            );
            assert!(step.is_interrupted(), "{kind}");
        }
    }

    #[test]
    fn nothing_interrupts_a_saga_that_only_goes_forward() {
        let saga = saga(true);
        assert_eq!(saga.interruption(), Some(Interruption::Cancelled));
        saga.way_back.close();
        assert_eq!(saga.interruption(), None);
        assert!(
            saga.before_request::<()>(&mut step(Kind::Compensatable))
                .is_none()
        );
    }
}
