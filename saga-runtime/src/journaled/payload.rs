//! Values as JSON. A panic in the code of a value is an error like any other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::attempt::message;
use crate::payload::Payload;

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
