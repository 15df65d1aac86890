//! A JSON schema of a saga's input, by which Restate refuses what the saga could not read before the id is taken.
//!
//! The type of the input says what it reads while it reads: this asks it, with a deserializer that has no data. The schema
//! refuses nothing that the type could read, and says nothing where the type does not: a text that is no UUID passes.

use std::fmt;
use std::panic::catch_unwind;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess,
    VariantAccess, Visitor,
};
use serde_json::{Map, Value, json};

/// The schema of the input `G`.
pub(crate) fn schema<G: DeserializeOwned>() -> Value {
    // The code of the type may panic. Then there is nothing to say of it.
    catch_unwind(describe::<G>).unwrap_or_else(|_| json!({}))
}

fn describe<G: DeserializeOwned>() -> Value {
    let fields = names::<G>();
    let given = fields.iter().map(|field| (*field, kind::<G>(field)));
    let given = given.filter(|(_, kind)| !kind.is_null());
    let properties: Map<_, _> = given
        .map(|(field, kind)| (field.to_owned(), json!({ "type": kind })))
        .collect();
    json!({
        "type": kind_of::<G>(),
        "properties": properties,
        "required": required::<G>(fields),
    })
}

/// The kinds of JSON that a type reads as a whole.
fn kind_of<G: DeserializeOwned>() -> Value {
    let mut kind = Value::Null;
    let _ = G::deserialize(Kind(&mut kind));
    if kind.is_null() {
        return json!(["array", "boolean", "null", "number", "object", "string"]);
    }
    kind
}

/// The names of the fields of the type, if it is a struct.
fn names<G: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    let _ = G::deserialize(Struct {
        given: &[],
        kind: None,
        names: Some(&mut names),
    });
    names
}

/// The kinds of JSON that the type reads as this field. Null if any.
fn kind<G: DeserializeOwned>(field: &'static str) -> Value {
    let mut kind = Value::Null;
    let _ = G::deserialize(Struct {
        given: &[field],
        kind: Some(&mut kind),
        names: None,
    });
    kind
}

/// The fields without which the type can't be read, as far as it says so.
fn required<G: DeserializeOwned>(fields: &[&'static str]) -> Vec<&'static str> {
    let missing = |given: &[&'static str]| {
        G::deserialize(Struct {
            given,
            kind: None,
            names: None,
        })
        .err()
    };
    let mut given = Vec::new();
    let mut required = Vec::new();
    // Each round finds the first field that is missing, and gives it.
    while let Some(Mute::Missing(field)) = missing(&given) {
        if given.contains(&field) {
            break;
        }
        let others = fields.iter().filter(|other| **other != field);
        // A field with an alias need not be given by its name.
        let has_alias = others.copied().any(|other| {
            let with_other: Vec<_> = given.iter().copied().chain([other]).collect();
            match missing(&with_other) {
                None => true,
                Some(Mute::Missing(next)) => next != field,
                // A blank value is not taken. This may be the same field or another one.
                Some(Mute::Other) => {
                    !given.contains(&other) && kind::<G>(other) == kind::<G>(field)
                }
            }
        });
        if !has_alias {
            required.push(field);
        }
        given.push(field);
    }
    required
}

/// The error of a type that has nothing to read.
#[derive(Debug)]
enum Mute {
    Missing(&'static str),
    Other,
}

impl fmt::Display for Mute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there are no data")
    }
}

impl std::error::Error for Mute {}

impl de::Error for Mute {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*);)+) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Mute> {
            $(let _ = $argument;)*
            self.deserialize_any(visitor)
        }
    )+};
}

/// A struct of which these fields are given, with values that say nothing or note their kind.
struct Struct<'p> {
    given: &'p [&'static str],
    kind: Option<&'p mut Value>,
    names: Option<&'p mut &'static [&'static str]>,
}

impl<'de> Deserializer<'de> for Struct<'_> {
    type Error = Mute;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Mute> {
        Err(Mute::Other)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mute> {
        if let Some(names) = self.names {
            *names = fields;
        }
        visitor.visit_map(Fields {
            left: self.given.iter(),
            kind: self.kind,
            depth: DEPTH,
        })
    }

    forward! {
        deserialize_bool(); deserialize_i8(); deserialize_i16(); deserialize_i32(); deserialize_i64();
        deserialize_i128(); deserialize_u8(); deserialize_u16(); deserialize_u32(); deserialize_u64();
        deserialize_u128(); deserialize_f32(); deserialize_f64(); deserialize_char(); deserialize_str();
        deserialize_string(); deserialize_bytes(); deserialize_byte_buf(); deserialize_option();
        deserialize_unit(); deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str); deserialize_seq(); deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize); deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier(); deserialize_ignored_any();
    }
}

/// The fields that are given.
struct Fields<'p, I> {
    left: I,
    kind: Option<&'p mut Value>,
    depth: u32,
}

impl<'de, 'f, I: Iterator<Item = &'f &'static str>> MapAccess<'de> for Fields<'_, I> {
    type Error = Mute;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mute> {
        let name = self.left.next();
        name.map(|name| seed.deserialize(StrDeserializer::new(name)))
            .transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mute> {
        match &mut self.kind {
            Some(kind) => seed.deserialize(Kind(kind)),
            None => seed.deserialize(Blank { depth: self.depth }),
        }
    }
}

/// Notes the kinds of JSON that `serde_json` takes where a type asks for this. It gives nothing.
struct Kind<'p>(&'p mut Value);

macro_rules! kinds {
    ($($kind:expr => $($method:ident($($argument:ident: $type:ty),*))+;)+) => {$($(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, Mute> {
            $(let _ = $argument;)*
            *self.0 = json!($kind);
            drop(visitor);
            Err(Mute::Other)
        }
    )+)+};
}

impl<'de> Deserializer<'de> for Kind<'_> {
    type Error = Mute;

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mute> {
        visitor.visit_newtype_struct(self)
    }

    kinds! {
        "boolean" => deserialize_bool();
        "number" => deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
            deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
            deserialize_f32() deserialize_f64();
        "string" => deserialize_char() deserialize_str() deserialize_string() deserialize_identifier();
        "null" => deserialize_unit() deserialize_unit_struct(name: &'static str);
        "array" => deserialize_seq() deserialize_tuple(length: usize)
            deserialize_tuple_struct(name: &'static str, length: usize);
        "object" => deserialize_map();
        ["array", "object"] =>
            deserialize_struct(name: &'static str, fields: &'static [&'static str]);
        ["object", "string"] =>
            deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        Value::Null => deserialize_any() deserialize_option() deserialize_bytes() deserialize_byte_buf()
            deserialize_ignored_any();
    }
}

/// The depth to which blank values are made, since a type may be part of itself.
const DEPTH: u32 = 16;

/// A value that says nothing: zero, an empty text, nothing.
#[derive(Clone, Copy)]
struct Blank {
    depth: u32,
}

impl Blank {
    fn deeper(self) -> Result<Self, Mute> {
        let depth = self.depth.checked_sub(1).ok_or(Mute::Other)?;
        Ok(Self { depth })
    }
}

macro_rules! blanks {
    ($($method:ident => $visit:ident($($blank:expr)?);)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mute> {
            visitor.$visit($($blank)?)
        }
    )+};
}

impl<'de> Deserializer<'de> for Blank {
    type Error = Mute;

    blanks! {
        deserialize_bool => visit_bool(false);
        deserialize_i8 => visit_i8(0); deserialize_i16 => visit_i16(0); deserialize_i32 => visit_i32(0);
        deserialize_i64 => visit_i64(0); deserialize_i128 => visit_i128(0);
        deserialize_u8 => visit_u8(0); deserialize_u16 => visit_u16(0); deserialize_u32 => visit_u32(0);
        deserialize_u64 => visit_u64(0); deserialize_u128 => visit_u128(0);
        deserialize_f32 => visit_f32(0.0); deserialize_f64 => visit_f64(0.0);
        deserialize_char => visit_char(' ');
        deserialize_str => visit_str(""); deserialize_string => visit_str("");
        deserialize_identifier => visit_str("");
        deserialize_bytes => visit_bytes(&[]); deserialize_byte_buf => visit_bytes(&[]);
        deserialize_option => visit_none(); deserialize_unit => visit_unit();
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Mute> {
        Err(Mute::Other)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mute> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mute> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mute> {
        visitor.visit_newtype_struct(self.deeper()?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mute> {
        self.deserialize_tuple(0, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Mute> {
        let each = self.deeper()?;
        visitor.visit_seq(Elements { left: length, each })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Mute> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mute> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mute> {
        let depth = self.deeper()?.depth;
        visitor.visit_map(Fields {
            left: fields.iter(),
            kind: None,
            depth,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mute> {
        let first = variants.first().ok_or(Mute::Other)?;
        let value = self.deeper()?;
        visitor.visit_enum(First { name: first, value })
    }
}

/// Blank elements.
struct Elements {
    left: usize,
    each: Blank,
}

impl<'de> SeqAccess<'de> for Elements {
    type Error = Mute;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mute> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(self.each).map(Some)
    }
}

/// The first variant of an enum.
struct First {
    name: &'static str,
    value: Blank,
}

impl<'de> EnumAccess<'de> for First {
    type Error = Mute;
    type Variant = Blank;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Blank), Mute> {
        let variant = seed.deserialize(StrDeserializer::<Mute>::new(self.name))?;
        Ok((variant, self.value))
    }
}

impl<'de> VariantAccess<'de> for Blank {
    type Error = Mute;

    fn unit_variant(self) -> Result<(), Mute> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mute> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Mute> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mute> {
        self.deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use saga_runtime::Uuid;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is described, and not read")]
    enum Payment {
        Card { number: String },
        Cash,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is described, and not read")]
    struct Place {
        country: Option<String>,
        inside: Option<Box<Place>>,
    }

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "it is described, and not read")]
    struct Input {
        number: u32,
        share: f64,
        is_gift: bool,
        note: Option<String>,
        lines: Vec<u32>,
        pair: (u32, String),
        place: Place,
        payment: Payment,
        #[serde(alias = "colour")]
        color: String,
        #[serde(default)]
        count: u32,
        #[serde(rename = "renamed")]
        name: String,
        prices: BTreeMap<String, u32>,
        any: Value,
        id: Uuid,
        after_the_id: u32,
    }

    #[test]
    fn a_schema_has_the_kinds_of_all_fields_and_those_that_must_be_there() {
        assert_eq!(
            schema::<Input>(),
            json!({
                "type": ["array", "object"],
                "properties": {
                    "number": { "type": "number" },
                    "share": { "type": "number" },
                    "is_gift": { "type": "boolean" },
                    "lines": { "type": "array" },
                    "pair": { "type": "array" },
                    "place": { "type": ["array", "object"] },
                    "payment": { "type": ["object", "string"] },
                    "color": { "type": "string" },
                    "colour": { "type": "string" },
                    "count": { "type": "number" },
                    "renamed": { "type": "string" },
                    "prices": { "type": "object" },
                    "id": { "type": "string" },
                    "after_the_id": { "type": "number" },
                },
                // The color may be given by its alias. The name could be an alias of the id, of which no blank value is known.
                // Neither is one of `any`, so what comes after it is not known.
                "required": [
                    "number", "share", "is_gift", "lines", "pair", "place", "payment", "prices", "any"
                ],
            })
        );
    }

    #[test]
    fn a_type_that_panics_or_reads_anything_has_no_schema_that_refuses_it() {
        struct Panics;

        impl<'de> Deserialize<'de> for Panics {
            fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                std::panic::resume_unwind(Box::new("it panics"))
            }
        }

        assert_eq!(schema::<Panics>(), json!({}));
        let any = schema::<Value>();
        assert_eq!(any["type"].as_array().map(Vec::len), Some(6));
        assert_eq!(any["required"], json!([]));
    }
}
