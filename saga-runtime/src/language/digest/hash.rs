//! The hashes of which a digest is made. They never change.

use std::fmt::{self, Write};

/// Combines two hashes, in this order.
pub(super) fn mix(one: u64, other: u64) -> u64 {
    let mut hash = one.rotate_left(23) ^ other.wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The hash of a value that is not the default of its type: 0 is that of the default.
pub(super) fn nonzero(hash: u64) -> u64 {
    hash.max(1)
}

pub(super) fn hash_number(number: u128) -> u64 {
    if number == 0 {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the halves are combined")]
    let halves = (number as u64, (number >> 64) as u64);
    nonzero(mix(mix(1, halves.0), halves.1))
}

/// FNV-1a, so that a text can come in pieces.
pub(super) struct Text(u64);

impl Text {
    pub(super) const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    pub(super) fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn finish(&self) -> u64 {
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

pub(super) fn hash_text(bytes: &[u8]) -> u64 {
    let mut text = Text::EMPTY;
    text.push(bytes);
    text.finish()
}
