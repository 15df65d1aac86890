//! `recovery` of the targets that the tests of the kit run as well.
#![no_main]

#[expect(dead_code, reason = "each program runs one target")]
#[path = "../../tests/kit/arbitrary/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::recovery(data));
