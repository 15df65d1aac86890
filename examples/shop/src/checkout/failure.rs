//! A checkout that failed, as its caller hears of it: a gRPC status that says all of it in its message, and again, for
//! programs, as a [`Failure`] in its trailer.

use prost::Message as _;
use saga_restate::{Report, Undone};
use saga_runtime::{Cause, CompensationFailure, CompensationOutcome, SagaError};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use super::CheckoutError;
use crate::proto::checkout::{Compensation, Failure};

/// Where the status carries the [`Failure`].
const TRAILER: &str = "checkout-failure-bin";

/// The status of a checkout that failed.
pub(super) fn status(error: &SagaError<CheckoutError>) -> Status {
    let code = match error.cause() {
        _ if !error.is_compensated() => Code::Internal,
        Cause::Error(error) if !error.is_transient() => Code::FailedPrecondition,
        Cause::Recorded { .. } => Code::Aborted,
        _ => Code::Unavailable,
    };
    told(code, error.to_string(), &Failure::from(error))
}

/// The status of a checkout that failed, of which Restate has only the words.
pub(super) fn reported(report: &Report) -> Status {
    let code = match report.code.as_str() {
        _ if !report.is_compensated => Code::Internal,
        "error" | "recorded" => Code::Aborted,
        _ => Code::Unavailable,
    };
    told(code, report.to_string(), &Failure::from(report))
}

fn told(code: Code, message: String, failure: &Failure) -> Status {
    let mut trailers = MetadataMap::new();
    let failure = failure.encode_to_vec();
    trailers.insert_bin(TRAILER, MetadataValue::from_bytes(&failure));
    Status::with_metadata(code, message, trailers)
}

impl From<&SagaError<CheckoutError>> for Failure {
    fn from(error: &SagaError<CheckoutError>) -> Self {
        let compensations = error
            .compensations()
            .iter()
            .map(|compensation| Compensation {
                step: compensation.step.to_string(),
                error: left_by_outcome(&compensation.outcome),
            });
        Self {
            step: error.step().unwrap_or_default().to_owned(),
            cause: error.cause().to_string(),
            compensations: compensations.collect(),
            compensated: error.is_compensated(),
        }
    }
}

impl From<&Report> for Failure {
    fn from(report: &Report) -> Self {
        let compensations = report.compensations.iter().map(|one| Compensation {
            step: one.step.clone(),
            error: left_by_report(&one.undone),
        });
        Self {
            step: report.step.clone().unwrap_or_default(),
            cause: report.cause.clone(),
            compensations: compensations.collect(),
            compensated: report.is_compensated,
        }
    }
}

/// The reason why the effect of a step may still be there; `None` if it is undone.
fn left_by_outcome(outcome: &CompensationOutcome) -> Option<String> {
    match outcome {
        CompensationOutcome::Compensated
        | CompensationOutcome::Resolved
        | CompensationOutcome::ResolvedByHand { .. } => None,
        CompensationOutcome::Failed(failure) => Some(failure.to_string()),
        CompensationOutcome::Skipped { reason } => Some(format!("skipped: {reason}")),
        _ => Some("pending".to_owned()),
    }
}

/// The same, as Restate tells it.
fn left_by_report(undone: &Undone) -> Option<String> {
    match undone {
        Undone::Compensated | Undone::Resolved | Undone::ResolvedByHand { .. } => None,
        Undone::Failed { attempts, message } => {
            Some(CompensationFailure::new(*attempts, message.clone()).to_string())
        }
        Undone::Skipped { reason } => Some(format!("skipped: {reason}")),
        _ => Some("pending".to_owned()),
    }
}

impl Failure {
    /// What a status of the checkout says, unless it comes from somewhere on the way.
    #[must_use]
    pub fn from_status(status: &Status) -> Option<Self> {
        let failure = status.metadata().get_bin(TRAILER)?.to_bytes().ok()?;
        Self::decode(failure).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_hears_the_same_of_a_journal_and_of_restate() {
        let reason = || "case 4711".to_owned();
        let message = || "no".to_owned();
        for (outcome, undone, left) in [
            (CompensationOutcome::Compensated, Undone::Compensated, None),
            (CompensationOutcome::Resolved, Undone::Resolved, None),
            (
                CompensationOutcome::ResolvedByHand { reason: reason() },
                Undone::ResolvedByHand { reason: reason() },
                None,
            ),
            (
                CompensationOutcome::Failed(CompensationFailure::new(5, message())),
                Undone::Failed {
                    attempts: 5,
                    message: message(),
                },
                Some("no after 5 attempts"),
            ),
            (
                CompensationOutcome::Skipped { reason: reason() },
                Undone::Skipped { reason: reason() },
                Some("skipped: case 4711"),
            ),
            (
                CompensationOutcome::Pending,
                Undone::Pending,
                Some("pending"),
            ),
        ] {
            let told = left_by_outcome(&outcome);
            assert_eq!(told, left_by_report(&undone), "{undone:?}");
            assert_eq!(told.is_some(), left.is_some(), "{undone:?}");
            if !matches!(undone, Undone::Failed { .. }) {
                assert_eq!(told.as_deref(), left);
            }
        }
    }
}
