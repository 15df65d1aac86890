//! The participant of the model. It has set answers, and remembers its effects.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use saga_runtime::Cause;

use super::report::{Asked, Failure, Report};
use super::steps::{Kind, Spec};
use crate::engine;
use crate::participant::{Answer, Refusal};
use crate::random::case::{Case, Options};

pub(super) struct World {
    pub(super) is_cancelled: bool,
    cancels_at: Option<(String, usize)>,
    answers: HashMap<String, VecDeque<Answer>>,
    asked: Vec<Asked>,
    /// The effects by their keys.
    effects: Vec<(String, String)>,
}

/// The answer that a step gets.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Done,
    Refused { error: Refusal, is_transient: bool },
    Unclear { error: Refusal, is_transient: bool },
    TimedOut,
    Panicked { message: String },
}

impl Said {
    pub(super) fn is_in_doubt(&self) -> bool {
        matches!(
            self,
            Self::Unclear { .. } | Self::TimedOut | Self::Panicked { .. }
        )
    }

    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Done => false,
            Self::Refused { is_transient, .. } | Self::Unclear { is_transient, .. } => {
                *is_transient
            }
            Self::TimedOut | Self::Panicked { .. } => true,
        }
    }

    pub(super) fn cause(&self) -> Cause<Refusal> {
        match self {
            Self::Done => unreachable!("what was done causes nothing"),
            Self::Refused { error, .. } | Self::Unclear { error, .. } => {
                Cause::Error(error.clone())
            }
            Self::TimedOut => Cause::TimedOut {
                after: Duration::from_secs(1),
            },
            Self::Panicked { message } => Cause::Panicked {
                message: message.clone(),
            },
        }
    }

    pub(super) fn text(&self) -> String {
        self.cause().to_string()
    }
}

impl World {
    pub(super) fn new(case: &Case) -> Self {
        let mut answers: HashMap<String, VecDeque<Answer>> = HashMap::new();
        for (key, more) in &case.answers {
            answers.entry(key.clone()).or_default().extend(more);
        }
        Self {
            is_cancelled: false,
            cancels_at: case.cancels_at.clone(),
            answers,
            asked: Vec::new(),
            effects: Vec::new(),
        }
    }

    pub(super) fn ask(&mut self, step: Spec, key: &str, attempt: u32) -> Said {
        let what = step.name.to_owned();
        let known = self.effects.iter().any(|(done, _)| done == key);
        let answer = match self.next(&what, key, key, attempt) {
            Answer::Refused | Answer::Busy if known => Answer::Done,
            answer => answer,
        };
        let acts = match answer {
            Answer::Done
            | Answer::BusyButDone
            | Answer::UnclearButDone
            | Answer::SilentButDone
            | Answer::PanicsButDone => true,
            Answer::Refused | Answer::Busy | Answer::Unclear | Answer::Silent | Answer::Panics => {
                false
            }
        };
        if acts && !known && step.kind != Kind::NothingToUndo {
            self.effects.push((key.to_owned(), what.clone()));
        }
        let is_transient = !step.only_busy;
        match answer {
            Answer::Done => Said::Done,
            Answer::Refused => Said::Refused {
                error: Refusal::Refused(what),
                is_transient,
            },
            Answer::Busy | Answer::BusyButDone => Said::Refused {
                error: Refusal::Busy(what),
                is_transient: true,
            },
            Answer::Unclear | Answer::UnclearButDone => Said::Unclear {
                error: Refusal::Unclear(what),
                is_transient,
            },
            Answer::Silent | Answer::SilentButDone => Said::TimedOut,
            Answer::Panics | Answer::PanicsButDone => Said::Panicked {
                message: format!("{what} broke"),
            },
        }
    }

    pub(super) fn ask_to_undo(
        &mut self,
        step: Spec,
        action_key: &str,
        how: &str,
        attempt: u32,
    ) -> Result<(), String> {
        let what = format!("{how} {}", step.name);
        let key = format!("{action_key}/compensation");
        let answer = self.next(&what, &key, action_key, attempt);
        let (acts, error) = match answer {
            Answer::Done => (true, None),
            Answer::Refused => (false, Some(format!("{what} was refused"))),
            Answer::Busy => (false, Some(format!("{what} was busy"))),
            Answer::BusyButDone => (true, Some(format!("{what} was busy"))),
            Answer::Unclear => (false, Some(format!("{what} was unclear"))),
            Answer::UnclearButDone => (true, Some(format!("{what} was unclear"))),
            Answer::Silent => (false, Some("no answer within 2s".to_owned())),
            Answer::SilentButDone => (true, Some("no answer within 2s".to_owned())),
            Answer::Panics => (false, Some(format!("panicked: {what} broke"))),
            Answer::PanicsButDone => (true, Some(format!("panicked: {what} broke"))),
        };
        if acts {
            self.effects.retain(|(done, _)| done != action_key);
        }
        error.map_or(Ok(()), Err)
    }

    fn next(&mut self, what: &str, key: &str, action_key: &str, attempt: u32) -> Answer {
        self.asked.push(Asked {
            what: what.to_owned(),
            key: key.to_owned(),
            action_key: action_key.to_owned(),
            attempt: engine::COUNTED_ATTEMPTS.map_or(attempt, |most| attempt.min(most)),
        });
        let count = self.asked.iter().filter(|asked| asked.what == what).count();
        self.is_cancelled |= self.cancels_at == Some((what.to_owned(), count));
        let answers = self.answers.get_mut(key);
        answers
            .and_then(VecDeque::pop_front)
            .unwrap_or(Answer::Done)
    }

    pub(super) fn report(self, ended: Result<Vec<String>, Failure>, options: Options) -> Report {
        let left = self.effects.into_iter().map(|(_, what)| what).collect();
        Report::new(self.asked, left, ended, options)
    }
}
