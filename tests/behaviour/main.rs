//! How sagas behave in process: in which order, after which failure, with which keys, under which runtime.

mod body;
mod calls;
mod cancellation;
mod compensation;
mod context;
mod deadline;
mod dropping;
mod errors;
mod go_saga;
mod handled;
mod in_doubt;
mod keys;
mod order;
mod panics;
mod participant;
mod random;
mod retries;
mod runtimes;
mod shape;
mod spans;
mod steps;
mod timeouts;
mod wild;
