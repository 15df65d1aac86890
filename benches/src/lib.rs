//! The same sagas written four ways, and what a run of them costs. The binaries of this package print it; what is
//! measured, and how, is here.

pub mod allocations;
pub mod cargo;
pub mod cell;
pub mod compile_time;
pub mod contestants;
pub mod durable;
pub mod figures;
pub mod instructions;
pub mod long;
pub mod nanoseconds;
pub mod readings;
pub mod recovery;
pub mod structure;
pub mod table;
pub mod targets;
pub mod work;
