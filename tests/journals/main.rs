//! The promises of a journal, checked on each journal of this library.

mod memory;
mod postgres;
mod sqlite;
