//! The digest of a step's inputs: a replay tells by it that a call is made with other inputs than the recorded one.
//!
//! It never changes: journals keep it. What it does not tell apart, it does not for a reason:
//! * the order of the elements of a list or a set, and of the entries of a map: maps and sets have another order in each process;
//! * a field that is missing, and one that is `None`, `0`, `false` or empty: the type may have got the field since;
//! * the names of fields, and the widths of numbers: both may have changed since.
//!
//! An input that is not `Serialize` is not covered.

use std::fmt::{self, Display, Write};

use serde::ser;
use serde::{Serialize, Serializer};

use crate::panic::caught;

/// The digest of the inputs of one call.
#[derive(Debug, Default)]
pub struct Digest {
    hash: u64,
    inputs: u64,
    covered: bool,
    failed: bool,
}

impl Digest {
    /// The digest of no inputs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The digest. `None` if none of the inputs is covered.
    #[must_use]
    pub fn finish(self) -> Option<u64> {
        (self.covered && !self.failed).then_some(self.hash)
    }

    fn add(&mut self, input: &(impl Serialize + ?Sized)) {
        self.inputs += 1;
        match caught(|| input.serialize(Hasher)) {
            Ok(Ok(hash)) => {
                self.covered = true;
                self.hash = mix(mix(self.hash, self.inputs), hash);
            }
            _ => self.failed = true,
        }
    }

    fn skip(&mut self) {
        self.inputs += 1;
    }
}

/// One input, by reference.
#[derive(Debug)]
pub struct DigestInput<'a, T: ?Sized>(pub &'a T);

/// Adds an input that is `Serialize`. Found before [`SkipsInput`], because it needs a reference less.
pub trait AddsInput {
    /// Adds it.
    fn add_to(&self, digest: &mut Digest);
}

impl<T: Serialize + ?Sized> AddsInput for DigestInput<'_, T> {
    fn add_to(&self, digest: &mut Digest) {
        digest.add(self.0);
    }
}

/// Skips an input of any other type.
pub trait SkipsInput {
    /// Skips it.
    fn add_to(&self, digest: &mut Digest);
}

impl<T: ?Sized> SkipsInput for &DigestInput<'_, T> {
    fn add_to(&self, digest: &mut Digest) {
        digest.skip();
    }
}

/// Combines two hashes, in this order.
fn mix(one: u64, other: u64) -> u64 {
    let mut hash = one.rotate_left(23) ^ other.wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The hash of a value that is not the default of its type: 0 is that of the default.
fn nonzero(hash: u64) -> u64 {
    hash.max(1)
}

fn hash_number(number: u128) -> u64 {
    if number == 0 {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the halves are combined")]
    let halves = (number as u64, (number >> 64) as u64);
    nonzero(mix(mix(1, halves.0), halves.1))
}

/// FNV-1a, so that a text can come in pieces.
struct Text(u64);

impl Text {
    const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        if self.0 == Self::EMPTY.0 {
            0
        } else {
            nonzero(mix(2, self.0))
        }
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

fn hash_text(bytes: &[u8]) -> u64 {
    let mut text = Text::EMPTY;
    text.push(bytes);
    text.finish()
}

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

type Hashed = Result<u64, NotHashed>;

/// Serializes a value to its hash.
struct Hasher;

/// The parts of a value: they are summed, so their order does not count, or combined in their order.
struct HashedParts {
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
struct Ordered(HashedParts);

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

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    fn digest(input: &impl Serialize) -> u64 {
        let mut digest = Digest::new();
        digest.add(input);
        digest.finish().expect("it is serialized")
    }

    #[derive(Serialize)]
    struct Before {
        amount: u32,
        to: &'static str,
    }

    #[derive(Serialize)]
    struct After {
        to: &'static str,
        total: u64,
        note: Option<String>,
        tags: Vec<u8>,
        urgent: bool,
    }

    #[derive(Serialize)]
    enum Way {
        Air,
        Sea { days: u8 },
        Land(u8),
    }

    /// Journals keep them: if one of these changes, open sagas look as if their definitions had changed.
    #[test]
    fn digests_never_change() {
        let digests = [
            digest(&17_u8),
            digest(&"tea"),
            digest(&Before { amount: 3, to: "x" }),
            digest(&Way::Sea { days: 3 }),
            digest(&(1, 2.5, ["a", "b"])),
        ];
        let text = digests.map(|digest| format!("{digest:016x}"));
        let expected = [
            "c76e8f7ab2ccbb98",
            "4c5bcf4748bdb14e",
            "f9a12359335503e4",
            "0e41018269e89898",
            "c6ded0627f3976ec",
        ];
        assert_eq!(text, expected);
    }

    #[test]
    fn other_inputs_have_other_digests() {
        let digests = [
            digest(&0),
            digest(&1),
            digest(&-1),
            digest(&(1_u128 << 64)),
            digest(&1.5),
            digest(&"1"),
            digest(&"a"),
            digest(&["a", "b"]),
            digest(&["b", "a"]),
            digest(&vec!["a", "a"]),
            digest(&vec![0]),
            digest(&vec![0, 0]),
            digest(&Way::Air),
            digest(&Way::Sea { days: 0 }),
            digest(&Way::Sea { days: 1 }),
            digest(&Way::Land(0)),
            digest(&Way::Land(1)),
            digest(&HashMap::from([("a", 1)])),
            digest(&HashMap::from([("b", 1)])),
            digest(&HashMap::from([("a", 2)])),
        ];
        let different: HashSet<_> = digests.iter().collect();
        assert_eq!(different.len(), digests.len(), "{digests:#x?}");
    }

    #[test]
    fn neither_an_order_nor_a_new_field_makes_another_digest() {
        let names = || (0..50).map(|number| format!("name {number}"));
        let map = || -> HashMap<_, _> { names().map(|name| (name, 1)).collect() };
        assert_eq!(digest(&map()), digest(&map()));
        let set = || -> HashSet<_> { names().collect() };
        assert_eq!(digest(&set()), digest(&set()));
        let after = After {
            to: "x",
            total: 3,
            note: None,
            tags: Vec::new(),
            urgent: false,
        };
        assert_eq!(digest(&Before { amount: 3, to: "x" }), digest(&after));
        assert_eq!(digest(&Some(3)), digest(&3));
    }

    #[test]
    fn an_input_that_is_not_serialize_is_skipped() {
        struct Opaque;

        let of = |number: u8| {
            let mut digest = Digest::new();
            let opaque = &DigestInput(&Opaque);
            opaque.add_to(&mut digest);
            let number = &DigestInput(&number);
            number.add_to(&mut digest);
            digest.finish()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        let mut digest = Digest::new();
        let opaque = &DigestInput(&Opaque);
        opaque.add_to(&mut digest);
        assert_eq!(digest.finish(), None);
    }

    #[test]
    fn an_input_whose_code_panics_has_no_digest() {
        struct Broken;

        impl Serialize for Broken {
            fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                panic!("broken");
            }
        }

        let mut digest = Digest::new();
        digest.add(&1);
        digest.add(&Broken);
        assert_eq!(digest.finish(), None);
    }
}
