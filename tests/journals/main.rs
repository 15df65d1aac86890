//! The journals keep what a journal promises.

mod memory;
mod sqlite;
