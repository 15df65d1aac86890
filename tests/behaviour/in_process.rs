//! The tests of sagas in process that no other engine runs, or not every one.

mod calls;
mod cancellation;
mod context;
mod dropping;
mod go_saga_poc;
mod many_calls;
mod other_libraries;
mod panics;
mod runtimes;
mod shape;
