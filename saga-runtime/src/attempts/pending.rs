//! A step that is requested of an engine: its attempts and its values, whatever their types are. So an engine is compiled
//! once, and not once per step.

use std::convert::Infallible;
use std::fmt::{self, Display};
use std::time::Duration;

use crate::attempts::{
    AttemptResult, BoxFuture, Compensator, ErrorRecord, GiveUp, Verdict, attempt,
};
use crate::error::Reason;
use crate::language::{Payload, Step, from_json, to_json};
use crate::meta::StepMeta;
use crate::place::Place;

/// A step that is requested of an engine, with whatever its attempts have given so far: an output, or a reason to give up.
pub trait PendingStep: Send {
    /// The step.
    fn meta(&self) -> &'static StepMeta;

    /// Makes one attempt, and keeps what it gives.
    fn attempt<'b>(
        &'b mut self,
        place: &'b dyn Place,
        limit: Option<Duration>,
    ) -> BoxFuture<'b, Verdict>;

    /// What undoes whatever its attempts may have done. Only asked for if [`StepMeta::resolver`] names one.
    fn resolver(&mut self) -> &mut dyn Compensator;

    /// Gives it up for this reason.
    fn give_up(&mut self, why: GiveUp<Infallible>);

    /// The reason for which it is given up; the last one counts. `None` if it was not given up yet.
    fn given_up(&self) -> Option<GiveUp<Reason>>;

    /// The same reason as it is recorded.
    fn reason(&self) -> Reason {
        match self.given_up() {
            Some(why) => why.into_reason(),
            None => Reason::new("in_doubt", "an earlier process was cut off"),
        }
    }

    /// Whether it is given up because of an error, which the body can be told.
    fn has_refused(&self) -> bool;

    /// Whether it is given up because the saga is stopped from outside.
    fn is_interrupted(&self) -> bool;

    /// The output that it has given, as it is written down, in at most `limit` bytes.
    ///
    /// # Errors
    /// What is wrong with the output.
    fn write_output(&self, limit: usize) -> Result<String, String>;

    /// Takes the output that is written down like this.
    ///
    /// # Errors
    /// If it can't be read.
    fn read_output(&mut self, json: &str) -> serde_json::Result<()>;

    /// Whether the error that it has given can be written down, if the body handles it.
    ///
    /// # Errors
    /// If it can't.
    fn check_error(&self) -> serde_json::Result<()>;

    /// Takes the error that is written down like this; `false` if it is not written down whole.
    ///
    /// # Errors
    /// If it can't be read.
    fn read_error(&mut self, json: &str) -> serde_json::Result<bool>;
}

/// A step, as far as a [`StepRequest`] needs to know it.
pub(crate) trait Action<T, F>: Send {
    /// Does it, once.
    fn run<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<T, F>>;

    /// Undoes whatever its attempts may have done, once.
    fn resolve<'b>(&'b mut self, place: &'b dyn Place) -> BoxFuture<'b, Result<(), String>>;
}

/// A step that is requested, with its values.
pub(crate) struct StepRequest<'a, T, F> {
    action: Box<dyn Action<T, F> + 'a>,
    rules: &'a Rules<F>,
    errors: ErrorRecord<F>,
    output: Option<T>,
    why: Option<GiveUp<F>>,
}

/// What is said of a step, and of its errors.
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

    /// What this error means.
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

    /// Whether a refusal ends the saga, the output, and the reason to give up.
    pub(crate) fn into_parts(self) -> (bool, Option<T>, Option<GiveUp<F>>) {
        let ends = matches!(self.errors, ErrorRecord::Text);
        (ends, self.output, self.why)
    }

    /// Keeps the value of an attempt, and says what it means.
    pub(crate) fn note(&mut self, ended: AttemptResult<T, F>) -> Verdict {
        let (answer, why) = match ended {
            AttemptResult::Done(output) => {
                self.output = Some(output);
                return Verdict::Done;
            }
            AttemptResult::Refused(error) => (self.rules.answer(&error), GiveUp::Error(error)),
            AttemptResult::TimedOut { after } => (Verdict::NONE, GiveUp::TimedOut { after }),
            AttemptResult::Panicked { message } => (Verdict::NONE, GiveUp::Panicked { message }),
        };
        self.why = Some(why);
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
            // In a block, so that what panics before there is a future is caught as well.
            let ended = attempt(place, async { action.run(place).await }, limit).await;
            self.note(ended)
        })
    }

    fn resolver(&mut self) -> &mut dyn Compensator {
        self
    }

    fn give_up(&mut self, why: GiveUp<Infallible>) {
        self.why = Some(why.widen());
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

    fn write_output(&self, limit: usize) -> Result<String, String> {
        match &self.output {
            Some(output) => to_json(output, limit),
            None => Err("there is none".to_owned()),
        }
    }

    fn read_output(&mut self, json: &str) -> serde_json::Result<()> {
        self.output = Some(from_json(json)?);
        Ok(())
    }

    fn check_error(&self) -> serde_json::Result<()> {
        match &self.why {
            Some(GiveUp::Error(error)) => self.errors.write(error).transpose().map(drop),
            _ => Ok(()),
        }
    }

    fn read_error(&mut self, json: &str) -> serde_json::Result<bool> {
        match self.errors.read(json) {
            None => Ok(false),
            Some(error) => {
                self.why = Some(GiveUp::Error(error?));
                Ok(true)
            }
        }
    }
}

/// Its resolver.
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
