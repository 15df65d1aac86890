//! The input of a saga, which is stored.

use serde::de::DeserializeOwned;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One input of a saga: it is stored, so that the saga can go on after a crash.
// Called by the saga's implementations of serde's traits, so that a type without them is reported in these words.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the input of a saga",
    label = "not `Serialize + Deserialize`",
    note = "the input is stored, so that the saga can go on after a crash",
    note = "usually it is enough to put `#[derive(serde::Serialize, serde::Deserialize)]` on `{Self}`"
)]
pub trait SagaInput: Sized {
    /// Writes the value.
    ///
    /// # Errors
    /// Whatever the serializer reports.
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error>;

    /// Writes the value as a field of a struct.
    ///
    /// # Errors
    /// Whatever the serializer reports.
    fn serialize_field<Z: SerializeStruct>(
        &self,
        fields: &mut Z,
        name: &'static str,
    ) -> Result<(), Z::Error>;

    /// Reads a value that [`serialize`](Self::serialize) wrote.
    ///
    /// # Errors
    /// Whatever the deserializer reports.
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
