//! How sagas behave in process: in which order, after which failure, with which keys, under which runtime.
//!
//! Nobody watches them here. `watched.rs` is the same once more with a subscriber, and what that one sees: whether there
//! is one concerns a whole process, and sagas go a shorter way when there is none.

mod ability;
mod body;
mod calls;
mod cancellation;
mod compensation;
mod context;
mod deadline;
mod dropping;
#[path = "engine/in_process.rs"]
mod engine;
mod errors;
mod fragile;
mod go_saga;
mod handled;
mod in_doubt;
mod keys;
mod long;
mod order;
mod panics;
mod participant;
mod random;
mod recordable;
mod retries;
mod runtimes;
mod shape;
mod steps;
mod structure;
mod timeouts;
mod wild;

/// Whether there is a subscriber.
pub(crate) const IS_WATCHED: bool = false;

/// Called before the first saga of a test: there is no subscriber.
pub(crate) fn begin() {}
