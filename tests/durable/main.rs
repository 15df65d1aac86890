//! What a coordinator adds to the sagas that `behaviour` describes: one saga per id, crashes, shutdowns, operators, limits.

mod cancelling;
mod duplicates;
mod escaped;
mod faults;
mod inputs;
mod left;
mod mended;
mod operators;
mod parked;
mod programs;
mod recorded;
#[path = "../released/sqlite.rs"]
mod released;
mod runtimes;
mod shop;
mod shutdown;
mod stopping;
mod trouble;
mod values;
mod waiting;
