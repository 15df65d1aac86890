//! The digest of a step's inputs: a replay tells by it that a call is made with other inputs than the recorded one.
//!
//! It never changes: journals keep it. What it does not tell apart, it does not for a reason:
//! * the order of the elements of a list or a set, and of the entries of a map: maps and sets have another order in each process;
//! * a field that is missing, and one that is `None`, `0`, `false` or empty: the type may have got the field since;
//! * the names of fields, and the widths of numbers: both may have changed since.
//!
//! An input that is not `Serialize` is not covered.

mod hash;
mod serializer;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::panic::caught;

use hash::mix;
use serializer::Hasher;

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
