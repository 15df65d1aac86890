//! The form of the records of a saga. The first entry of its journal says it, so that a saga in flight keeps its form
//! when the service is upgraded.
//!
//! A handler of the SDK can't read an entry before it writes the same one. So the entry is read from the request, on its
//! way to the SDK: see `exchange.rs`.

use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Serialize};

/// The form of the records of one saga.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub(crate) enum Form {
    /// Keys have the id of the saga only.
    #[default]
    IdInKeys,
    /// Keys have the name of the saga and its id.
    NameInKeys,
    /// So do they, and a saga that can't be undone waits for an operator.
    TakesDecisions,
    /// So it does, and its trouble is an entry of its own: what a replay says of a failure may be another text.
    RecordsTrouble,
    /// So it does, and an event that a wait leaves unread is handed to a wait that is open.
    HandsOnEvents,
}

impl From<u32> for Form {
    fn from(number: u32) -> Self {
        match number {
            0 | 1 => Self::IdInKeys,
            2 => Self::NameInKeys,
            3 => Self::TakesDecisions,
            4 => Self::RecordsTrouble,
            _ => Self::HandsOnEvents,
        }
    }
}

impl From<Form> for u32 {
    fn from(form: Form) -> Self {
        match form {
            Form::IdInKeys => 1,
            Form::NameInKeys => 2,
            Form::TakesDecisions => 3,
            Form::RecordsTrouble => 4,
            Form::HandsOnEvents => 5,
        }
    }
}

impl Form {
    /// Returns true if the saga's keys begin with its name.
    pub(crate) fn has_name_in_keys(self) -> bool {
        self != Self::IdInKeys
    }

    /// Returns true if operators may decide about the saga.
    pub(crate) fn takes_decisions(self) -> bool {
        self >= Self::TakesDecisions
    }

    /// Returns true if the trouble that the saga tells is an entry of its own.
    pub(crate) fn records_trouble(self) -> bool {
        self >= Self::RecordsTrouble
    }

    /// Returns true if an event that a wait leaves unread is handed to a wait that is open.
    pub(crate) fn hands_on_events(self) -> bool {
        self >= Self::HandsOnEvents
    }

    /// Returns true for the form whose entry does not say its form.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the serializer passes a reference"
    )]
    pub(crate) fn is_unsaid(&self) -> bool {
        *self == Self::IdInKeys
    }
}

/// The part of the value of `started` that is read here.
#[derive(Deserialize)]
struct StartForm {
    #[serde(default)]
    form: Form,
}

/// The command that resolves a promise, in the protocol of Restate's services.
#[derive(Clone, PartialEq, Message)]
struct CompletePromise {
    #[prost(message, optional, tag = "2")]
    value: Option<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(bytes = "bytes", tag = "1")]
    content: Bytes,
}

/// The message with which a request begins.
#[derive(Clone, PartialEq, Message)]
struct Start {
    #[prost(uint32, tag = "7")]
    retries: u32,
}

/// The types of these messages, and of an error.
const START: u16 = 0x0000;
const ERROR: u16 = 0x0002;
const COMPLETE_PROMISE: u16 = 0x040B;

/// The last field of an error, which tells Restate to pause the invocation.
const PAUSE: [u8; 2] = [9 << 3, 1];

/// The bytes before each message: its type, flags, and its length.
const HEADER: usize = 8;

/// A reader of the entries in a request: it skips them until the first one that resolves a promise.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    header: Vec<u8>,
    /// The bytes of the message that are still to come, once its header is whole.
    left: usize,
    /// The message, if it is one that is read, with its type.
    message: Option<(u16, Vec<u8>)>,
    retries: Option<u32>,
}

impl Entries {
    /// Reads more bytes. Returns the form as soon as it is known.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Option<Form> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let header = bytes.split_off(..bytes.len().min(HEADER - self.header.len()))?;
                self.header.extend_from_slice(header);
                let Ok([high, low, _, _, length @ ..]) = <[u8; HEADER]>::try_from(&*self.header)
                else {
                    return None;
                };
                self.header.clear();
                self.left = usize::try_from(u32::from_be_bytes(length)).ok()?;
                let kind = u16::from_be_bytes([high, low]);
                let is_read = matches!(kind, START | COMPLETE_PROMISE);
                self.message = is_read.then(|| (kind, Vec::new()));
                continue;
            }
            let part = bytes.split_off(..bytes.len().min(self.left))?;
            self.left -= part.len();
            let Some((kind, message)) = &mut self.message else {
                continue;
            };
            message.extend_from_slice(part);
            if self.left > 0 {
                continue;
            }
            if *kind == COMPLETE_PROMISE {
                return Some(form(message));
            }
            self.retries = Start::decode(&**message).ok().map(|start| start.retries);
        }
        None
    }

    /// The number of requests that have failed since the last entry was recorded, once it is known.
    pub(crate) fn retries(&self) -> Option<u32> {
        self.retries
    }
}

/// The same messages, but an error among them pauses the saga.
pub(crate) fn pausing(bytes: &[u8]) -> Bytes {
    let mut rest = bytes;
    let mut pausing = Vec::with_capacity(bytes.len() + PAUSE.len());
    while let Some((header, after)) = rest.split_first_chunk::<HEADER>() {
        let [high, low, first, second, length @ ..] = *header;
        let length = u32::from_be_bytes(length);
        let Some((message, after)) = usize::try_from(length)
            .ok()
            .and_then(|length| after.split_at_checked(length))
        else {
            break;
        };
        let added: &[u8] = if u16::from_be_bytes([high, low]) == ERROR {
            &PAUSE
        } else {
            &[]
        };
        let length = length.saturating_add(u32::from(!added.is_empty()) * 2);
        pausing.extend_from_slice(&[high, low, first, second]);
        pausing.extend_from_slice(&length.to_be_bytes());
        pausing.extend_from_slice(message);
        pausing.extend_from_slice(added);
        rest = after;
    }
    pausing.extend_from_slice(rest);
    Bytes::from(pausing)
}

/// The form that this entry says.
fn form(message: &[u8]) -> Form {
    let value = CompletePromise::decode(message).ok();
    let value = value.and_then(|promise| promise.value).unwrap_or_default();
    let started = serde_json::from_slice::<StartForm>(&value.content);
    started.map_or(Form::IdInKeys, |started| started.form)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One message as it is sent.
    fn sent(kind: u16, message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).expect("it is short");
        let flags = [0, 0];
        [
            &kind.to_be_bytes()[..],
            &flags,
            &length.to_be_bytes(),
            message,
        ]
        .concat()
    }

    fn request(started: &str) -> Vec<u8> {
        let promise = CompletePromise {
            value: Some(Value {
                content: Bytes::from(started.to_owned()),
            }),
        };
        let start = Start { retries: 3 };
        // An input that looks like what is looked for.
        let input = sent(0x0400, br#"{"form":2}"#);
        [
            sent(START, &start.encode_to_vec()),
            input,
            sent(COMPLETE_PROMISE, &promise.encode_to_vec()),
        ]
        .concat()
    }

    #[test]
    fn the_form_is_read_wherever_the_request_is_cut() {
        let old = r#"{"invocation":"inv_1","input":{"form":2}}"#;
        let new = r#"{"invocation":"inv_1","input":{},"form":2}"#;
        for (started, expected) in [(old, Form::IdInKeys), (new, Form::NameInKeys)] {
            let request = request(started);
            for cut in 0..request.len() {
                let mut entries = Entries::default();
                let (first, second) = request.split_at(cut);
                assert_eq!(entries.read(first), None, "cut at {cut}");
                assert_eq!(entries.read(second), Some(expected), "cut at {cut}");
                assert_eq!(entries.retries(), Some(3));
            }
        }
    }

    #[test]
    fn an_error_pauses_the_saga_and_other_messages_stay_as_they_are() {
        let run = sent(0x0411, b"charge");
        let error = sent(ERROR, b"\x08\x01");
        let paused = [run.clone(), sent(ERROR, b"\x08\x01\x48\x01")].concat();
        assert_eq!(pausing(&[run.clone(), error].concat()), paused);
        assert_eq!(pausing(&run), run);
        assert_eq!(pausing(b""), b""[..]);
    }
}
