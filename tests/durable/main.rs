//! A coordinator's part: one saga per id, crashes, shutdowns, operators, limits. `behaviour` describes the sagas themselves.

mod abandoning;
mod answers;
mod asking;
mod cancelling;
mod cut_off;
mod deploying;
mod duplicates;
mod escaped;
mod inputs;
mod journal_faults;
mod journal_outage;
mod operators;
mod programs;
mod recorded;
mod recovery;
mod recovery_by_hand;
#[path = "../released/sqlite.rs"]
mod released;
mod runtimes;
mod shop;
mod shutdown;
mod slots;
mod unrunnable;
mod values;
mod waiting;
