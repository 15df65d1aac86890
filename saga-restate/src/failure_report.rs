//! The report on a failed saga in the message of its invocation: a line to read, then the same as JSON.

use std::convert::Infallible;
use std::fmt;

use saga_runtime::engine::{ErrorRecord, Escaped, Instance, Position, text};
use saga_runtime::{Cause, CompensationFailure, CompensationOutcome, SagaError, SagaId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A saga that failed: the step, the cause, and every compensation.
///
/// `Display` is one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The durable name of the saga.
    pub saga: String,
    /// Its id.
    pub id: String,
    /// The step at which it failed; `None` if it was the code of its body.
    pub step: Option<String>,
    /// The kind of the cause, in a word: see [`Cause::code`](saga_runtime::Cause::code).
    pub code: String,
    /// The cause in words.
    pub cause: String,
    /// The steps that had to be compensated, in the order in which their compensations ended.
    pub compensations: Vec<UndoneStep>,
    /// True if every step that may have had an effect is compensated. If not, an operator has to look at the saga.
    pub is_compensated: bool,
    /// The whole report in one line.
    pub line: String,
    /// The saga's own error, if its type allows it. An older version has recorded none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson>,
    /// The name of the call at which it failed, if that was not the first one of the step. An older version has recorded none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call: Option<String>,
}

/// An error as JSON. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct ErrorJson(String);

impl fmt::Debug for ErrorJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A step that had to be compensated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UndoneStep {
    /// Its durable name.
    pub step: String,
    /// The number of earlier calls of the same step: 0 for the first.
    #[serde(default, skip_serializing_if = "is_first")]
    pub occurrence: u32,
    /// The end of its compensation.
    pub undone: Undone,
}

/// The end of the compensation of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Undone {
    /// It is compensated.
    Compensated,
    /// It was in doubt, and its resolver has removed any effect.
    Resolved,
    /// Its compensation failed for good: its effect may still be there.
    Failed {
        /// The number of attempts.
        attempts: u32,
        /// The text of the last error.
        message: String,
    },
    /// Its compensation failed, and an operator has undone it by hand.
    ResolvedByHand {
        /// The operator's reason.
        reason: String,
    },
    /// Its compensation failed, and an operator has decided that its effect stays.
    Skipped {
        /// The operator's reason.
        reason: String,
    },
    /// Its compensation did not run.
    Pending,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_first(occurrence: &u32) -> bool {
    *occurrence == 0
}

/// The kind of a cause. An error that an earlier process has recorded is one like any other.
fn code<E>(cause: &Cause<E>) -> &'static str {
    match cause {
        Cause::Recorded { .. } => "error",
        other => other.code(),
    }
}

impl Report {
    pub(crate) fn new<E: fmt::Display>(
        id: &str,
        error: &SagaError<E>,
        record: ErrorRecord<E>,
    ) -> Self {
        let compensations = error.compensations().iter().map(|one| UndoneStep {
            step: one.step.to_string(),
            occurrence: one.occurrence,
            undone: match &one.outcome {
                CompensationOutcome::Compensated => Undone::Compensated,
                CompensationOutcome::Resolved => Undone::Resolved,
                CompensationOutcome::ResolvedByHand { reason } => Undone::ResolvedByHand {
                    reason: reason.clone(),
                },
                CompensationOutcome::Skipped { reason } => Undone::Skipped {
                    reason: reason.clone(),
                },
                CompensationOutcome::Failed(failure) => Undone::Failed {
                    attempts: failure.attempts,
                    message: failure.message.clone(),
                },
                _ => Undone::Pending,
            },
        });
        Self {
            saga: error.saga().to_owned(),
            id: id.to_owned(),
            step: error.step().map(str::to_owned),
            code: code(error.cause()).to_owned(),
            cause: text(error.cause()),
            compensations: compensations.collect(),
            is_compensated: error.is_compensated(),
            line: text(error),
            error: match error.cause() {
                Cause::Error(error) => record.write(error).map(ErrorJson),
                _ => None,
            },
            call: error
                .call()
                .filter(|call| error.step() != Some(call))
                .map(str::to_owned),
        }
    }

    /// The report on a saga whose pivot gave no answer: it has not failed yet.
    pub(crate) fn in_doubt(
        instance: &Instance,
        position: &Position<'_>,
        call: &str,
        failure: &CompensationFailure,
    ) -> Self {
        let (saga, cause) = (instance.name(), failure.to_string());
        let step = position.name().into_owned();
        Self {
            saga: saga.to_owned(),
            id: instance.id().to_string(),
            code: "in_doubt".to_owned(),
            compensations: Vec::new(),
            is_compensated: false,
            line: format!(
                "saga `{saga}` waits at step `{call}`, which may be done or not: {cause}"
            ),
            cause,
            error: None,
            call: (step != call).then(|| call.to_owned()),
            step: Some(step),
        }
    }

    /// The name of the call at which the saga failed: that of the step, and from its second call on the number of earlier calls,
    /// `subscribe#1`.
    #[must_use]
    pub fn call(&self) -> Option<&str> {
        self.call.as_deref().or(self.step.as_deref())
    }

    /// The saga's own error. `None` if it failed for another cause, or if the error can't be read as an `E`.
    #[must_use]
    pub fn error<E: DeserializeOwned>(&self) -> Option<E> {
        serde_json::from_str(&self.error.as_ref()?.0).ok()
    }

    /// The report on a saga that completed, but whose result can't be recorded.
    pub(crate) fn unrecordable(saga: &str, id: &SagaId, reason: &str) -> Self {
        let message = format!("its result can't be recorded: {reason}");
        let cause = Cause::<Infallible>::Unrecordable { message };
        let text = text(&cause);
        Self {
            saga: saga.to_owned(),
            id: id.to_string(),
            step: None,
            code: code(&cause).to_owned(),
            compensations: Vec::new(),
            is_compensated: false,
            line: format!("saga `{saga}` completed, but {text}"),
            cause: text,
            error: None,
            call: None,
        }
    }

    /// The message of the invocation.
    pub(crate) fn message(&self) -> String {
        let json = serde_json::to_string(self).expect("it has only text and numbers");
        format!("{}\n{json}", self.line)
    }

    /// The report in the message of an invocation.
    pub(crate) fn read(message: &str) -> Option<Self> {
        let (_, json) = message.rsplit_once('\n')?;
        serde_json::from_str(json).ok()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(&self.line).fmt(f)
    }
}

impl std::error::Error for Report {}
