//! Payloads: inputs, outputs and results as data that can be recorded and read again, and their JSON.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize, Serializer};

use crate::panic::message;

/// A value that an engine can copy and record: a step's output, a saga's input or result.
///
/// Every type that is `Clone + Serialize + DeserializeOwned` implements it. Never implement it by hand.
// The bounds stand on the blanket implementation and not on the trait. So the compiler reports a type that lacks three
// bounds once, with the edit that fixes it, and not once per bound.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the output of a step or a saga",
    label = "not `Clone + Serialize + Deserialize`",
    note = "an output is kept for later steps and for the compensation, and is written to the journal",
    note = "usually it is enough to put `#[derive(Clone, serde::Serialize, serde::Deserialize)]` on `{Self}`"
)]
pub trait Payload: Sized {
    /// Clones the value.
    #[must_use]
    fn copy(&self) -> Self;

    /// Serializes the value.
    ///
    /// # Errors
    /// The error of the serializer.
    fn write<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error>;

    /// Reads a value that [`write`](Self::write) wrote.
    ///
    /// # Errors
    /// The error of the deserializer.
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

/// Serializes a value as JSON of at most `limit` bytes. A panic of the value's code becomes an error.
///
/// # Errors
/// The text of the serializer's error or of a panic, or the size if the JSON is too long.
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

/// Reads a value from JSON. A panic of the value's code becomes an error.
///
/// # Errors
/// If the text is not JSON, not a value of this type, or is followed by other text.
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
