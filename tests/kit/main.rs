//! The kit for tests of sagas: every failure, coordinators that crash, participants that follow a script.

mod buggy;
mod changes;
mod matrix;
mod one_case;
mod process;
mod waits;
