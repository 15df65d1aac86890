//! The attempts of one compensation as a machine without I/O and without a clock: `drive.rs` carries its commands out.

use std::time::Duration;

use crate::attempts::AttemptResult;
use crate::error::CompensationFailure;
use crate::meta::{Backoffs, RetryPolicy};

/// The point from which a compensation is attempted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CompensationOrigin {
    /// No attempt was made.
    Start,
    /// Attempts were made already: the first by the run itself, or all of them before the compensation was parked. The next
    /// command is the wait that follows them, if one does.
    Attempted {
        /// Their number, at least 1.
        attempts: u32,
        /// The result of the last one.
        last: Result<(), String>,
    },
    /// Earlier processes have ended, perhaps during an attempt. Another attempt follows, and the policy allows as many waits
    /// after it as if the last of those attempts was not made.
    CutOff {
        /// The number of attempts that may have been made, at least 1.
        attempts: u32,
    },
    /// The saga was released between two attempts, or its process ended during one. Another attempt follows in any case.
    Resumed {
        /// The number of attempts that were made.
        attempts: u32,
        /// The error of the last one.
        message: String,
        /// The time until the next attempt.
        left: Duration,
    },
}

/// The first attempt, if one was made.
impl From<Option<AttemptResult<(), String>>> for CompensationOrigin {
    fn from(first: Option<AttemptResult<(), String>>) -> Self {
        first.map_or(Self::Start, |first| Self::Attempted {
            attempts: 1,
            last: first.into_result(),
        })
    }
}

/// The next thing to do for a compensation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CompensationCommand {
    /// Make the attempt with this number, counted from 1, and report it with [`CompensationAttempts::heard`].
    Attempt(u32),
    /// Wait before the next attempt, and report with [`CompensationAttempts::paused`].
    Pause(Duration),
    /// The compensation has succeeded, or has failed for good.
    End(Result<(), CompensationFailure>),
}

/// One compensation, or one resolver, from its first attempt to its end. Nothing interrupts it.
#[derive(Debug)]
pub(crate) struct CompensationAttempts {
    attempts: u32,
    waits: Backoffs,
    /// The error of the last attempt.
    message: String,
}

impl CompensationAttempts {
    pub(crate) fn start(
        policy: RetryPolicy,
        origin: CompensationOrigin,
    ) -> (Self, CompensationCommand) {
        if let CompensationOrigin::Resumed {
            attempts,
            message,
            left,
        } = origin
        {
            let mut compensation = Self {
                attempts,
                waits: policy.backoffs_after(attempts.saturating_add(1)),
                message,
            };
            let command = match left {
                Duration::ZERO => compensation.attempt(),
                left => CompensationCommand::Pause(left),
            };
            return (compensation, command);
        }
        let (attempts, last) = match origin {
            CompensationOrigin::CutOff { attempts } => (attempts, None),
            CompensationOrigin::Start | CompensationOrigin::Resumed { .. } => (0, None),
            CompensationOrigin::Attempted { attempts, last } => (attempts, Some(last)),
        };
        let mut compensation = Self {
            attempts,
            waits: policy.backoffs_after(attempts),
            message: String::new(),
        };
        let command = match last {
            None => compensation.attempt(),
            Some(last) => compensation.heard(last),
        };
        (compensation, command)
    }

    /// The number of attempts so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The error of the attempt before a pause.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// An attempt has ended.
    pub(crate) fn heard(&mut self, result: Result<(), String>) -> CompensationCommand {
        match (result, self.waits.next()) {
            (Ok(()), _) => CompensationCommand::End(Ok(())),
            (Err(message), Some(wait)) => {
                self.message = message;
                CompensationCommand::Pause(wait)
            }
            (Err(message), None) => {
                let failure = CompensationFailure::new(self.attempts, message);
                CompensationCommand::End(Err(failure))
            }
        }
    }

    /// The wait before the next attempt has ended.
    pub(crate) fn paused(&mut self) -> CompensationCommand {
        self.attempt()
    }

    fn attempt(&mut self) -> CompensationCommand {
        self.attempts = self.attempts.saturating_add(1);
        CompensationCommand::Attempt(self.attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: RetryPolicy = RetryPolicy::attempts(3);

    /// The commands for a compensation whose attempts give these results, one after the other.
    fn commands(origin: CompensationOrigin, results: &[Result<(), &str>]) -> Vec<String> {
        let mut results = results.iter();
        let (mut compensation, mut command) = CompensationAttempts::start(THREE, origin);
        let mut commands = Vec::new();
        loop {
            command = match command {
                CompensationCommand::Attempt(number) => {
                    commands.push(format!("attempt {number}"));
                    let result = results.next().expect("as many results as attempts");
                    compensation.heard(result.map_err(str::to_owned))
                }
                CompensationCommand::Pause(_) => {
                    commands.push("pause".to_owned());
                    compensation.paused()
                }
                CompensationCommand::End(end) => {
                    commands.push(match end {
                        Ok(()) => "compensated".to_owned(),
                        Err(failure) => format!("failed: {failure}"),
                    });
                    assert_eq!(results.next(), None, "as many results as attempts");
                    return commands;
                }
            }
        }
    }

    fn attempted(attempts: u32, last: Result<(), &str>) -> CompensationOrigin {
        CompensationOrigin::Attempted {
            attempts,
            last: last.map_err(str::to_owned),
        }
    }

    #[test]
    fn a_compensation_is_attempted_until_it_succeeds_or_its_policy_ends() {
        for (origin, results, expected) in [
            (
                CompensationOrigin::Start,
                &[Ok(())][..],
                "attempt 1, compensated",
            ),
            (
                CompensationOrigin::Start,
                &[Err("down"), Ok(())],
                "attempt 1, pause, attempt 2, compensated",
            ),
            (
                CompensationOrigin::Start,
                &[Err("down"), Err("down"), Err("gone")],
                "attempt 1, pause, attempt 2, pause, attempt 3, failed: gone (3 attempts)",
            ),
        ] {
            assert_eq!(commands(origin, results).join(", "), expected);
        }
    }

    #[test]
    fn a_compensation_that_was_parked_is_attempted_at_least_once_more() {
        for (attempts, results, expected) in [
            (
                1,
                &[Err("down"), Err("gone")][..],
                "pause, attempt 2, pause, attempt 3, failed: gone (3 attempts)",
            ),
            (2, &[Ok(())], "pause, attempt 3, compensated"),
            (
                2,
                &[Err("gone")],
                "pause, attempt 3, failed: gone (3 attempts)",
            ),
            (
                7,
                &[Err("gone")],
                "pause, attempt 8, failed: gone (8 attempts)",
            ),
        ] {
            let origin = CompensationOrigin::Resumed {
                attempts,
                message: "down".to_owned(),
                left: Duration::from_secs(3),
            };
            assert_eq!(commands(origin, results).join(", "), expected);
        }
    }

    #[test]
    fn attempts_that_a_crash_may_have_cut_off_count_but_for_the_last() {
        for (attempts, results, expected) in [
            (
                1,
                &[Err("down"), Err("down"), Err("gone")][..],
                "attempt 2, pause, attempt 3, pause, attempt 4, failed: gone (4 attempts)",
            ),
            (3, &[Err("gone")], "attempt 4, failed: gone (4 attempts)"),
        ] {
            let origin = CompensationOrigin::CutOff { attempts };
            assert_eq!(commands(origin, results).join(", "), expected);
        }
    }

    #[test]
    fn it_goes_on_after_the_attempts_that_were_made_before() {
        for (origin, results, expected) in [
            (attempted(1, Ok(())), &[][..], "compensated"),
            (
                attempted(1, Err("down")),
                &[Ok(())],
                "pause, attempt 2, compensated",
            ),
            (
                attempted(2, Err("down")),
                &[Err("gone")],
                "pause, attempt 3, failed: gone (3 attempts)",
            ),
            (attempted(3, Err("down")), &[], "failed: down (3 attempts)"),
        ] {
            assert_eq!(commands(origin, results).join(", "), expected);
        }
    }
}
