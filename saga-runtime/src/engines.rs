//! The engines of this crate: in the caller's future, and on a journal.

pub(crate) mod control;
pub(crate) mod in_process;
pub(crate) mod journaled;
