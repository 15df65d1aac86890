//! What is printed: lines for people, JSON for programs, errors with their exit codes.

use std::io::{self, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use saga_runtime::operator::{Refusal, Utc};
use serde::Serialize;

/// Exit codes, as the help lists them.
pub(crate) const REFUSED: u8 = 3;
pub(crate) const UNKNOWN: u8 = 4;
pub(crate) const SOME_REFUSED: u8 = 5;
pub(crate) const DOES_NOT_FIT: u8 = 6;

/// The end of a task that has not worked.
pub(crate) enum Failure {
    /// The service or the journal has refused it.
    Refused(Refusal),
    /// Something else.
    Other(anyhow::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.into())
    }
}

impl Failure {
    /// Prints it, and returns its exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let (text, code) = match self {
            Self::Refused(refusal) => {
                let code = match &*refusal.code {
                    "unknown" => UNKNOWN,
                    "journal" | "unreachable" => 1,
                    _ => REFUSED,
                };
                (refusal.message.clone(), code)
            }
            // A reader like `head` has what it wants.
            Self::Other(error) if is_closed(error) => return ExitCode::SUCCESS,
            Self::Other(error) => (with_causes(error), 1),
        };
        let red = color(AnsiColor::Red);
        let _ = writeln!(anstream::stderr(), "{red}error:{red:#} {text}");
        ExitCode::from(code)
    }
}

/// An error and its causes. A cause that the text has already is not repeated.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) {
            text
        } else if text.is_empty() {
            cause
        } else {
            format!("{text}: {cause}")
        }
    })
}

fn is_closed(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

pub(crate) fn color(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(color.into()))
}

/// The colour of a state.
pub(crate) fn of_state(state: &str) -> Style {
    match state {
        "stuck" | "abandoned" => color(AnsiColor::Red),
        "compensating" | "compensated" => color(AnsiColor::Magenta),
        "completed" => color(AnsiColor::Green),
        _ => color(AnsiColor::Yellow),
    }
}

/// Prints a value as a line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(anyhow::Error::from)?;
    writeln!(anstream::stdout(), "{text}")?;
    Ok(())
}

/// A time, in UTC.
pub(crate) fn utc(millis: u64) -> Utc {
    Utc::from_millis(millis)
}
