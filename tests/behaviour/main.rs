//! The behaviour of sagas in process: the order of their steps, what follows a failure, their keys, their runtimes.
//!
//! No subscriber watches them here, and sagas take a shorter way then. A subscriber belongs to a whole process, so `watched.rs`
//! runs the same tests with one.

#[path = "engine/in_process.rs"]
mod engine;
#[path = "in_process.rs"]
mod in_process;
#[path = "suite.rs"]
mod suite;

pub(crate) use suite::*;

/// Says that there is no subscriber.
pub(crate) const IS_WATCHED: bool = false;

/// Called before the first saga of a test. Sets no subscriber.
pub(crate) fn begin() {}
