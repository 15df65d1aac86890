//! Sessions of an operator: the real program, on a real file and on a real service.

mod help;
mod on_a_file;
mod on_a_service;
mod on_postgres;
mod program;
mod shop;
