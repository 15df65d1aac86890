//! A step that an engine is asked to make: its attempts and its values, type-erased. So an engine is compiled once, and
//! not once per step.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::time::Duration;

use crate::attempts::{AttemptResult, BoxFuture, Compensator, GiveUp, Verdict, attempt};
use crate::error::Reason;
use crate::language::{ErrorRecord, Payload, Step, check_recordable, from_json, record};
use crate::meta::StepMeta;
use crate::panic::{drop_caught, replace_caught};
use crate::place::Place;

/// A step that an engine is asked to make. It keeps what its attempts gave: an output, or a reason to give up.
pub trait PendingStep: Send {
    /// The facts about the step.
    fn meta(&self) -> &'static StepMeta;

    /// Makes one attempt and keeps its output or its error.
    fn attempt<'b>(
        &'b mut self,
        place: &'b dyn Place,
        limit: Option<Duration>,
    ) -> BoxFuture<'b, Verdict>;

    /// Its resolver. Only used if [`StepMeta::resolver`] names one.
    fn resolver(&mut self) -> &mut dyn Compensator;

    /// Gives it up for this reason.
    fn give_up(&mut self, why: GiveUp<Infallible>);

    /// The reason for which it is given up; the last one counts. `None` if it is not given up yet.
    fn given_up(&self) -> Option<GiveUp<Reason>>;

    /// The same reason as it is recorded.
    fn reason(&self) -> Reason {
        match self.given_up() {
            Some(why) => why.into_reason(),
            None => Reason::new("in_doubt", "an earlier process was cut off"),
        }
    }

    /// Returns true if it is given up because of an error, which the body can be told.
    fn has_refused(&self) -> bool;

    /// Returns true if it is given up because the saga is stopped from outside.
    fn is_interrupted(&self) -> bool;

    /// Returns true if the body handles its errors: a refusal does not end the saga by itself.
    fn is_handled(&self) -> bool {
        false
    }

    /// Writes the output that it has given as JSON of at most `limit` bytes, and goes on with what is read back from that: the
    /// body sees the same as in a replay.
    ///
    /// # Errors
    /// What is wrong with the output, which stays as it is.
    fn write_output(&mut self, limit: usize) -> Result<String, String>;

    /// Checks that an engine that writes a journal could record the output that it has given.
    ///
    /// # Errors
    /// What is wrong with the output.
    fn check_output(&self) -> Result<(), String> {
        Ok(())
    }

    /// The digest of its inputs, as far as they are covered.
    fn inputs(&self) -> Option<u64> {
        None
    }

    /// Takes a recorded output.
    ///
    /// # Errors
    /// If it can't be read.
    fn read_output(&mut self, json: &str) -> serde_json::Result<()>;

    /// Writes the error that it has given, if the body handles it, and goes on with what is read back from that.
    ///
    /// # Errors
    /// What is wrong with the error, which stays as it is.
    fn check_error(&mut self) -> Result<(), String>;

    /// Takes a recorded error. Returns false if the error is not recorded whole.
    ///
    /// # Errors
    /// If it can't be read.
    fn read_error(&mut self, json: &str) -> serde_json::Result<bool>;
}

/// The functions of a step, type-erased but for its values.
pub(crate) trait Action<T, F>: Send {
    /// Runs it once.
    fn run<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<T, F>>;

    /// Runs its resolver once.
    fn resolve<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<(), String>>;

    /// The digest of its inputs.
    fn digest(&self) -> Option<u64>;
}

/// A step that an engine is asked to make, with its values.
pub(crate) struct StepRequest<'a, T, F> {
    action: Box<dyn Action<T, F> + 'a>,
    rules: &'a Rules<F>,
    errors: ErrorRecord<F>,
    output: Option<T>,
    why: Option<GiveUp<F>>,
}

/// The facts about a step, and its predicates on errors.
pub(crate) struct Rules<F> {
    meta: &'static StepMeta,
    is_transient: fn(&F) -> bool,
    is_in_doubt: fn(&F) -> bool,
}

impl<F> Rules<F> {
    pub(crate) const fn for_step<S: Step<Error = F>>() -> Self {
        Self {
            meta: &const { S::META },
            is_transient: S::is_transient,
            is_in_doubt: S::is_in_doubt,
        }
    }

    /// The verdict on this error.
    pub(crate) fn answer(&self, error: &F) -> Verdict {
        Verdict::from_error(error, self.is_transient, self.is_in_doubt)
    }
}

impl<'a, T, F> StepRequest<'a, T, F> {
    pub(crate) fn new(
        action: Box<dyn Action<T, F> + 'a>,
        rules: &'a Rules<F>,
        errors: ErrorRecord<F>,
    ) -> Self {
        Self {
            action,
            rules,
            errors,
            output: None,
            why: None,
        }
    }

    /// Takes it apart: true if a refusal ends the saga, the output, and the reason to give up.
    pub(crate) fn into_parts(self) -> (bool, Option<T>, Option<GiveUp<F>>) {
        let ends = self.errors.ends();
        drop_caught(self.action);
        (ends, self.output, self.why)
    }

    /// Keeps the value of an attempt and returns the verdict on it.
    pub(crate) fn note(&mut self, ended: AttemptResult<T, F>) -> Verdict {
        let (answer, why) = match ended {
            AttemptResult::Done(output) => {
                replace_caught(&mut self.output, Some(output));
                return Verdict::Done;
            }
            AttemptResult::Refused(error) => (self.rules.answer(&error), GiveUp::Error(error)),
            AttemptResult::TimedOut { after } => (Verdict::NONE, GiveUp::TimedOut { after }),
            AttemptResult::Panicked { message } => (Verdict::NONE, GiveUp::Panicked { message }),
        };
        replace_caught(&mut self.why, Some(why));
        answer
    }
}

impl<T: Payload + Send, F: Display + Send> PendingStep for StepRequest<'_, T, F> {
    fn meta(&self) -> &'static StepMeta {
        self.rules.meta
    }

    fn attempt<'b>(
        &'b mut self,
        place: &'b dyn Place,
        limit: Option<Duration>,
    ) -> BoxFuture<'b, Verdict> {
        Box::pin(async move {
            let action = &mut *self.action;
            // In a block, so that a panic before the future exists is caught as well.
            let ended = attempt(place, async { action.run(place).await }, limit).await;
            self.note(ended)
        })
    }

    fn resolver(&mut self) -> &mut dyn Compensator {
        self
    }

    fn give_up(&mut self, why: GiveUp<Infallible>) {
        replace_caught(&mut self.why, Some(why.widen()));
    }

    fn given_up(&self) -> Option<GiveUp<Reason>> {
        let why = self.why.as_ref()?;
        Some(why.to_recorded(self.errors))
    }

    fn has_refused(&self) -> bool {
        matches!(self.why, Some(GiveUp::Error(_)))
    }

    fn is_interrupted(&self) -> bool {
        matches!(self.why, Some(GiveUp::Interrupted(_)))
    }

    fn is_handled(&self) -> bool {
        !self.errors.ends()
    }

    fn write_output(&mut self, limit: usize) -> Result<String, String> {
        let Some(output) = &self.output else {
            return Err("there is none".to_owned());
        };
        let (json, output) = record(output, limit)?;
        replace_caught(&mut self.output, Some(output));
        Ok(json)
    }

    fn inputs(&self) -> Option<u64> {
        self.action.digest()
    }

    fn check_output(&self) -> Result<(), String> {
        match &self.output {
            Some(output) => check_recordable(output),
            None => Ok(()),
        }
    }

    fn read_output(&mut self, json: &str) -> serde_json::Result<()> {
        replace_caught(&mut self.output, Some(from_json(json)?));
        Ok(())
    }

    fn check_error(&mut self) -> Result<(), String> {
        if let Some(GiveUp::Error(error)) = &self.why
            && let Some(replayed) = self.errors.replayed(error)?
        {
            replace_caught(&mut self.why, Some(GiveUp::Error(replayed)));
        }
        Ok(())
    }

    fn read_error(&mut self, json: &str) -> serde_json::Result<bool> {
        match self.errors.read(json) {
            None => Ok(false),
            Some(error) => {
                replace_caught(&mut self.why, Some(GiveUp::Error(error?)));
                Ok(true)
            }
        }
    }
}

/// The resolver.
impl<T: Send, F: Send> Compensator for StepRequest<'_, T, F> {
    fn compensate<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<(), String>> {
        self.action.resolve(place)
    }
}

impl<T, F> fmt::Debug for StepRequest<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("step", &self.rules.meta.name)
            .finish_non_exhaustive()
    }
}
