//! The tests of every engine on a journal in Postgres. `engine/postgres.rs` lists the capabilities that it lacks; tests that need one
//! are left out.

mod cancellation;
#[path = "engine/postgres.rs"]
mod engine;
#[path = "suite.rs"]
mod suite;

pub(crate) use suite::*;

/// Called before the first saga of a test. Sets no subscriber.
pub(crate) fn begin() {}
