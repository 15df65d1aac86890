//! All that can be seen of a saga from outside.

use saga_runtime::{Cause, CompensationOutcome, SagaError};

use crate::participant::{Participant, Refusal};
use crate::random::case::Options;

#[derive(Debug, PartialEq)]
pub(in crate::suite::random) struct Report {
    /// The requests to the participant, in order.
    asked: Vec<Asked>,
    /// The effects that are left at the end.
    pub(in crate::suite::random) left: Vec<String>,
    /// The result that the caller gets.
    pub(in crate::suite::random) ended: Result<Vec<String>, Failure>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asked {
    pub(super) what: String,
    pub(super) key: String,
    pub(super) action_key: String,
    pub(super) attempt: u32,
}

#[derive(Debug, PartialEq)]
pub(in crate::suite::random) struct Failure {
    pub(in crate::suite::random) call: Option<String>,
    pub(in crate::suite::random) cause: Cause<Refusal>,
    pub(in crate::suite::random) compensations: Vec<(String, CompensationOutcome)>,
    pub(in crate::suite::random) is_compensated: bool,
}

impl Report {
    pub(super) fn new(
        mut asked: Vec<Asked>,
        left: Vec<String>,
        ended: Result<Vec<String>, Failure>,
        options: Options,
    ) -> Self {
        if options == Options::Parallel {
            // Compensations come in any order, all after the steps.
            let first = asked.iter().position(|one| one.what.starts_with("undo"));
            let undoing = first.map_or(&mut [][..], |first| &mut asked[first..]);
            undoing.sort();
        }
        Self { asked, left, ended }
    }

    /// Reports a saga that has run.
    pub(in crate::suite::random) fn of(
        participant: &Participant,
        ended: Result<Vec<String>, SagaError<Refusal>>,
        options: Options,
    ) -> Self {
        let asked = participant.all_requests().into_iter().map(|one| Asked {
            what: one.what,
            key: one.key,
            action_key: one.action_key,
            attempt: one.attempt,
        });
        let ended = ended.map_err(|error| Failure {
            call: error.call().map(str::to_owned),
            is_compensated: error.is_compensated(),
            compensations: error
                .compensations()
                .iter()
                .map(|one| (one.call().to_string(), one.outcome.clone()))
                .collect(),
            cause: error.into_cause(),
        });
        Self::new(asked.collect(), participant.left(), ended, options)
    }
}
