//! What a coordinator adds to the sagas that `behaviour` describes: one saga per id, crashes, shutdowns, operators, limits.

mod cancelling;
mod duplicates;
mod failing;
mod faults;
mod left;
mod mended;
mod operators;
mod parked;
mod programs;
#[path = "../released/sqlite.rs"]
mod released;
mod runtimes;
mod shop;
mod shutdown;
mod slots;
mod stopping;
mod trouble;
mod values;
mod waiting;
