//! The tests of `main.rs` once more on a journal: what sagas do does not depend on the engine. Left out are the files that
//! are about running in process, and those where a saga is cancelled in the middle of plain code.

#[expect(dead_code, reason = "the tests that need more are not here")]
mod ability;
mod body;
mod compensation;
mod deadline;
#[path = "engine/journaled.rs"]
mod engine;
mod errors;
mod fragile;
mod handled;
mod in_doubt;
mod keys;
mod long;
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
