//! An event as columns, for stores that have tables: the same in each of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::error::Reason;
use crate::journal::error::Damage;
use crate::journal::event::{Event, Settled, StepCall};
use crate::journal::time::{from_millis, to_millis};
use crate::meta::{AttemptPhase, Kind};

/// An [`Event`] as columns. A column that the event has no use for is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// The name of the event: [`Event::name`].
    pub event: Cow<'static, str>,
    /// The durable name of the step.
    pub step: Option<Cow<'static, str>>,
    /// Which call of it.
    pub occurrence: Option<u32>,
    /// The kind of the step: [`Kind::name`].
    pub kind: Option<Cow<'static, str>>,
    /// The number of attempts.
    pub attempts: Option<u32>,
    /// The kind of the reason, in a word.
    pub code: Option<Cow<'static, str>>,
    /// A sentence: an error's text, or an operator's reason.
    pub message: Option<String>,
    /// An output or an error, as JSON.
    pub payload: Option<String>,
}

impl From<Event> for Row {
    fn from(event: Event) -> Self {
        let row = Self {
            event: event.name().into(),
            ..Self::default()
        };
        match event {
            Event::StepDone {
                step,
                attempts,
                output,
                inputs,
            } => row
                .step(step)
                .attempts(attempts)
                .payload(output)
                .inputs(inputs),
            Event::StepRefused {
                step,
                attempts,
                reason,
            }
            | Event::StepInDoubt {
                step,
                attempts,
                reason,
            } => row.step(step).attempts(attempts).reason(reason),
            Event::StepSettled { step, settled } => row.step(step).settled(settled),
            Event::Failing {
                step,
                phase,
                attempts,
                earlier,
                in_doubt,
                reason,
                since,
                until,
            } => {
                let failing = FailingPayload {
                    phase: phase.name().into(),
                    earlier,
                    in_doubt,
                    since: to_millis(since),
                    until: to_millis(until),
                };
                Self {
                    // Names and numbers: this can't fail.
                    payload: serde_json::to_string(&failing).ok(),
                    ..row.step(step).attempts(attempts).reason(reason)
                }
            }
            Event::Compensating { step, reason } => Self {
                step,
                ..row.reason(reason)
            },
            Event::CompensationDone { step, attempts } => row.step(step).attempts(attempts),
            Event::CompensationFailed {
                step,
                attempts,
                message,
            } => row.step(step).attempts(attempts).message(message),
            Event::Completed { output } => row.payload(output),
            Event::Compensated => row,
            Event::Abandoned { reason, left } => row.message(reason).payload(list_to_json(left)),
            Event::Stuck { reason } => row.reason(reason),
            Event::Retried { reason } => row.message(reason),
            Event::Value { of, value } => row.step(of).payload(value),
            Event::Waiting { step, until } => Self {
                payload: until.map(|until| to_millis(until).to_string()),
                ..row.step(step)
            },
            Event::EventSetAside {
                name,
                number,
                message,
            } => Self {
                step: Some(name),
                ..row.payload(number.to_string()).message(message)
            },
            // The key stands where the code of a reason would: what has come has none.
            Event::Received { name, payload, key } => Self {
                step: Some(name),
                code: key.map(Cow::Owned),
                ..row.payload(payload)
            },
            Event::WaitOver { step, received } => Self {
                payload: received.map(|received| received.to_string()),
                ..row.step(step)
            },
            Event::CompensationResolved { step, reason }
            | Event::CompensationSkipped { step, reason } => row.step(step).message(reason),
            Event::StepCompleted {
                step,
                output,
                reason,
            } => row.step(step).payload(output).message(reason),
        }
    }
}

impl Row {
    /// Returns whether the row has a code or a message: most rows have neither.
    #[must_use]
    pub fn has_reason(&self) -> bool {
        self.code.is_some() || self.message.is_some()
    }

    fn step(self, step: StepCall) -> Self {
        Self {
            step: Some(step.name),
            occurrence: Some(step.occurrence),
            kind: Some(step.kind.name().into()),
            ..self
        }
    }

    fn attempts(self, attempts: u32) -> Self {
        Self {
            attempts: Some(attempts),
            ..self
        }
    }

    fn message(self, message: String) -> Self {
        Self {
            message: Some(message),
            ..self
        }
    }

    fn payload(self, payload: String) -> Self {
        Self {
            payload: Some(payload),
            ..self
        }
    }

    fn settled(self, settled: Settled) -> Self {
        match settled {
            Settled::Nothing { refusal: None } | Settled::Resolved => self,
            Settled::Nothing {
                refusal: Some(reason),
            } => self.reason(reason),
            Settled::Done { output } => self.payload(output),
            Settled::Unresolved { attempts, message } => self.attempts(attempts).message(message),
        }
    }

    /// The digest of a step's inputs stands where the code of a reason would: what is done has none.
    fn inputs(self, inputs: Option<u64>) -> Self {
        Self {
            code: inputs.map(|digest| format!("{digest:016x}").into()),
            ..self
        }
    }

    fn reason(self, reason: Reason) -> Self {
        Self {
            code: Some(reason.code),
            message: Some(reason.message),
            payload: reason.error,
            ..self
        }
    }

    /// The event that these columns are, as entry number `seq`.
    ///
    /// # Errors
    /// [`Damage`] if they are none.
    pub fn into_event(self, seq: u64) -> Result<Event, Damage> {
        let mut columns = Columns { row: self, seq };
        let event = match &*columns.row.event {
            "step_done" => Event::StepDone {
                step: columns.call()?,
                attempts: columns.attempts()?,
                output: columns.payload()?,
                inputs: columns.inputs()?,
            },
            "step_refused" => Event::StepRefused {
                step: columns.call()?,
                attempts: columns.attempts()?,
                reason: columns.reason()?,
            },
            "step_in_doubt" => Event::StepInDoubt {
                step: columns.call()?,
                attempts: columns.attempts()?,
                reason: columns.reason()?,
            },
            "step_settled_nothing"
            | "step_settled_resolved"
            | "step_settled_done"
            | "step_settled_unresolved" => columns.settled()?,
            "failing" => columns.failing()?,
            "compensating" => Event::Compensating {
                step: columns.row.step.take(),
                reason: columns.reason()?,
            },
            "compensation_done" => Event::CompensationDone {
                step: columns.call()?,
                attempts: columns.attempts()?,
            },
            "compensation_failed" => Event::CompensationFailed {
                step: columns.call()?,
                attempts: columns.attempts()?,
                message: columns.message()?,
            },
            "completed" => Event::Completed {
                output: columns.payload()?,
            },
            "compensated" => Event::Compensated,
            "abandoned" => Event::Abandoned {
                reason: columns.message()?,
                left: columns.list()?,
            },
            "stuck" => Event::Stuck {
                reason: columns.reason()?,
            },
            "retried" => Event::Retried {
                reason: columns.message()?,
            },
            "compensation_resolved" => Event::CompensationResolved {
                step: columns.call()?,
                reason: columns.message()?,
            },
            "compensation_skipped" => Event::CompensationSkipped {
                step: columns.call()?,
                reason: columns.message()?,
            },
            "step_completed" => Event::StepCompleted {
                step: columns.call()?,
                output: columns.payload()?,
                reason: columns.message()?,
            },
            "value" => Event::Value {
                value: columns.payload()?,
                of: columns.call()?,
            },
            "waiting" => Event::Waiting {
                until: columns.number()?.map(from_millis),
                step: columns.call()?,
            },
            "received" => Event::Received {
                name: columns.name()?,
                payload: columns.payload()?,
                key: columns.row.code.take().map(Cow::into_owned),
            },
            "event_set_aside" => {
                let number = columns.number()?;
                Event::EventSetAside {
                    number: columns.need(number, "payload")?,
                    name: columns.name()?,
                    message: columns.message()?,
                }
            }
            "wait_over" => Event::WaitOver {
                received: columns.number()?,
                step: columns.call()?,
            },
            other => return Err(Damage::new(seq, format!("there is no event `{other}`"))),
        };
        Ok(event)
    }
}

/// The payload of a [`Event::Failing`].
#[derive(Debug, Serialize, Deserialize)]
struct FailingPayload {
    phase: Cow<'static, str>,
    #[serde(default)]
    earlier: u32,
    in_doubt: bool,
    since: u64,
    until: u64,
}

/// The JSON list of these texts.
fn list_to_json(texts: Vec<String>) -> String {
    serde_json::Value::from(texts).to_string()
}

/// The columns of an entry, to be taken one by one.
struct Columns {
    row: Row,
    seq: u64,
}

impl Columns {
    fn need<T>(&self, value: Option<T>, column: &str) -> Result<T, Damage> {
        value.ok_or_else(|| {
            let message = format!("a `{}` without its `{column}`", self.row.event);
            Damage::new(self.seq, message)
        })
    }

    fn name(&mut self) -> Result<Cow<'static, str>, Damage> {
        let name = self.row.step.take();
        self.need(name, "step")
    }

    /// A number as payload, if there is one.
    fn number(&mut self) -> Result<Option<u64>, Damage> {
        let number = self.row.payload.take().map(|number| number.parse());
        let event = &self.row.event;
        number
            .transpose()
            .map_err(|error| Damage::new(self.seq, format!("the payload of a `{event}`: {error}")))
    }

    fn call(&mut self) -> Result<StepCall, Damage> {
        let name = self.row.step.take();
        let kind = self.row.kind.take();
        let kind = Kind::ALL
            .into_iter()
            .find(|one| Some(one.name()) == kind.as_deref());
        Ok(StepCall {
            name: self.need(name, "step")?,
            occurrence: self.need(self.row.occurrence, "occurrence")?,
            kind: self.need(kind, "kind")?,
        })
    }

    fn attempts(&self) -> Result<u32, Damage> {
        self.need(self.row.attempts, "attempts")
    }

    fn message(&mut self) -> Result<String, Damage> {
        let message = self.row.message.take();
        self.need(message, "message")
    }

    fn payload(&mut self) -> Result<String, Damage> {
        let payload = self.row.payload.take();
        self.need(payload, "payload")
    }

    /// A JSON list of texts as payload.
    fn list(&mut self) -> Result<Vec<String>, Damage> {
        let json = self.payload()?;
        serde_json::from_str(&json).map_err(|error| Damage::new(self.seq, error.to_string()))
    }

    fn inputs(&mut self) -> Result<Option<u64>, Damage> {
        let Some(code) = self.row.code.take() else {
            return Ok(None);
        };
        let digest = u64::from_str_radix(&code, 16).ok();
        self.need(digest, "code").map(Some)
    }

    fn reason(&mut self) -> Result<Reason, Damage> {
        let code = self.row.code.take();
        Ok(Reason {
            code: self.need(code, "code")?,
            message: self.message()?,
            error: self.row.payload.take(),
        })
    }

    fn failing(&mut self) -> Result<Event, Damage> {
        let json = self.payload()?;
        let event = &self.row.event;
        let damaged = |error: &dyn std::fmt::Display| {
            Damage::new(self.seq, format!("the payload of a `{event}`: {error}"))
        };
        let payload: FailingPayload =
            serde_json::from_str(&json).map_err(|error| damaged(&error))?;
        let phase = AttemptPhase::ALL
            .into_iter()
            .find(|phase| phase.name() == payload.phase)
            .ok_or_else(|| damaged(&format_args!("there is no phase `{}`", payload.phase)))?;
        Ok(Event::Failing {
            phase,
            attempts: self.attempts()?,
            earlier: payload.earlier,
            in_doubt: payload.in_doubt,
            reason: self.reason()?,
            since: from_millis(payload.since),
            until: from_millis(payload.until),
            step: self.call()?,
        })
    }

    fn settled(&mut self) -> Result<Event, Damage> {
        let settled = match &*self.row.event {
            "step_settled_done" => Settled::Done {
                output: self.payload()?,
            },
            "step_settled_resolved" => Settled::Resolved,
            "step_settled_unresolved" => Settled::Unresolved {
                attempts: self.attempts()?,
                message: self.message()?,
            },
            // An earlier version has recorded no refusal.
            _ => Settled::Nothing {
                refusal: self.row.has_reason().then(|| self.reason()).transpose()?,
            },
        };
        Ok(Event::StepSettled {
            step: self.call()?,
            settled,
        })
    }
}
