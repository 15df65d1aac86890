//! The record of one attempt, as JSON.

use std::convert::Infallible;
use std::time::Duration;

use saga_runtime::Cause;
use saga_runtime::engine::{GiveUp, PendingStep, Reason, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::millis;
use crate::journal::Recorded;

/// One attempt of a step.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AttemptRecord {
    pub(crate) ended: AttemptEnd,
    /// The time of its end, in milliseconds since 1970.
    pub(crate) at: u64,
    /// An earlier process may have made it, and that answer is lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) again: bool,
    /// The deadline of the saga had passed when it ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) late: bool,
}

/// The end of an attempt.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AttemptEnd {
    /// With this output.
    Done(Box<RawValue>),
    /// With an error.
    Refused(Refused),
    TimedOutAfter(Duration),
    Panicked(String),
    /// With an output that can't be recorded.
    Unrecordable(String),
    /// It was not made, because the deadline of the saga had passed.
    DeadlineExceeded(()),
    /// It was not made, because the saga was cancelled.
    NotMade(()),
    /// The saga was cancelled while it was under way, and the answer is lost.
    Lost(()),
    /// A process ended while it was under way. It is made again under another name.
    Crashed(()),
    /// It begins again after a process has ended in it.
    Begun(()),
}

/// The error of an attempt.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) message: String,
    /// True if another attempt may help.
    pub(crate) transient: bool,
    /// True if something may have happened.
    pub(crate) in_doubt: bool,
    /// The whole error, if the saga handles it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Box<RawValue>>,
    /// The reason why it can't be recorded whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unwritten: Option<String>,
}

impl Refused {
    pub(crate) fn answer(&self) -> Verdict {
        let transient = self.transient;
        if self.in_doubt {
            Verdict::InDoubt { transient }
        } else {
            Verdict::Refused { transient }
        }
    }
}

impl AttemptRecord {
    pub(crate) fn new(ended: AttemptEnd) -> Self {
        Self {
            ended,
            at: millis(),
            again: false,
            late: false,
        }
    }

    pub(crate) fn write(&self) -> Recorded {
        serde_json::to_vec(self).expect("it has only text, numbers and JSON")
    }
}

impl AttemptEnd {
    /// The end of an attempt of the step that got this answer within `limit`. The output has at most `bytes` of JSON.
    pub(crate) fn from_attempt(
        step: &mut dyn PendingStep,
        answer: Verdict,
        limit: Duration,
        bytes: usize,
    ) -> Self {
        if answer == Verdict::Done {
            let json = step.write_output(bytes);
            let json = json.and_then(|json| raw(json).map_err(|error| error.to_string()));
            return json.map_or_else(Self::Unrecordable, Self::Done);
        }
        match step.given_up() {
            Some(GiveUp::TimedOut { .. }) => Self::TimedOutAfter(limit),
            Some(GiveUp::Panicked { message }) => Self::Panicked(message),
            _ => Self::Refused(refused(step, answer)),
        }
    }

    /// The failure in words.
    pub(crate) fn message(&self) -> String {
        let text = |cause: Cause<Infallible>| cause.to_string();
        match self {
            Self::Done(_) => "done".to_owned(),
            Self::Refused(refused) => refused.message.clone(),
            Self::TimedOutAfter(after) => text(Cause::TimedOut { after: *after }),
            Self::Panicked(message) => text(Cause::Panicked {
                message: message.clone(),
            }),
            Self::Unrecordable(problem) => {
                GiveUp::unrecordable_output(problem).into_reason().message
            }
            Self::DeadlineExceeded(()) => text(Cause::DeadlineExceeded),
            Self::NotMade(()) | Self::Lost(()) => text(Cause::Cancelled),
            Self::Crashed(()) | Self::Begun(()) => "the process ended".to_owned(),
        }
    }
}

fn refused(step: &mut dyn PendingStep, answer: Verdict) -> Refused {
    let (transient, in_doubt) = match answer {
        Verdict::InDoubt { transient } => (transient, true),
        Verdict::Refused { transient } => (transient, false),
        Verdict::Done => (false, false),
    };
    let whole = step.check_error();
    let reason = step.reason();
    let error = |json| raw(json).map_err(|error| error.to_string());
    let whole = whole.and_then(|()| reason.error.map(error).transpose());
    let (error, unwritten) = match whole {
        Ok(error) => (error, None),
        Err(unwritten) => (None, Some(unwritten)),
    };
    Refused {
        message: reason.message,
        transient,
        in_doubt,
        error,
        unwritten,
    }
}

fn raw(json: String) -> serde_json::Result<Box<RawValue>> {
    RawValue::from_string(json)
}

/// One attempt of a compensation or a resolver.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CompensationRecord {
    Done(()),
    Failed(String),
    /// The answer is lost, because the saga was cancelled once more.
    Lost(()),
    /// A process ended while it was under way. It is made again under another name.
    Crashed(()),
    /// It begins again after a process has ended in it.
    Begun(()),
}

impl CompensationRecord {
    pub(crate) fn write(&self) -> Recorded {
        serde_json::to_vec(self).expect("it has only text")
    }
}

/// The failure of a saga that was called and whose failure the body handles.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FailureRecord {
    pub(crate) message: String,
    /// The whole error. `None` if the body does not get it: an earlier process has ended before this record, and what has failed
    /// in the called saga is recorded as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Box<RawValue>>,
}

impl FailureRecord {
    pub(crate) fn new(failure: Option<Reason>) -> Self {
        let Some(reason) = failure else {
            return Self {
                message: String::new(),
                error: None,
            };
        };
        Self {
            message: reason.message,
            error: reason.error.and_then(|json| raw(json).ok()),
        }
    }

    pub(crate) fn write(&self) -> Recorded {
        serde_json::to_vec(self).expect("it has only text and JSON")
    }

    /// The failure with which the body goes on.
    pub(crate) fn into_reason(self) -> Option<Reason> {
        let error = self.error?;
        Some(Reason {
            error: Some(error.get().to_owned()),
            ..Reason::new("error", self.message)
        })
    }
}

/// The start of the saga.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Beginning {
    /// In milliseconds since 1970.
    pub(crate) at: u64,
}
