//! The rule for inputs of sagas: they are recorded.

use serde::de::DeserializeOwned;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Implemented by types of a saga's inputs. An input is recorded, so that the saga can continue after a crash.
// The saga's own implementations of serde's traits call it, so that the compiler reports a missing one in these words.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the input of a saga",
    label = "not `Serialize + Deserialize`",
    note = "the input is stored, so that the saga can go on after a crash",
    note = "usually it is enough to put `#[derive(serde::Serialize, serde::Deserialize)]` on `{Self}`"
)]
pub trait SagaInput: Sized {
    /// Serializes the value.
    ///
    /// # Errors
    /// The error of the serializer.
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error>;

    /// Serializes the value as a field of a struct.
    ///
    /// # Errors
    /// The error of the serializer.
    fn serialize_field<Z: SerializeStruct>(
        &self,
        fields: &mut Z,
        name: &'static str,
    ) -> Result<(), Z::Error>;

    /// Reads a value that [`serialize`](Self::serialize) wrote.
    ///
    /// # Errors
    /// The error of the deserializer.
    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> SagaInput for T {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        Serialize::serialize(self, serializer)
    }

    fn serialize_field<Z: SerializeStruct>(
        &self,
        fields: &mut Z,
        name: &'static str,
    ) -> Result<(), Z::Error> {
        fields.serialize_field(name, self)
    }

    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Deserialize::deserialize(deserializer)
    }
}
