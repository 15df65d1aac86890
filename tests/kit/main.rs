//! The kit for tests of sagas: every failure, coordinators that crash, participants that follow a script.

mod arbitrary;
mod buggy;
mod changes;
mod every_await;
mod handled;
mod many;
mod matrix;
mod one_case;
mod place;
mod process;
mod raw_rows;
mod replays;
mod seed;
#[expect(dead_code, reason = "keys begin otherwise on Restate only")]
mod twelve_sagas;
mod waits;
