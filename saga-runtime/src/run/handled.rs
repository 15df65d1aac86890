//! Failures of called sagas and of groups that the body handles: all that the part has done is compensated first.
//!
//! A saga with a pivot can be such a part: it fails only before its pivot is done, as the order rule has it.
//!
//! ```text
//! pack fails ─▶ its failure is recorded ─▶ its calls are compensated, last first ─▶ the body goes on with the `Err`
//!                                                       └─ one can't be undone ─▶ the whole saga fails
//! ```

use crate::error::{Cause, Compensation, Reason, UNRECORDABLE_ERROR};
use crate::language::{Callee, ErrorRecord};
use crate::meta::UndoRules;
use crate::panic::{drop_caught, text};
use crate::place::{Calls, Doubt, Failure, Instance, Scope};
use crate::run::callable::{CallEnd, EndOf};
use crate::run::sub_saga::{CalledSubSaga, SubSaga};
use crate::run::unwind::{HandledPart, Unwinding};
use crate::run::{Engine, Saga, Stop};

/// The calls of a part of a saga while it is compensated: they see its failure.
pub(super) struct UndoneCalls<'a> {
    calls: &'a dyn Calls,
    part: HandledPart<'a>,
}

impl<'a> UndoneCalls<'a> {
    pub(super) fn new(calls: &'a dyn Calls, part: HandledPart<'a>) -> Self {
        Self { calls, part }
    }
}

impl Calls for UndoneCalls<'_> {
    fn instance(&self) -> &Instance {
        self.calls.instance()
    }

    fn count(&self) -> usize {
        self.calls.count()
    }

    fn name(&self, index: usize) -> &'static str {
        self.calls.name(index)
    }

    fn scope(&self) -> Option<&Scope> {
        self.calls.scope()
    }

    fn doubt(&self) -> Option<&Doubt> {
        self.part.doubt
    }

    fn undo_rules(&self) -> UndoRules {
        self.calls.undo_rules()
    }

    fn failure(&self) -> Option<&Failure> {
        Some(self.part.failure)
    }

    fn occurrence(&self, name: &str, before: usize) -> usize {
        self.calls.occurrence(name, before)
    }
}

/// Returns true if nothing of these calls is left to undo. An operator may have decided that an effect stays.
pub(super) fn are_undone(compensations: &[Compensation]) -> bool {
    !compensations.iter().any(Compensation::is_open)
}

/// The end of a called saga whose failure the body handles, from its end in the run. A member of a group is compensated
/// together with the others.
pub(super) async fn handle<'run, G, E>(
    engine: &'run E,
    calls: &dyn Calls,
    mut end: EndOf<'run, SubSaga<'run, G>, E>,
    errors: ErrorRecord<G::Error>,
) -> EndOf<'run, SubSaga<'run, G>, E>
where
    G: Saga + Callee,
    E: Engine,
{
    let is_settled = are_undone(&end.settled);
    let failure = match end.returned {
        Ok(Err(error)) if !is_settled => {
            end.returned = Err(not_undone(text(&error)));
            drop_caught(error);
            return end;
        }
        Ok(Err(error)) => {
            let recorded = errors.handled(&error);
            let message = text(&error);
            drop_caught(error);
            match recorded {
                Ok((json, back)) => {
                    drop_caught(back);
                    let reason = Reason {
                        error: Some(json),
                        ..Reason::new("error", message.clone())
                    };
                    // Unless the engine records the failure, it ends the whole saga.
                    end.returned = Err(Stop::Cause(Cause::Recorded { message }));
                    Some(reason)
                }
                Err(problem) => {
                    let message = format!("{UNRECORDABLE_ERROR}{problem}");
                    end.returned = Err(Stop::Cause(Cause::Unrecordable { message }));
                    None
                }
            }
        }
        // An earlier process has recorded the text of what has failed in it, and perhaps more.
        Err(Stop::Cause(Cause::Recorded { message })) if is_settled => {
            end.returned = Err(Stop::Cause(Cause::Recorded { message }));
            None
        }
        returned => {
            end.returned = returned;
            return end;
        }
    };
    let read = |json: &str| match errors.read(json) {
        Some(Ok(error)) => {
            drop_caught(error);
            Ok(())
        }
        Some(Err(unread)) => Err(unread.to_string()),
        None => Err("it is recorded as text".to_owned()),
    };
    let handling = engine.handle_failure(calls, &const { G::CALLEE }, failure, &read);
    let reason = match handling.await {
        Ok(Some(reason)) => reason,
        Ok(None) => return end,
        Err(suspension) => return suspended(end, suspension),
    };
    let error = reason.error.as_deref().and_then(|json| errors.read(json));
    let Some(Ok(error)) = error else {
        let message = reason.message;
        end.returned = Err(Stop::Cause(Cause::Recorded { message }));
        return end;
    };
    if calls.group().is_some() {
        end.returned = Ok(Err(error));
        return end;
    }
    let failure = Failure::new(end.failed_at.clone(), reason.code, reason.message);
    let part = HandledPart {
        failure: &failure,
        doubt: calls.doubt(),
    };
    let mut unwinding = Unwinding::of_part(calls.undo_rules(), part);
    if let Some(called) = &end.left
        && let Err(suspension) = called.calls().unwind(&mut unwinding).await
    {
        return suspended(end, suspension);
    }
    let compensations = unwinding.compensations;
    end.left = Some(CalledSubSaga::undone());
    if are_undone(&compensations) {
        end.returned = Ok(Err(error));
    } else {
        drop_caught(error);
        end.returned = Err(not_undone(failure.message().to_owned()));
    }
    end.settled.extend(compensations);
    end
}

/// The saga fails, because a part of it can't be undone.
pub(super) fn not_undone<X>(message: String) -> Stop<X> {
    Stop::Cause(Cause::NotUndone { message })
}

/// The end of a call during which the engine suspends the saga.
fn suspended<T, F, L, X>(mut end: CallEnd<T, F, L, X>, suspension: X) -> CallEnd<T, F, L, X> {
    end.is_called = false;
    end.returned = Err(Stop::Suspended(suspension));
    end
}
