//! The names of generated code: functions that it calls, and the rules that the compiler checks, with their messages.

pub(crate) mod call;
pub(crate) mod compensation;
#[cfg(rust_analyzer)]
pub mod editor;
pub(crate) mod input;
pub mod private;
pub mod rules;
pub(crate) mod shape;
pub(crate) mod signature;
