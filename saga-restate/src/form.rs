//! The form of the records of a saga. The first entry of its journal says it, so that a saga in flight keeps its form
//! when the service is upgraded.
//!
//! A handler of the SDK can't read an entry before it writes the same one. So the entry is read from the request, on its
//! way to the SDK: see `exchange.rs`.

use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Serialize};

/// The form of the records of one saga.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub(crate) enum Form {
    /// Keys have the id of the saga only.
    #[default]
    IdInKeys,
    /// Keys have the name of the saga and its id.
    NameInKeys,
}

impl From<u32> for Form {
    fn from(number: u32) -> Self {
        match number {
            0 | 1 => Self::IdInKeys,
            _ => Self::NameInKeys,
        }
    }
}

impl From<Form> for u32 {
    fn from(form: Form) -> Self {
        match form {
            Form::IdInKeys => 1,
            Form::NameInKeys => 2,
        }
    }
}

impl Form {
    /// The form of a saga that begins now.
    pub(crate) const PRESENT: Self = Self::NameInKeys;

    /// Returns true for the form whose entry does not say its form.
    pub(crate) fn is_unsaid(&self) -> bool {
        *self == Self::IdInKeys
    }
}

/// The part of the value of `started` that is read here.
#[derive(Deserialize)]
struct Started {
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

/// The type of that message.
const COMPLETE_PROMISE: u16 = 0x040B;

/// The bytes before each message: its type, flags, and its length.
const HEADER: usize = 8;

/// A reader of the entries in a request: it skips them until the first one that resolves a promise.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    header: Vec<u8>,
    /// The bytes of the message that are still to come, once its header is whole.
    left: usize,
    /// The message, if it is the one.
    message: Option<Vec<u8>>,
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
                if u16::from_be_bytes([high, low]) == COMPLETE_PROMISE {
                    self.message = Some(Vec::with_capacity(self.left));
                }
                continue;
            }
            let part = bytes.split_off(..bytes.len().min(self.left))?;
            self.left -= part.len();
            let Some(message) = &mut self.message else {
                continue;
            };
            message.extend_from_slice(part);
            if self.left == 0 {
                return Some(form(message));
            }
        }
        None
    }
}

/// The form that this entry says.
fn form(message: &[u8]) -> Form {
    let value = CompletePromise::decode(message).ok();
    let value = value.and_then(|promise| promise.value).unwrap_or_default();
    let started = serde_json::from_slice::<Started>(&value.content);
    started.map_or(Form::IdInKeys, |started| started.form)
}
