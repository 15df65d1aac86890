//! Everything about one saga, as data that can be sent: its history, what it waits for, and what can be done.

use serde::{Deserialize, Serialize};

use crate::coordinator::Inspection;
use crate::escaped::Escaped;
use crate::journal::history::{DROPPED_BY_HAND, ReplayState};
use crate::journal::{Event, History, Row, StepCall, to_millis};
use crate::operator::command::possible;
use crate::operator::{Outline, Possible, SagaSummary, Trouble};

/// Everything that is recorded about one saga. Times are milliseconds since 1970.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SagaDetails {
    /// The saga as lists have it.
    pub saga: SagaSummary,
    /// Its input as JSON, if payloads were asked for.
    pub input: Option<String>,
    /// The fingerprint of its definition when it was started, as hexadecimal digits: [`Shape::fingerprint`](crate::Shape::fingerprint).
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// Its history, in order.
    pub entries: Vec<EntryView>,
    /// Why a part of the history can't be read.
    pub damage: Option<String>,
    /// What it waits for.
    pub waits: Vec<WaitView>,
    /// The calls that are still to be undone, or would be if the saga failed now. Last first.
    pub to_compensate: Vec<String>,
    /// The calls whose effects stay, because an operator has skipped their compensation: the call, and the reason.
    pub skipped: Vec<(String, String)>,
    /// The calls whose effects are not undone, if the saga was abandoned.
    pub left: Vec<String>,
    /// The events that the saga can't read, or that an operator has dropped.
    #[serde(default)]
    pub set_aside: Vec<SetAsideView>,
    /// The events that were sent to the saga, and that no wait has taken yet, the oldest first.
    #[serde(default)]
    pub kept: Vec<KeptEvent>,
    /// The commands that it takes now.
    pub possible: Vec<Possible>,
    /// Its definition, if it is registered here.
    pub outline: Option<Outline>,
}

/// One entry of a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EntryView {
    /// Its number, counted from 1.
    pub seq: u64,
    /// When it was written.
    pub at: u64,
    /// The name of the event: [`Event::name`].
    pub event: String,
    /// The durable name of the step, or the name of an event that was sent.
    pub step: Option<String>,
    /// The number of earlier calls of the step.
    pub occurrence: u32,
    /// The kind of the step, if the entry is about a call of one: [`Kind::name`](crate::meta::Kind::name).
    #[serde(default)]
    pub kind: Option<String>,
    /// The number of attempts.
    pub attempts: Option<u32>,
    /// The code of the reason.
    pub code: Option<String>,
    /// The reason: an error's text, or that of an operator.
    pub message: Option<String>,
    /// The entry as a line of text, without its payload.
    pub line: String,
    /// An output or an error as JSON, if payloads were asked for.
    pub payload: Option<String>,
    /// The digest of the inputs of a step that is done, if payloads were asked for.
    #[serde(default)]
    pub inputs: Option<String>,
}

/// An open wait of a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WaitView {
    /// The call: `sleep`, `event:approved`, `event:paid|declined`.
    pub call: String,
    /// The name of the event, if it is for exactly one.
    pub event: Option<String>,
    /// The names of all events that end it, whichever is first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// When the wait ends, if it has a limit.
    pub until: Option<u64>,
}

/// An event that the saga can't read, or that an operator has dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SetAsideView {
    /// The name of the event.
    pub event: String,
    /// The reason.
    pub reason: String,
}

/// An event that was sent to the saga, and that no wait has taken yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeptEvent {
    /// The name of the event.
    pub event: String,
    /// The sender's key, if it gave one.
    pub key: Option<String>,
    /// Its value as JSON, if payloads were asked for.
    pub value: Option<String>,
}

impl SagaDetails {
    /// `has_code` says if the code of a call is there, which checks an output that is given by hand.
    pub(super) fn new(
        found: History,
        payloads: bool,
        outline: Option<Outline>,
        has_code: impl Fn(&StepCall) -> bool,
    ) -> Self {
        let inspected = Inspection::new(found.record, found.entries);
        let history = ReplayState::new(&inspected.entries)
            .unwrap_or_else(|_| ReplayState::of_readable(&inspected.entries));
        let record = &inspected.record;
        let trouble = Trouble::of(record, &inspected.entries, &history);
        let is_damaged = inspected.damage.is_some() || record.damage.is_some();
        let waits = inspected.waits.iter().map(|wait| WaitView {
            call: wait.call.to_string(),
            event: wait.call.event().map(str::to_owned),
            events: wait.call.events().map(str::to_owned).collect(),
            until: wait.until.map(to_millis),
        });
        let set_aside = inspected.set_aside.iter().map(|one| SetAsideView {
            event: one.event.clone(),
            reason: if payloads || one.reason.starts_with(DROPPED_BY_HAND) {
                one.reason.clone()
            } else {
                WITHOUT_THE_VALUE.to_owned()
            },
        });
        let untaken = history.untaken().filter(|_| !record.state.is_final());
        let kept = untaken.map(|(_, event)| KeptEvent {
            event: event.name.clone().into_owned(),
            key: event.key.clone(),
            value: payloads.then(|| event.payload.clone()),
        });
        let skipped = inspected.skipped.iter();
        Self {
            saga: SagaSummary::new(record, trouble),
            input: payloads.then(|| record.saga.input.clone()),
            fingerprint: Some(format!("{:016x}", record.saga.fingerprint)),
            damage: inspected.damage.as_ref().map(ToString::to_string),
            waits: waits.collect(),
            to_compensate: inspected
                .to_compensate
                .iter()
                .map(ToString::to_string)
                .collect(),
            skipped: skipped
                .map(|one| (one.call.to_string(), one.reason.clone()))
                .collect(),
            left: inspected.left.clone(),
            set_aside: set_aside.collect(),
            kept: kept.collect(),
            possible: possible(record, &history, is_damaged, has_code),
            outline,
            entries: inspected
                .entries
                .into_iter()
                .map(|entry| EntryView::new(entry.seq, to_millis(entry.at), entry.event, payloads))
                .collect(),
        }
    }
}

/// In place of a message of serde, which may have a part of the value.
const WITHOUT_THE_VALUE: &str = "its type can't read the value";

/// The message of an entry that may have a part of a payload.
fn message_with_payload(event: &mut Event) -> Option<&mut String> {
    match event {
        Event::EventSetAside { message, .. } if !message.starts_with(DROPPED_BY_HAND) => {
            Some(message)
        }
        Event::Stuck { reason } if reason.code == "unreadable" => Some(&mut reason.message),
        _ => None,
    }
}

impl EntryView {
    fn new(seq: u64, at: u64, mut event: Event, payloads: bool) -> Self {
        if !payloads && let Some(message) = message_with_payload(&mut event) {
            WITHOUT_THE_VALUE.clone_into(message);
        }
        let line = Escaped(crate::coordinator::Line(&event)).to_string();
        let is_done = matches!(event, Event::StepDone { .. });
        let row = Row::from(event);
        // Of a step that is done, the column of the code has a digest of its inputs.
        let (code, inputs) = if is_done {
            (None, row.code)
        } else {
            (row.code, None)
        };
        Self {
            seq,
            at,
            event: row.event.into_owned(),
            step: row.step.map(Into::into),
            occurrence: row.occurrence.unwrap_or_default(),
            kind: row.kind.map(Into::into),
            attempts: row.attempts,
            code: code.map(Into::into),
            message: row.message,
            line,
            payload: row.payload.filter(|_| payloads),
            inputs: inputs.filter(|_| payloads).map(Into::into),
        }
    }
}
