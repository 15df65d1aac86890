//! The tests that hold on every engine, and their helpers. Each test target of this folder compiles them against another engine.

pub(crate) mod body;
pub(crate) mod capability;
pub(crate) mod compensation;
pub(crate) mod deadline;
pub(crate) mod errors;
pub(crate) mod failing_positions;
pub(crate) mod failure;
pub(crate) mod fragile;
pub(crate) mod handled_parts;
pub(crate) mod handled_refusals;
pub(crate) mod in_doubt;
pub(crate) mod inner_steps;
pub(crate) mod keys;
pub(crate) mod participant;
pub(crate) mod policies;
pub(crate) mod random;
pub(crate) mod recordable;
pub(crate) mod retries;
pub(crate) mod steps;
pub(crate) mod structure;
pub(crate) mod timeouts;
