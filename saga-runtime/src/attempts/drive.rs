//! The loops that carry out what `pursuit.rs` and `compensation.rs` decide. All I/O is behind [`Surroundings`].

use std::time::Duration;

use crate::attempts::compensation::{CompensationAttempts, CompensationCommand};
use crate::attempts::pursuit::{Command, Pursuit, PursuitEnd};
use crate::attempts::{
    Backoff, CompensationOrigin, CompensationResult, Compensator, GiveUp, LastError, Origin,
    PendingStep, Settlement, StepEnd, Surroundings, attempt,
};
use crate::error::CompensationFailure;
use crate::meta::AttemptPhase;
use crate::place::{Attempt, Position, Role};
use crate::telemetry;

/// Pursues the step until its outcome is settled. Returns the number of attempts as well.
pub async fn pursue<X>(
    step: &mut dyn PendingStep,
    origin: Origin,
    position: Position<'_>,
    around: &dyn Surroundings<X>,
) -> (StepEnd<X>, u32) {
    let policies = around.policies(step.meta());
    let (mut pursuit, command) = Pursuit::start(policies, around.retry_defaults(), origin);
    let end = match drive(&mut pursuit, command, step, position, around).await {
        Ok(end) => conclude(&pursuit, end, step, position),
        Err(suspension) => {
            interrupt(&pursuit, step);
            StepEnd::Suspended(suspension)
        }
    };
    (end, pursuit.attempts())
}

async fn drive<X>(
    pursuit: &mut Pursuit,
    mut command: Command,
    step: &mut dyn PendingStep,
    position: Position<'_>,
    around: &dyn Surroundings<X>,
) -> Result<PursuitEnd, X> {
    loop {
        command = match command {
            Command::Attempt { number, purpose } => {
                let attempt = Attempt::new(position, Role::Action, number);
                pursuit.heard(around.ask(step, attempt, purpose).await?)
            }
            Command::Wait(delay) => {
                let (backoff, last) = (pursuit.backoff(delay), LastError::Step(&mut *step));
                pursuit.waited(around.wait(backoff, last).await?)
            }
            Command::Pause(delay) => {
                let (backoff, last) = (pursuit.backoff(delay), LastError::Step(&mut *step));
                around.pause(backoff, last).await?;
                pursuit.paused()
            }
            Command::InDoubt { is_final } => {
                interrupt(pursuit, step);
                telemetry::in_doubt(position);
                if is_final {
                    let attempts = pursuit.attempts();
                    around.begin_settling(position, attempts, step).await?;
                }
                pursuit.settle()
            }
            Command::Exhausted => {
                let (attempts, last) = (pursuit.attempts(), LastError::Step(&mut *step));
                match around.exhausted(attempts, last) {
                    Some(suspension) => return Err(suspension),
                    None => pursuit.persist(),
                }
            }
            Command::Resolve => {
                let (phase, start) = (AttemptPhase::Resolving, around.resolver_origin());
                let made = compensate(step.resolver(), phase, position, start, around);
                let (_, resolved) = made.await?;
                Pursuit::resolved(resolved)
            }
            Command::End(end) => return Ok(end),
        }
    }
}

/// Gives the step up if the saga was interrupted.
fn interrupt(pursuit: &Pursuit, step: &mut dyn PendingStep) {
    if let Some(interruption) = pursuit.interruption() {
        step.give_up(GiveUp::Interrupted(interruption));
    }
}

fn conclude<X>(
    pursuit: &Pursuit,
    end: PursuitEnd,
    step: &mut dyn PendingStep,
    position: Position<'_>,
) -> StepEnd<X> {
    let settlement = match end {
        PursuitEnd::Done => return StepEnd::Done,
        PursuitEnd::Refused => return StepEnd::Refused,
        PursuitEnd::Stopped(settlement) => settlement,
        PursuitEnd::Unanswered => {
            let attempts = pursuit.attempts();
            telemetry::compensation_failed(position, attempts);
            let message = step.reason().message;
            Settlement::Unresolved(CompensationFailure::new(attempts, message))
        }
    };
    // The errors of attempts since then do not count.
    interrupt(pursuit, step);
    StepEnd::Stopped(settlement)
}

/// Attempts a compensation or a resolver, which `phase` says, by the policy of the step, until it succeeds or has failed for good.
///
/// # Errors
/// The reason for which the engine suspends the saga instead.
pub async fn compensate<X>(
    compensator: &mut dyn Compensator,
    phase: AttemptPhase,
    position: Position<'_>,
    origin: CompensationOrigin,
    around: &dyn Surroundings<X>,
) -> Result<CompensationResult, X> {
    let step = around.policies(position.step());
    let limit = around.limit(step.compensation_timeout);
    let policy = step.compensation_retry_by(around.retry_defaults());
    let (mut compensation, mut command) = CompensationAttempts::start(policy, origin);
    loop {
        command = match command {
            CompensationCommand::Attempt(number) => {
                let place = Attempt::new(position, Role::Compensation, number);
                let result = attempt_compensation(compensator, place, limit, around).await;
                compensation.heard(result)
            }
            CompensationCommand::Pause(delay) => {
                let backoff = Backoff {
                    delay,
                    phase,
                    attempts: compensation.attempts(),
                    earlier: 0,
                    may_have_acted: true,
                };
                let last = LastError::Compensation(compensation.message());
                around.pause(backoff, last).await?;
                compensation.paused()
            }
            CompensationCommand::End(end) => {
                if end.is_err() {
                    telemetry::compensation_failed(position, compensation.attempts());
                }
                return Ok((compensation.attempts(), end));
            }
        }
    }
}

async fn attempt_compensation<X>(
    compensator: &mut dyn Compensator,
    place: Attempt<'_>,
    limit: Option<Duration>,
    around: &dyn Surroundings<X>,
) -> Result<(), String> {
    let made = Box::pin(async {
        // In a block, so that a function that panics before it returns its future is caught as well.
        let compensation = async { compensator.compensate(&place).await };
        attempt(&place, compensation, limit).await.into_result()
    });
    around.compensate(place, made).await
}
