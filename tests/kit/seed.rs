//! The seed of a random test.

use std::env;
use std::hash::{BuildHasher as _, RandomState};

/// A variable with the seed.
pub(crate) const SEED: &str = "SAGA_TEST_SEED";

/// A number in a variable.
pub(crate) fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// The seed of a random test, which is printed.
pub(crate) fn seed() -> u64 {
    let seed = number(SEED).unwrap_or_else(|| RandomState::new().hash_one(()));
    println!("{SEED}={seed}");
    seed
}
