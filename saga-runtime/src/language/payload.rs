//! What travels between steps and, with a journal, between processes: outputs and inputs as data.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize, Serializer};

use crate::panic::message;

/// A value that an engine can keep, hand out again and write down: a step's output, a saga's input or result.
///
/// Implemented for every type that is `Clone + Serialize + DeserializeOwned`; there is nothing to implement by hand.
// The bounds stand on the blanket implementation and not on the trait, so that a type that lacks three of them is
// reported once, with the edit that mends it, and not once per bound.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the output of a step or a saga",
    label = "not `Clone + Serialize + Deserialize`",
    note = "an output is kept for later steps and for the compensation, and is written to the journal",
    note = "usually it is enough to put `#[derive(Clone, serde::Serialize, serde::Deserialize)]` on `{Self}`"
)]
pub trait Payload: Sized {
    /// Another value like this one.
    #[must_use]
    fn copy(&self) -> Self;

    /// Writes the value.
    ///
    /// # Errors
    /// Whatever the serializer reports.
    fn write<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error>;

    /// Reads a value that [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// Whatever the deserializer reports.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: Clone + Serialize + DeserializeOwned> Payload for T {
    #[inline]
    fn copy(&self) -> Self {
        self.clone()
    }

    fn write<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        self.serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

/// A value as JSON, if it is not longer than `limit` bytes. A panic of its own code is an error like any other.
///
/// # Errors
/// What is wrong with it.
pub fn to_json(value: &impl Payload, limit: usize) -> Result<String, String> {
    let write = || {
        let mut json = Vec::with_capacity(64);
        let written = value.write(&mut serde_json::Serializer::new(&mut json));
        written.map(|()| json).map_err(|error| error.to_string())
    };
    let json = catch_unwind(AssertUnwindSafe(write))
        .unwrap_or_else(|panic| Err(format!("panicked: {}", message(&*panic))))?;
    if json.len() > limit {
        return Err(format!("{} bytes, {limit} are allowed", json.len()));
    }
    String::from_utf8(json).map_err(|error| error.to_string())
}

/// The value that this JSON is. A panic of its own code is an error like any other.
///
/// # Errors
/// If it is no such value.
pub fn from_json<T: Payload>(json: &str) -> serde_json::Result<T> {
    let read = || {
        let mut reader = serde_json::Deserializer::from_str(json);
        let value = T::read(&mut reader)?;
        reader.end()?;
        Ok(value)
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let message = format!("panicked: {}", message(&*panic));
        Err(serde::de::Error::custom(message))
    })
}
