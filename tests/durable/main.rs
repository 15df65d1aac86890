//! A coordinator's part: one saga per id, crashes, shutdowns, operators, limits. `behaviour` describes the sagas themselves.

mod abandoning;
mod answers;
mod asking;
mod bulkheads;
mod by_hand;
mod cancelling;
mod commands;
mod cut_off;
mod deploying;
mod duplicates;
mod escaped;
mod failing;
mod failure;
mod inputs;
mod journal_faults;
mod journal_outage;
mod operators;
mod outage;
mod programs;
mod question_mark;
mod recorded;
mod recovery;
mod recovery_by_hand;
#[path = "../released/sqlite.rs"]
mod released;
mod retry_all;
mod runtimes;
mod shared_services;
mod shop;
mod shutdown;
mod slots;
mod steering;
mod undoing;
mod unrunnable;
mod values;
mod waiting;
