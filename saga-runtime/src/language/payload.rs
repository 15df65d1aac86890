//! Payloads: inputs, outputs and results as data that can be recorded and read again, and their JSON.

use std::collections::HashSet;
use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize, Serializer};

use crate::language::json::{Json, path_at};
use crate::panic::{caught, drop_caught};

/// A value that an engine can copy and record: a step's output, a saga's input or result.
///
/// Every type that is `Clone + Serialize + DeserializeOwned` implements it. Never implement it by hand.
// The bounds stand on the blanket implementation and not on the trait. So the compiler reports a type that lacks three
// bounds once, with the edit that fixes it, and not once per bound.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the output of a step or a saga",
    label = "not `Clone + Serialize + Deserialize`",
    note = "an output is kept for later steps and for the compensation, and is written to the journal",
    note = "usually it is enough to put `#[derive(Clone, serde::Serialize, serde::Deserialize)]` on `{Self}`; \
            an `Arc` needs the feature `rc` of serde"
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
    written(limit, |buffer| {
        value.write(&mut serde_json::Serializer::new(buffer))
    })
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
    caught(read).unwrap_or_else(|panic| Err(serde::de::Error::custom(format!("panicked: {panic}"))))
}

/// Writes a value as JSON of at most `limit` bytes, and reads it back: what goes on with that is the same in a replay.
///
/// # Errors
/// If it can't be written, or can't be read back, or is read back as another value. The text names the field where it can.
pub fn record<T: Payload>(value: &T, limit: usize) -> Result<(String, T), String> {
    let json = to_json(value, limit)?;
    let back = read_back(
        &json,
        |value: &T, buffer| value.write(&mut serde_json::Serializer::new(buffer)),
        from_json,
    )?;
    Ok((json, back))
}

/// Checks that [`record`] takes this value. A short one costs no allocation of its own.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_recordable<T: Payload>(value: &T) -> Result<(), String> {
    let mut short = Short::EMPTY;
    let written = caught(|| value.write(&mut serde_json::Serializer::new(&mut short)));
    if !matches!(written, Ok(Ok(()))) {
        return record(value, usize::MAX).map(|(_, back)| drop_caught(back));
    }
    let json = std::str::from_utf8(short.bytes()).map_err(|error| error.to_string())?;
    let back = read_back(
        json,
        |value: &T, buffer| value.write(&mut serde_json::Serializer::new(buffer)),
        from_json,
    )?;
    drop_caught(back);
    Ok(())
}

/// Reads the input of a saga back from the JSON that was just written of it.
///
/// # Errors
/// If it can't be read back, or is read back as another value.
pub(crate) fn input_read_back<G: Serialize + DeserializeOwned>(input: &str) -> Result<G, String> {
    read_back(
        input,
        |saga: &G, buffer| serde_json::to_writer(buffer, saga),
        |input| serde_json::from_str(input),
    )
}

/// Writes the input of a saga as JSON from which it can be read back. A panic of its own code is an error like any other.
///
/// # Errors
/// If it can't be written, or can't be read back, or is read back as another value. The text names the field where it can.
pub fn input_to_json<G: Serialize + DeserializeOwned>(saga: &G) -> serde_json::Result<String> {
    let json = json_of(saga)?;
    let back: G = input_read_back(&json).map_err(serde::ser::Error::custom)?;
    drop_caught(back);
    Ok(json)
}

/// A value as JSON. A panic of its own code is an error like any other.
pub(crate) fn json_of(value: &(impl Serialize + ?Sized)) -> serde_json::Result<String> {
    caught(|| serde_json::to_string(value))
        .unwrap_or_else(|panic| Err(serde::ser::Error::custom(format!("panicked: {panic}"))))
}

/// Reads a value back from the JSON that `write` has just written of it.
///
/// # Errors
/// If it can't be read back, or is read back as another value.
pub(crate) fn read_back<T>(
    json: &str,
    write: impl Fn(&T, &mut dyn io::Write) -> serde_json::Result<()>,
    read: impl FnOnce(&str) -> serde_json::Result<T>,
) -> Result<T, String> {
    let read = caught(|| read(json)).map_err(|panic| format!("panicked: {panic}"))?;
    let back = read.map_err(|unread| unreadable(json, &unread))?;
    let mut comparing = Comparing {
        expected: json.as_bytes(),
    };
    let again = caught(|| write(&back, &mut comparing));
    if matches!(again, Ok(Ok(()))) && comparing.expected.is_empty() {
        return Ok(back);
    }
    // A map or a set may be written in another order.
    let again = written(usize::MAX, |buffer| write(&back, buffer));
    match again.and_then(|again| difference(json, &again)) {
        Ok(()) => Ok(back),
        Err(message) => {
            drop_caught(back);
            Err(message)
        }
    }
}

/// Returns true if both texts say the same: the order of elements and keys does not count.
#[cfg(feature = "testing")]
pub(crate) fn is_same_json(one: &str, other: &str) -> bool {
    one == other || difference(one, other).is_ok()
}

/// Compares what was written with what is written of the value that was read back.
fn difference(json: &str, again: &str) -> Result<(), String> {
    let path = match (Json::parse(json), Json::parse(again)) {
        (Some(one), Some(other)) => match one.difference(&other) {
            None => return Ok(()),
            Some(path) => path,
        },
        _ => String::new(),
    };
    Err(format!("{} is read back as another value", field(&path)))
}

fn written(
    limit: usize,
    write: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
) -> Result<String, String> {
    let mut json = Vec::with_capacity(64);
    caught(|| write(&mut json))
        .map_err(|panic| format!("panicked: {panic}"))?
        .map_err(|error| error.to_string())?;
    if json.len() > limit {
        return Err(format!("{} bytes, {limit} are allowed", json.len()));
    }
    String::from_utf8(json).map_err(|error| error.to_string())
}

/// Compares what is written with a text, without keeping it.
struct Comparing<'a> {
    /// The rest of the text.
    expected: &'a [u8],
}

impl io::Write for Comparing<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.expected.split_at_checked(bytes.len()) {
            Some((expected, rest)) if expected == bytes => {
                self.expected = rest;
                Ok(bytes.len())
            }
            _ => Err(io::ErrorKind::Other.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A buffer on the stack. What is longer is refused.
struct Short {
    bytes: [u8; Self::LENGTH],
    length: usize,
}

impl Short {
    const LENGTH: usize = 256;
    const EMPTY: Self = Self {
        bytes: [0; Self::LENGTH],
        length: 0,
    };

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl io::Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = self.length + bytes.len();
        let Some(place) = self.bytes.get_mut(self.length..end) else {
            return Err(io::ErrorKind::Other.into());
        };
        place.copy_from_slice(bytes);
        self.length = end;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Says that a value can't be read back, and where.
fn unreadable(json: &str, error: &serde_json::Error) -> String {
    // The column counts bytes, and what is written here has one line.
    match path_at(json, error.column()) {
        Some(path) if error.line() == 1 => format!("`{path}` can't be read back: {error}"),
        _ => format!("it can't be read back: {error}"),
    }
}

fn field(path: &str) -> String {
    if path.is_empty() {
        "it".to_owned()
    } else {
        format!("`{path}`")
    }
}

/// How often a text is read and written to find out which of its arrays are sets.
const TRIES: usize = 16;

/// Returns whether `recorded` is the same value as `given` for the type `G` of today, which wrote `given`: defaults and aliases
/// count as equal, and so do maps and sets in any order. Where the type has an `equality`, that decides.
///
/// No type says here that it is a set. A hash set is recognized by its order, which differs from one to the next, or, if its hashes
/// are fixed, is not the order in which its elements were read; any other set has the order in which it sorts.
#[must_use]
pub fn is_same_input<G: Serialize + DeserializeOwned>(
    equality: Option<fn(&G, &G) -> bool>,
    recorded: &str,
    given: &str,
) -> bool {
    if recorded == given {
        return true;
    }
    let compared = |is_equal: fn(&G, &G) -> bool| {
        caught(|| {
            let [one, other] = [recorded, given].map(serde_json::from_str::<G>);
            Some(is_equal(&one.ok()?, &other.ok()?))
        })
    };
    if let Some(Ok(Some(is_same))) = equality.map(compared) {
        return is_same;
    }
    let normalized = |text: &str| {
        caught(|| {
            let value: G = serde_json::from_str(text).ok()?;
            let text = serde_json::to_string(&value).ok();
            drop_caught(value);
            text
        })
        .ok()
        .flatten()
    };
    // What today's type can't read is compared as it is.
    let first = normalized(recorded).unwrap_or_else(|| recorded.to_owned());
    let (Some(one), Some(other)) = (Json::parse(&first), Json::parse(given)) else {
        return first == given;
    };
    if one.canonical(&|_| false) == other.canonical(&|_| false) {
        return true;
    }
    if one.canonical(&|_| true) != other.canonical(&|_| true) {
        return false;
    }
    let mut sets = HashSet::new();
    for _ in 0..TRIES {
        let Some(text) = normalized(recorded) else {
            return false;
        };
        if let Some(again) = Json::parse(&text) {
            one.note_sets(&again, &mut sets);
        }
    }
    // A list keeps the order in which it is read, and a set does not.
    let mut reordered = HashSet::new();
    one.note_sets(&other, &mut reordered);
    let reversed = one.reversed(&reordered);
    let again = normalized(&reversed);
    if let (Some(read), Some(again)) = (
        Json::parse(&reversed),
        again.as_deref().and_then(Json::parse),
    ) {
        read.note_sets(&again, &mut sets);
    }
    let is_set = |path: &str| sets.contains(path);
    one.canonical(&is_set) == other.canonical(&is_set)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Line {
        price: f64,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Order {
        lines: Vec<Line>,
    }

    fn order(prices: &[f64]) -> Order {
        let lines = prices.iter().map(|price| Line { price: *price });
        Order {
            lines: lines.collect(),
        }
    }

    #[test]
    fn a_number_is_read_back_to_its_last_bit() {
        let order = order(&[117.633_313_944_000_17, 5e-324, f64::MAX, 0.1 + 0.2]);
        let (_, back) = record(&order, 1000).expect("they are numbers");
        assert_eq!(back, order);
        let large = u128::MAX;
        assert_eq!(record(&large, 1000).map(|(_, back)| back), Ok(large));
    }

    #[test]
    fn the_field_that_cant_be_read_back_is_named() {
        assert_eq!(
            record(&order(&[1.0, f64::NAN]), 1000),
            Err(
                "`lines[1].price` can't be read back: invalid type: null, expected f64 at line 1 column 37"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_value_that_is_read_back_as_another_is_refused() {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        struct Rounding {
            #[serde(deserialize_with = "rounded")]
            amount: u32,
        }

        fn rounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
            let amount = u32::deserialize(deserializer)?;
            Ok(amount / 10 * 10)
        }

        assert_eq!(
            record(&Rounding { amount: 17 }, 1000),
            Err("`amount` is read back as another value".to_owned())
        );
        let (_, back) = record(&Rounding { amount: 20 }, 1000).expect("it is round");
        assert_eq!(back.amount, 20);
    }

    #[test]
    fn maps_and_sets_are_read_back_in_any_order() {
        let names = || (0..50).map(|number| format!("name {number}"));
        let map: HashMap<String, usize> = names().map(|name| (name, 1)).collect();
        assert_eq!(record(&map, 10_000).map(|(_, back)| back), Ok(map));
        let set: HashSet<String> = names().collect();
        assert_eq!(record(&set, 10_000).map(|(_, back)| back), Ok(set));
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let json = record(&"abc".to_owned(), 4);
        assert_eq!(json, Err("5 bytes, 4 are allowed".to_owned()));
    }

    #[test]
    fn inputs_are_compared_by_what_the_type_of_today_reads() {
        #[derive(Debug, Serialize, Deserialize)]
        struct Transfer {
            #[serde(alias = "sum")]
            amount: u128,
            #[serde(default)]
            note: Option<String>,
        }

        let given = r#"{"amount":1000000000000000000000001,"note":null}"#;
        for recorded in [
            r#"{"amount":1000000000000000000000001}"#,
            r#"{"note":null,"amount":1000000000000000000000001}"#,
            r#"{"sum":1000000000000000000000001}"#,
        ] {
            assert!(
                is_same_input::<Transfer>(None, recorded, given),
                "{recorded}"
            );
        }
        for recorded in [
            r#"{"amount":1000000000000000000000002}"#,
            r#"{"amount":1000000000000000000000001,"note":"x"}"#,
            r#"{"total":1000000000000000000000001}"#,
            "[]",
        ] {
            assert!(
                !is_same_input::<Transfer>(None, recorded, given),
                "{recorded}"
            );
        }
    }

    #[test]
    fn sets_in_any_order_are_the_same_and_lists_are_not() {
        #[derive(Debug, Serialize, Deserialize)]
        struct Tagged {
            tags: HashSet<String>,
            list: Vec<u8>,
        }

        let given = r#"{"tags":["a","b","c"],"list":[1,2]}"#;
        assert!(is_same_input::<Tagged>(
            None,
            r#"{"tags":["c","b","a"],"list":[1,2]}"#,
            given
        ));
        assert!(!is_same_input::<Tagged>(
            None,
            r#"{"tags":["a","b","c"],"list":[2,1]}"#,
            given
        ));
        assert!(!is_same_input::<Tagged>(
            None,
            r#"{"tags":["a","b"],"list":[1,2]}"#,
            given
        ));
        assert!(is_same_input::<BTreeSet<u8>>(None, "[2,1]", "[1,2]"));
        assert!(!is_same_input::<Vec<u8>>(None, "[2,1]", "[1,2]"));
    }

    /// Hashes alike in each process and each set.
    #[derive(Debug, Default, Clone)]
    struct Fixed(u64);

    impl std::hash::Hasher for Fixed {
        fn finish(&self) -> u64 {
            self.0
        }

        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 =
                    (self.0.rotate_left(5) ^ u64::from(*byte)).wrapping_mul(0x517c_c1b7_2722_0a95);
            }
        }
    }

    #[test]
    fn sets_with_a_fixed_hash_are_the_same_in_any_order() {
        type Set = HashSet<u32, std::hash::BuildHasherDefault<Fixed>>;
        let mut one = Set::with_capacity_and_hasher(1000, <_>::default());
        let mut other = Set::default();
        one.extend(0..40);
        other.extend((0..40).rev());
        assert_eq!(one, other);
        let (one, other) = (
            json_of(&one).expect("plain"),
            json_of(&other).expect("plain"),
        );
        assert_ne!(one, other);
        assert!(is_same_input::<Set>(None, &one, &other), "{one} {other}");
    }
}
