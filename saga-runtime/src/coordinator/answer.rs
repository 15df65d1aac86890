//! The answer of a saga that has ended: the typed one for its starter, and the one read from the journal for later
//! callers.

use crate::coordinator::error::{Abandoned, ExecuteError, Stuck};
use crate::error::{Cause, Compensation, CompensationOutcome, SagaError};
use crate::journal;
use crate::journal::history::{RecordedEnd, ReplayState};
use crate::journal::{Event, State};
use crate::language::from_json;
use crate::run::Saga;

/// The end of a saga, as a caller of [`execute`](crate::Coordinator::execute) gets it.
pub type Answer<G> = Result<<G as Saga>::Output, ExecuteError<<G as Saga>::Error>>;

/// Reads the answer of a saga from its history. `None` if the saga has not ended.
pub(super) fn recorded_answer<G: Saga>(recorded: &journal::History) -> Option<Answer<G>> {
    let id = &recorded.record.saga.id;
    let stuck = |reason: String| Some(Err(ExecuteError::Stuck(Stuck::new(id, reason, None))));
    let unreadable = |why: String| ExecuteError::Unreadable {
        id: id.clone(),
        state: recorded.record.state,
        why,
    };
    let (entries, damage) = match &recorded.entries {
        Ok(entries) => (entries, None),
        Err(damage) => (&damage.readable, Some(damage.to_string())),
    };
    let history = match (ReplayState::new(entries), &damage) {
        (Ok(history), None) => history,
        (Err(unclear), None) => match ReplayState::of_readable(entries) {
            // An operator has ended it as far as it can be read.
            history if recorded.record.state.is_final() => history,
            _ => return stuck(unclear.to_string()),
        },
        (_, Some(_)) if recorded.record.state.is_final() => ReplayState::of_readable(entries),
        (_, Some(damage)) => return stuck(damage.clone()),
    };
    match history.end() {
        Some(RecordedEnd::Abandoned { reason, left }) => Some(Err(ExecuteError::Abandoned(
            Abandoned::new(id, reason, left),
        ))),
        Some(RecordedEnd::Completed { output }) => Some(from_json(output).map_err(|error| {
            let version = recorded.record.saga.version;
            unreadable(format!(
                "the output of version {version} is of another type: {error}"
            ))
        })),
        Some(RecordedEnd::Compensated) => {
            Some(Err(ExecuteError::Failed(failure::<G>(recorded, &history))))
        }
        None if recorded.record.state == State::Stuck => {
            match entries.last().map(|last| &last.event) {
                Some(Event::Stuck { reason }) => {
                    let error = history.decision().map(|_| failure::<G>(recorded, &history));
                    let stuck = Stuck::new(id, &reason.message, error);
                    Some(Err(ExecuteError::Stuck(stuck)))
                }
                _ => None,
            }
        }
        None if recorded.record.state.is_final() => {
            let damage = damage.unwrap_or_else(|| "its last entry is missing".to_owned());
            Some(Err(unreadable(damage)))
        }
        None => None,
    }
}

/// The answer of a saga that has ended, or the error of one that has failed and is being undone. `None` if it goes forward.
pub(super) fn decided_answer<G: Saga>(recorded: &journal::History) -> Option<Answer<G>> {
    let ended = recorded_answer::<G>(recorded);
    if ended.is_some() {
        return ended;
    }
    let history = ReplayState::new(recorded.entries.as_ref().ok()?).ok()?;
    history.decision()?;
    let error = failure::<G>(recorded, &history);
    Some(Err(ExecuteError::Compensating(error)))
}

/// The error of a saga that was compensated, as far as it could be.
fn failure<G: Saga>(recorded: &journal::History, history: &ReplayState) -> SagaError<G::Error> {
    let pending = history
        .to_compensate()
        .filter(|call| history.compensation(call).is_none())
        .map(|call| (call, CompensationOutcome::Pending));
    let compensations = history.undone().chain(pending);
    let compensations = compensations.map(|(call, outcome)| Compensation {
        step: call.name.clone(),
        occurrence: call.occurrence,
        outcome,
    });
    let compensations = compensations.collect();
    let (step, cause) = match history.decision() {
        Some(decision) => {
            let cause = G::error_record().cause(&decision.reason);
            (decision.step.clone().map(Into::into), cause)
        }
        None => (None, Cause::Cancelled),
    };
    let id = Some(recorded.record.saga.id.clone());
    SagaError::new(
        G::META.name,
        id,
        step,
        cause,
        compensations,
        false,
        G::source_of,
    )
}
