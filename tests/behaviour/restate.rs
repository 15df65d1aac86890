//! The tests of `main.rs` once more on a Restate server: what sagas do does not depend on the engine. What it lacks, and which
//! tests are left out for that, `engine/restate.rs` says. Left out are the files that are about running in process
//! as well.

mod ability;
mod body;
mod cancellation;
mod compensation;
mod deadline;
#[path = "engine/restate.rs"]
mod engine;
mod errors;
mod fragile;
mod handled;
mod in_doubt;
mod keys;
mod order;
mod participant;
mod random;
mod recordable;
mod retries;
mod steps;
mod structure;
mod timeouts;

/// Called before the first saga of a test: there is no subscriber.
pub(crate) fn begin() {}
