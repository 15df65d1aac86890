//! The macro `#[step]` on any text that is made of tokens: the options, `//`, the function.
#![no_main]

#[path = "../../saga-macros/src"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "a part of the crate is used, and not by its tests")]
mod macros {
    pub(crate) mod arbitrary;
    pub(crate) mod duration;
    pub(crate) mod errors;
    pub(crate) mod options;
    pub(crate) mod runtime_path;
    pub(crate) mod saga;
    pub(crate) mod signature;
    pub(crate) mod spans;
    pub(crate) mod step;
}

#[allow(unused_imports, reason = "these modules find one another in the root of their crate")]
use macros::{arbitrary, duration, errors, options, runtime_path, saga, signature, spans, step};

libfuzzer_sys::fuzz_target!(|text: &str| arbitrary::step_in(text));
