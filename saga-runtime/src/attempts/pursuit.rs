//! A step from its first attempt to a settled outcome: retries, waits, and what is in doubt.

use crate::attempts::decision::{AfterAttempt, DoubtPlan, after_attempt, settling};
use crate::attempts::{
    AttemptOutcome, AttemptReport, GiveUp, PendingStep, Purpose, Settlement, StepEnd, Surroundings,
    Verdict, compensate,
};
use crate::error::{CompensationFailure, Interruption};
use crate::meta::Kind;
use crate::place::{Attempt, Position, Role};
use crate::telemetry;

/// Where the pursuit of a step begins.
#[derive(Debug)]
pub enum Origin {
    /// Nothing is known about it: who is asked for its attempts knows more.
    Request,
    /// Its first attempt was answered like this.
    After(Verdict),
    /// An earlier process may have requested it, and the answer is lost.
    InDoubt,
    /// The same, and the saga is interrupted before it can be requested again.
    Interrupted(Interruption),
    /// It was given up, for a reason that is written down, and is only to be settled.
    Settling,
}

/// Pursues the step until its outcome is settled; says how often it was attempted as well.
pub async fn pursue<X>(
    step: &mut dyn PendingStep,
    begin: Origin,
    position: Position<'_>,
    around: &dyn Surroundings<X>,
) -> (StepEnd<X>, u32) {
    if let Origin::Interrupted(interruption) = begin {
        step.give_up(GiveUp::Interrupted(interruption));
    }
    let mut attempts = u32::from(matches!(begin, Origin::After(_)));
    let end = settle(step, begin, &mut attempts, position, around).await;
    (end.unwrap_or_else(StepEnd::Suspended), attempts)
}

async fn settle<X>(
    step: &mut dyn PendingStep,
    from: Origin,
    attempts: &mut u32,
    position: Position<'_>,
    around: &dyn Surroundings<X>,
) -> Result<StepEnd<X>, X> {
    let meta = step.meta();
    // A step that an earlier process may have requested is not known to have refused the first time.
    let mut may_have_acted = !matches!(from, Origin::Request | Origin::After(_));
    let is_decided = matches!(from, Origin::Settling);
    let (next, interruption) = match from {
        Origin::Settling => (AfterAttempt::Settle, None),
        Origin::Interrupted(interruption) => (AfterAttempt::Settle, Some(interruption)),
        Origin::Request | Origin::InDoubt | Origin::After(_) => {
            let mut last = None;
            let mut heard = match from {
                Origin::After(answer) => AttemptReport::from(answer),
                _ => again(step, position, attempts, Purpose::Forward, around).await?,
            };
            let mut waits = meta.forward_retry().backoffs().peekable();
            loop {
                may_have_acted |= heard.is_repeated;
                let answer = match heard.outcome {
                    AttemptOutcome::Verdict(answer) => answer,
                    // Nothing is heard of an attempt that may have been made.
                    AttemptOutcome::Interrupted(interruption) if heard.is_repeated => {
                        break (AfterAttempt::Settle, Some(interruption));
                    }
                    // It was not made, so the last answer stands.
                    AttemptOutcome::Interrupted(interruption) => {
                        let next = last.map_or(AfterAttempt::Refuse, |last| {
                            after_attempt(meta.kind, last, false)
                        });
                        break (next, Some(interruption));
                    }
                };
                last = Some(answer);
                may_have_acted |= matches!(answer, Verdict::InDoubt { .. });
                match after_attempt(meta.kind, answer, waits.peek().is_some()) {
                    AfterAttempt::Proceed => return Ok(StepEnd::Done),
                    AfterAttempt::Again => {
                        // A retriable step is reached only when the saga goes forward for good, so nothing
                        // interrupts it.
                        if let Some(wait) = waits.next()
                            && let Some(interruption) = around.wait(wait).await?
                        {
                            // There is no other attempt, so the last answer stands.
                            break (after_attempt(meta.kind, answer, false), Some(interruption));
                        }
                        heard = again(step, position, attempts, Purpose::Forward, around).await?;
                    }
                    next => break (next, None),
                }
            }
        }
    };
    let settling = if may_have_acted {
        settling(meta.kind, meta.resolver.is_some(), next)
    } else {
        DoubtPlan::Leave
    };
    if let Some(interruption) = interruption {
        step.give_up(GiveUp::Interrupted(interruption));
    }
    if settling != DoubtPlan::Leave {
        telemetry::in_doubt(position);
        // A pivot in doubt is only asked again, and goes forward if it was done: nothing is decided yet.
        if !is_decided && meta.kind != Kind::Pivot {
            let reason = step.reason();
            around.begin_settling(position, *attempts, reason).await?;
        }
    }
    let settlement = match settling {
        DoubtPlan::Leave if next == AfterAttempt::Refuse && interruption.is_none() => {
            return Ok(StepEnd::Refused);
        }
        DoubtPlan::Leave => Settlement::Nothing,
        DoubtPlan::Resolve => match compensate(step.resolver(), position, None, around).await?.1 {
            Ok(()) => Settlement::Resolved,
            Err(failure) => Settlement::Unresolved(failure),
        },
        DoubtPlan::AskAgain => match ask_again(step, attempts, position, around).await? {
            // It can't be undone, so the saga goes on from here.
            Settlement::Done if meta.kind == Kind::Pivot => return Ok(StepEnd::Done),
            settlement => settlement,
        },
    };
    // Whatever the attempts since have given, this is the reason.
    if let Some(interruption) = interruption {
        step.give_up(GiveUp::Interrupted(interruption));
    }
    Ok(StepEnd::Stopped(settlement))
}

/// The next attempt.
async fn again<X>(
    step: &mut dyn PendingStep,
    position: Position<'_>,
    attempts: &mut u32,
    phase: Purpose,
    around: &dyn Surroundings<X>,
) -> Result<AttemptReport, X> {
    *attempts += 1;
    let attempt = Attempt::new(position, Role::Action, *attempts);
    around.ask(step, attempt, phase).await
}

/// Attempts the step again, whatever the saga's cancellation or deadline, until the answer is definite.
async fn ask_again<X>(
    step: &mut dyn PendingStep,
    attempts: &mut u32,
    position: Position<'_>,
    around: &dyn Surroundings<X>,
) -> Result<Settlement, X> {
    let mut waits = step.meta().settling_retry().backoffs();
    loop {
        let heard = again(step, position, attempts, Purpose::Settling, around).await?;
        match heard.outcome {
            AttemptOutcome::Verdict(Verdict::Done) => return Ok(Settlement::Done),
            AttemptOutcome::Verdict(Verdict::Refused { .. }) => return Ok(Settlement::Nothing),
            // Nothing interrupts this: whoever says so has no answer.
            AttemptOutcome::Verdict(Verdict::InDoubt { .. }) | AttemptOutcome::Interrupted(_) => {
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
