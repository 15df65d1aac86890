//! A step from its first attempt to a settled outcome: retries, waits, and what is in doubt.

use crate::attempts::decision::{Next, Settling, after_attempt, settling};
use crate::attempts::{
    Answer, Heard, Phase, Requested, Said, Settlement, StepEnd, Surroundings, Why, undo,
};
use crate::error::{CompensationFailure, Interruption};
use crate::meta::Kind;
use crate::place::{Attempt, Position, Role};
use crate::telemetry;

/// Where the pursuit of a step begins.
#[derive(Debug)]
pub enum Begin {
    /// Nothing is known about it: who is asked for its attempts knows more.
    Request,
    /// Its first attempt was answered like this.
    After(Answer),
    /// An earlier process may have requested it, and the answer is lost.
    InDoubt,
    /// The same, and the saga is interrupted before it can be requested again.
    Interrupted(Interruption),
    /// It was given up, for a reason that is written down, and is only to be settled.
    Settling,
}

/// Pursues the step until its outcome is settled; says how often it was attempted as well.
pub async fn pursue<X>(
    step: &mut dyn Requested,
    begin: Begin,
    position: Position<'_>,
    around: &dyn Surroundings<X>,
) -> (StepEnd<X>, u32) {
    if let Begin::Interrupted(interruption) = begin {
        step.give_up(Why::Interrupted(interruption));
    }
    let mut attempts = u32::from(matches!(begin, Begin::After(_)));
    let end = settle(step, begin, &mut attempts, position, around).await;
    (end.unwrap_or_else(StepEnd::Suspended), attempts)
}

async fn settle<X>(
    step: &mut dyn Requested,
    from: Begin,
    attempts: &mut u32,
    position: Position<'_>,
    around: &dyn Surroundings<X>,
) -> Result<StepEnd<X>, X> {
    let meta = step.meta();
    // A step that an earlier process may have requested is not known to have refused the first time.
    let mut may_have_acted = !matches!(from, Begin::Request | Begin::After(_));
    let is_decided = matches!(from, Begin::Settling);
    let (next, interruption) = match from {
        Begin::Settling => (Next::Settle, None),
        Begin::Interrupted(interruption) => (Next::Settle, Some(interruption)),
        Begin::Request | Begin::InDoubt | Begin::After(_) => {
            let mut last = None;
            let mut heard = match from {
                Begin::After(answer) => Heard::from(answer),
                _ => again(step, position, attempts, Phase::Forward, around).await?,
            };
            let mut waits = meta.forward_retry().backoffs().peekable();
            loop {
                may_have_acted |= heard.is_repeated;
                let answer = match heard.said {
                    Said::Answer(answer) => answer,
                    // Nothing is heard of an attempt that may have been made.
                    Said::Interrupted(interruption) if heard.is_repeated => {
                        break (Next::Settle, Some(interruption));
                    }
                    // It was not made, so the last answer stands.
                    Said::Interrupted(interruption) => {
                        let next =
                            last.map_or(Next::Refuse, |last| after_attempt(meta.kind, last, false));
                        break (next, Some(interruption));
                    }
                };
                last = Some(answer);
                may_have_acted |= matches!(answer, Answer::InDoubt { .. });
                match after_attempt(meta.kind, answer, waits.peek().is_some()) {
                    Next::Proceed => return Ok(StepEnd::Done),
                    Next::Again => {
                        // A retriable step is reached only when the saga goes forward for good, so nothing
                        // interrupts it.
                        if let Some(wait) = waits.next()
                            && let Some(interruption) = around.wait(wait).await?
                        {
                            // There is no other attempt, so the last answer stands.
                            break (after_attempt(meta.kind, answer, false), Some(interruption));
                        }
                        heard = again(step, position, attempts, Phase::Forward, around).await?;
                    }
                    next => break (next, None),
                }
            }
        }
    };
    let settling = if may_have_acted {
        settling(meta.kind, meta.resolver.is_some(), next)
    } else {
        Settling::Leave
    };
    if let Some(interruption) = interruption {
        step.give_up(Why::Interrupted(interruption));
    }
    if settling != Settling::Leave {
        telemetry::in_doubt(position);
        // A pivot in doubt is only asked again, and goes forward if it was done: nothing is decided yet.
        if !is_decided && meta.kind != Kind::Pivot {
            let reason = step.reason();
            around.begin_settling(position, *attempts, reason).await?;
        }
    }
    let settlement = match settling {
        Settling::Leave if next == Next::Refuse && interruption.is_none() => {
            return Ok(StepEnd::Refused);
        }
        Settling::Leave => Settlement::Nothing,
        Settling::Resolve => match undo(step.resolver(), position, None, around).await?.1 {
            Ok(()) => Settlement::Resolved,
            Err(failure) => Settlement::Unresolved(failure),
        },
        Settling::AskAgain => match ask_again(step, attempts, position, around).await? {
            // It can't be undone, so the saga goes on from here.
            Settlement::Done if meta.kind == Kind::Pivot => return Ok(StepEnd::Done),
            settlement => settlement,
        },
    };
    // Whatever the attempts since have given, this is the reason.
    if let Some(interruption) = interruption {
        step.give_up(Why::Interrupted(interruption));
    }
    Ok(StepEnd::Stopped(settlement))
}

/// The next attempt.
async fn again<X>(
    step: &mut dyn Requested,
    position: Position<'_>,
    attempts: &mut u32,
    phase: Phase,
    around: &dyn Surroundings<X>,
) -> Result<Heard, X> {
    *attempts += 1;
    let attempt = Attempt::new(position, Role::Action, *attempts);
    around.ask(step, attempt, phase).await
}

/// Attempts the step again, whatever the saga's cancellation or deadline, until the answer is definite.
async fn ask_again<X>(
    step: &mut dyn Requested,
    attempts: &mut u32,
    position: Position<'_>,
    around: &dyn Surroundings<X>,
) -> Result<Settlement, X> {
    let mut waits = step.meta().settling_retry().backoffs();
    loop {
        let heard = again(step, position, attempts, Phase::Settling, around).await?;
        match heard.said {
            Said::Answer(Answer::Done) => return Ok(Settlement::Done),
            Said::Answer(Answer::Refused { .. }) => return Ok(Settlement::Nothing),
            // Nothing interrupts this: whoever says so has no answer.
            Said::Answer(Answer::InDoubt { .. }) | Said::Interrupted(_) => {
                let Some(wait) = waits.next() else {
                    telemetry::compensation_failed(position, *attempts);
                    let message = step.reason().message;
                    let failure = CompensationFailure::new(*attempts, message);
                    return Ok(Settlement::Unresolved(failure));
                };
                around.pause(wait).await?;
            }
        }
    }
}
