//! The engines of this crate: in the caller's future, and on a journal.

pub(crate) mod control;
pub(crate) mod in_process;
pub(crate) mod journaled;

#[cfg(debug_assertions)]
use crate::run::ahead;

/// The code of both engines that names no saga: see `run/ahead.rs`.
#[cfg(debug_assertions)]
#[must_use]
pub fn compiled_ahead() -> impl Sized {
    (
        ahead::<in_process::Effects>(),
        ahead::<journaled::Journaled>(),
    )
}
