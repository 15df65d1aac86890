//! The decisions of operators about a saga in trouble: their form, and the places in the workflow that hold them.
//!
//! ```text
//! saga ──state "trouble" {report, commands}──▶ operators
//! saga ──promise stuck/0 {the same}──▶ callers
//! saga ◀──promise decision/0 {command, reason}── operator
//! saga ──promise answer/0 {refusal}──▶ operator
//! ```
//!
//! The next decision is `decision/1`. The state [`DECIDED`] counts the decisions that the saga has answered.

use std::fmt;

use saga_runtime::operator::{Possible, Refusal, SagaCommand};
use serde::{Deserialize, Serialize};

use crate::failure_report::Report;

/// The number of answered decisions, in the state of the workflow.
pub(crate) const DECIDED: &str = "decided";

/// The trouble that the saga is in, in the state of the workflow.
pub(crate) const TROUBLE: &str = "trouble";

/// A saga about which an operator can decide: why, and which commands it takes.
///
/// `Display` is one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trouble {
    /// The reason in a word. `failing`: compensations fail and are tried again. Otherwise the saga is stuck:
    /// `compensation_failed`, or `pivot_in_doubt`.
    pub code: String,
    /// The report on the saga so far.
    pub report: Report,
    /// The commands that it takes now.
    pub commands: Vec<Possible>,
}

/// The code of a saga whose compensations are tried again.
pub(crate) const FAILING: &str = "failing";

impl Trouble {
    pub(crate) fn new(code: &str, report: Report, commands: Vec<Possible>) -> Self {
        Self {
            code: code.to_owned(),
            report,
            commands,
        }
    }

    /// Returns whether the saga does nothing until an operator decides.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.code != FAILING
    }

    /// The message for a caller that waits for the end of the saga: a line to read, then the report as JSON.
    pub(crate) fn message(&self) -> String {
        let report = self.report.message();
        let json = report.rsplit_once('\n').map_or("", |(_, json)| json);
        format!("{self}\n{json}")
    }

    /// Refuses a command that the saga does not take now.
    pub(crate) fn check(&self, command: &SagaCommand) -> Result<(), Refusal> {
        if self.commands.iter().any(|one| one.is(command)) {
            return Ok(());
        }
        let possible = self.commands.iter().map(|one| match &one.target {
            Some(target) => format!("`{} {target}`", one.command),
            None => format!("`{}`", one.command),
        });
        let possible = possible.collect::<Vec<_>>().join(", ");
        let message = format!("the saga takes no `{command}` now, but {possible}");
        Err(Refusal::new("nothing_to_decide", message))
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let next = if self.is_stuck() {
            "an operator has to decide"
        } else {
            "what has failed is tried again"
        };
        write!(f, "{}; {next}", self.report)
    }
}

impl std::error::Error for Trouble {}

/// The input of the handler by which operators decide.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Decision {
    #[serde(flatten)]
    pub(crate) command: SagaCommand,
    pub(crate) reason: String,
    /// The time at which it was made, in milliseconds since 1970.
    #[serde(default)]
    pub(crate) at: u64,
}

/// A decision as its promise holds it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SentDecision {
    /// The invocation that sent it.
    pub(crate) by: String,
    #[serde(flatten)]
    pub(crate) decision: Decision,
}

/// The answer of the saga to a decision.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The reason why nothing has happened, if nothing has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<Refusal>,
}

/// The promise by which a saga tells that it is stuck.
pub(crate) fn stuck(number: u32) -> String {
    format!("stuck/{number}")
}

/// The promise of the decision about that.
pub(crate) fn decision(number: u32) -> String {
    format!("decision/{number}")
}

/// The promise of the answer to the decision.
pub(crate) fn answer(number: u32) -> String {
    format!("answer/{number}")
}

/// A refusal in the message of an invocation: a line to read, then the same as JSON.
pub(crate) fn refusal_message(refusal: &Refusal) -> String {
    let json = serde_json::to_string(refusal).expect("it has only text");
    format!("{}\n{json}", refusal.message)
}

/// The refusal in the message of an invocation.
pub(crate) fn read_refusal(message: &str) -> Option<Refusal> {
    let (_, json) = message.rsplit_once('\n')?;
    serde_json::from_str(json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_and_the_form_of_decisions_never_change() {
        let names = [stuck(0), decision(1), answer(2)];
        assert_eq!(names, ["stuck/0", "decision/1", "answer/2"]);
        assert_eq!(crate::entry_names::trouble(3), "trouble/3");
        assert_eq!([DECIDED, TROUBLE], ["decided", "trouble"]);
        let sent =
            r#"{"by":"inv_1","command":"resolve","step":"charge#1","reason":"by hand","at":17}"#;
        let read: SentDecision = serde_json::from_str(sent).expect("it is one");
        let written = serde_json::to_string(&read).expect("it has only text");
        assert_eq!(written, sent);
    }

    #[test]
    fn a_refusal_is_read_from_the_message_of_an_invocation() {
        let refusal = Refusal::new("held", "not now");
        let message = refusal_message(&refusal);
        assert_eq!(read_refusal(&message), Some(refusal));
        assert_eq!(read_refusal("[409] conflict"), None);
    }
}
