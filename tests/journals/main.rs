//! The journals keep what a journal promises.

mod memory;
mod postgres;
mod sqlite;
