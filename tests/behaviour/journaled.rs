//! The tests of every engine on a journal.

#[path = "engine/journaled.rs"]
mod engine;
mod many_calls;
#[expect(
    dead_code,
    reason = "some helpers serve tests that run in process only"
)]
#[path = "suite.rs"]
mod suite;

pub(crate) use suite::*;

/// Called before the first saga of a test. Sets no subscriber.
pub(crate) fn begin() {}
