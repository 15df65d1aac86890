//! The macro `#[step]` on any text that is made of tokens. The modules here are links to those of `saga-macros`, which is no library.
#![no_main]
#![allow(dead_code, unused_imports, reason = "a part of the crate is used, and not by its tests")]

extern crate proc_macro;

mod arbitrary;
mod duration;
mod errors;
mod options;
mod runtime_path;
mod saga;
mod signature;
mod source;
mod source_text;
mod spans;
mod step;

libfuzzer_sys::fuzz_target!(|text: &str| arbitrary::step_in(text));
