//! Checksums of rows, which tell a damaged row from a sound one. They are durable: the function never changes.

use crate::journal::{NewSaga, Row};

/// The damage of a row that is not what was written.
pub(super) const DIFFERS: &str = "its checksum differs";

/// A row with its checksum, which is computed before the writer thread gets the row.
pub(super) struct Checked {
    pub(super) row: Row,
    pub(super) checksum: u32,
}

impl From<Row> for Checked {
    fn from(row: Row) -> Self {
        let checksum = of_row(&row);
        Self { row, checksum }
    }
}

/// The checksum of an entry, apart from the [numbers](with) that the transaction gives it.
pub(super) fn of_row(row: &Row) -> u32 {
    let mut sum = Sum::START;
    sum.text(Some(&row.event));
    sum.text(row.step.as_deref());
    sum.number(row.occurrence.map(u64::from));
    sum.text(row.kind.as_deref());
    sum.number(row.attempts.map(u64::from));
    sum.text(row.code.as_deref());
    sum.text(row.message.as_deref());
    sum.text(row.payload.as_deref());
    sum.end()
}

/// The checksum of the start of a saga, apart from the [numbers](with) that the transaction gives it.
pub(super) fn of_saga(saga: &NewSaga) -> u32 {
    let mut sum = Sum::START;
    sum.text(Some(saga.id.as_str()));
    sum.text(Some(&saga.name));
    sum.number(Some(saga.version.into()));
    sum.number(Some(saga.fingerprint));
    sum.text(Some(&saga.input));
    // Rows of older versions have no trace, and keep their sums.
    if let Some(trace) = &saga.trace {
        sum.text(Some(trace.traceparent()));
        sum.text(trace.tracestate());
    }
    sum.end()
}

/// The checksum of a row that is stored with these numbers, its time and its key: the transaction has them, after the rest
/// is summed up.
pub(super) fn with(checksum: u32, numbers: &[i64]) -> u32 {
    let mut sum = Sum(checksum.into());
    for number in numbers {
        sum.word(number.cast_unsigned());
    }
    sum.end()
}

/// A sum over words of eight bytes. Each step is a bijection for a given word, so that one changed word changes the sum.
struct Sum(u64);

impl Sum {
    const START: Self = Self(0x7361_6761);

    fn word(&mut self, word: u64) {
        // An odd number near the golden ratio spreads each bit over the higher ones, and the rotation over the lower ones.
        self.0 = (self.0.rotate_left(29) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn number(&mut self, number: Option<u64>) {
        self.word(number.is_some().into());
        self.word(number.unwrap_or_default());
    }

    fn text(&mut self, text: Option<&str>) {
        self.number(text.map(|text| text.len() as u64));
        let (words, rest) = text.unwrap_or_default().as_bytes().as_chunks();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, byte) in last.iter_mut().zip(rest) {
            *to = *byte;
        }
        self.word(u64::from_le_bytes(last));
    }

    /// All bits in half as many.
    fn end(mut self) -> u32 {
        self.word(0);
        let [high, low] = [self.0 >> 32, self.0 & u64::from(u32::MAX)];
        u32::try_from(high ^ low).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(payload: &str) -> Row {
        Row {
            event: "step_done".into(),
            step: Some("charge".into()),
            occurrence: Some(0),
            payload: Some(payload.to_owned()),
            ..Row::default()
        }
    }

    #[test]
    fn checksums_are_durable() {
        assert_eq!(of_row(&row("{\"id\":3}")), GOLDEN);
    }

    const GOLDEN: u32 = 1_040_129_810;

    #[test]
    fn each_byte_counts_and_where_a_column_ends() {
        let sound = of_row(&row("0123456789"));
        for index in 0..10 {
            for bit in 0..3 {
                let mut text = b"0123456789".to_vec();
                text[index] ^= 1 << bit;
                let text = String::from_utf8(text).expect("it is ASCII");
                assert_ne!(of_row(&row(&text)), sound, "{text}");
            }
        }
        let moved = Row {
            step: Some("charge0".into()),
            ..row("123456789")
        };
        assert_ne!(of_row(&moved), sound);
    }
}
