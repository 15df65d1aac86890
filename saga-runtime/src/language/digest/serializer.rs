//! The serializer of serde that makes a hash of a value.

use std::fmt::{self, Display, Write};

use serde::ser;
use serde::{Serialize, Serializer};

use super::hash::{Text, hash_number, hash_text, mix, nonzero};

/// The error of a value that can't be serialized.
#[derive(Debug)]
pub(crate) struct NotHashed;

impl Display for NotHashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value can't be serialized")
    }
}

impl std::error::Error for NotHashed {}

impl ser::Error for NotHashed {
    fn custom<T: Display>(_: T) -> Self {
        Self
    }
}

pub(super) type Hashed = Result<u64, NotHashed>;

/// Serializes a value to its hash.
pub(super) struct Hasher;

/// The parts of a value: they are summed, so their order does not count, or combined in their order.
pub(super) struct HashedParts {
    hash: u64,
    /// The hash of the variant of an enum.
    variant: Option<u64>,
    /// The key of a map's entry whose value is next.
    key: u64,
}

impl HashedParts {
    const fn new() -> Self {
        Self {
            hash: 0,
            variant: None,
            key: 0,
        }
    }

    fn of_variant(variant: &str) -> Self {
        Self {
            variant: Some(hash_text(variant.as_bytes())),
            ..Self::new()
        }
    }

    /// Adds a part that is there even if it has the default of its type.
    fn add_element(&mut self, hash: u64) {
        self.hash = self.hash.wrapping_add(nonzero(mix(3, hash)));
    }

    /// Adds a part that need not be there if it has the default of its type.
    fn add_field(&mut self, hash: u64) {
        if hash != 0 {
            self.hash = self.hash.wrapping_add(mix(4, hash));
        }
    }

    fn append(&mut self, hash: u64) {
        self.hash = mix(self.hash, hash);
    }

    fn finish(self) -> u64 {
        match self.variant {
            Some(variant) => nonzero(mix(variant, self.hash)),
            None => self.hash,
        }
    }
}

impl Serializer for Hasher {
    type Ok = u64;
    type Error = NotHashed;
    type SerializeSeq = HashedParts;
    type SerializeTuple = Ordered;
    type SerializeTupleStruct = Ordered;
    type SerializeTupleVariant = Ordered;
    type SerializeMap = HashedParts;
    type SerializeStruct = HashedParts;
    type SerializeStructVariant = HashedParts;

    fn serialize_bool(self, value: bool) -> Hashed {
        Ok(hash_number(value.into()))
    }

    fn serialize_i8(self, value: i8) -> Hashed {
        self.serialize_i128(value.into())
    }

    fn serialize_i16(self, value: i16) -> Hashed {
        self.serialize_i128(value.into())
    }

    fn serialize_i32(self, value: i32) -> Hashed {
        self.serialize_i128(value.into())
    }

    fn serialize_i64(self, value: i64) -> Hashed {
        self.serialize_i128(value.into())
    }

    fn serialize_i128(self, value: i128) -> Hashed {
        Ok(hash_number(value.cast_unsigned()))
    }

    fn serialize_u8(self, value: u8) -> Hashed {
        Ok(hash_number(value.into()))
    }

    fn serialize_u16(self, value: u16) -> Hashed {
        Ok(hash_number(value.into()))
    }

    fn serialize_u32(self, value: u32) -> Hashed {
        Ok(hash_number(value.into()))
    }

    fn serialize_u64(self, value: u64) -> Hashed {
        Ok(hash_number(value.into()))
    }

    fn serialize_u128(self, value: u128) -> Hashed {
        Ok(hash_number(value))
    }

    fn serialize_f32(self, value: f32) -> Hashed {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Hashed {
        // Both zeros are the default.
        let bits = if value == 0.0 { 0 } else { value.to_bits() };
        Ok(hash_number(bits.into()))
    }

    fn serialize_char(self, value: char) -> Hashed {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Hashed {
        Ok(hash_text(value.as_bytes()))
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Hashed {
        let mut text = Text::EMPTY;
        write!(text, "{value}").map_err(|_| NotHashed)?;
        Ok(text.finish())
    }

    fn serialize_bytes(self, value: &[u8]) -> Hashed {
        Ok(hash_text(value))
    }

    fn serialize_none(self) -> Hashed {
        Ok(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Hashed {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Hashed {
        Ok(0)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Hashed {
        Ok(0)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Hashed {
        Ok(hash_text(variant.as_bytes()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Hashed {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Hashed {
        let mut parts = HashedParts::of_variant(variant);
        parts.append(value.serialize(self)?);
        Ok(parts.finish())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<HashedParts, NotHashed> {
        Ok(HashedParts::new())
    }

    fn serialize_tuple(self, _: usize) -> Result<Ordered, NotHashed> {
        Ok(Ordered(HashedParts::new()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Ordered, NotHashed> {
        Ok(Ordered(HashedParts::new()))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Ordered, NotHashed> {
        Ok(Ordered(HashedParts::of_variant(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<HashedParts, NotHashed> {
        Ok(HashedParts::new())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<HashedParts, NotHashed> {
        Ok(HashedParts::new())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<HashedParts, NotHashed> {
        Ok(HashedParts::of_variant(variant))
    }
}

impl ser::SerializeSeq for HashedParts {
    type Ok = u64;
    type Error = NotHashed;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotHashed> {
        self.add_element(value.serialize(Hasher)?);
        Ok(())
    }

    fn end(self) -> Hashed {
        Ok(self.finish())
    }
}

impl ser::SerializeMap for HashedParts {
    type Ok = u64;
    type Error = NotHashed;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), NotHashed> {
        self.key = key.serialize(Hasher)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotHashed> {
        let hash = value.serialize(Hasher)?;
        if hash != 0 {
            self.add_field(mix(self.key, hash));
        }
        Ok(())
    }

    fn end(self) -> Hashed {
        Ok(self.finish())
    }
}

impl ser::SerializeStruct for HashedParts {
    type Ok = u64;
    type Error = NotHashed;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        _: &'static str,
        value: &T,
    ) -> Result<(), NotHashed> {
        self.add_field(value.serialize(Hasher)?);
        Ok(())
    }

    fn end(self) -> Hashed {
        Ok(self.finish())
    }
}

impl ser::SerializeStructVariant for HashedParts {
    type Ok = u64;
    type Error = NotHashed;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        _: &'static str,
        value: &T,
    ) -> Result<(), NotHashed> {
        self.add_field(value.serialize(Hasher)?);
        Ok(())
    }

    fn end(self) -> Hashed {
        Ok(self.finish())
    }
}

/// The parts of a tuple, whose order counts.
pub(super) struct Ordered(HashedParts);

macro_rules! ordered {
    ($($part:ident by $serialize:ident;)+) => {$(
        impl ser::$part for Ordered {
            type Ok = u64;
            type Error = NotHashed;

            fn $serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), NotHashed> {
                self.0.append(value.serialize(Hasher)?);
                Ok(())
            }

            fn end(self) -> Hashed {
                Ok(self.0.finish())
            }
        }
    )+};
}

ordered! {
    SerializeTuple by serialize_element;
    SerializeTupleStruct by serialize_field;
    SerializeTupleVariant by serialize_field;
}
