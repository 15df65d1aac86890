//! The names of the entries in Restate's journal. They are compared when a saga is replayed: they never change.

use saga_runtime::engine::{Position, Role};

/// One attempt: `charge`, `charge#1` in the second call, `place_order/charge` in a saga that was called by another one,
/// `charge: attempt 2`, `charge: compensation`, `charge: compensation, attempt 2`.
pub(crate) fn attempt(position: Position<'_>, role: Role, number: u32) -> String {
    let mut entry = position.name().into_owned();
    let occurrence = position.occurrence();
    if occurrence > 0 {
        entry = format!("{entry}#{occurrence}");
    }
    match (role, number) {
        (Role::Action, 1) => entry,
        (Role::Action, _) => format!("{entry}: attempt {number}"),
        (Role::Compensation, 1) => format!("{entry}: compensation"),
        (Role::Compensation, _) => format!("{entry}: compensation, attempt {number}"),
    }
}

/// The failure of a saga that was called, if the body handles it: `pack: failure`, `pack#1: failure`.
pub(crate) fn failure(position: Position<'_>) -> String {
    format!("{}: failure", attempt(position, Role::Action, 1))
}

/// The begin of the same attempt after this number of processes have ended in it.
pub(crate) fn recovery(attempt: &str, crashes: u32) -> String {
    format!("{attempt}: recovery {crashes}")
}

/// The same attempt after this number of processes have ended in it.
pub(crate) fn again(attempt: &str, crashes: u32) -> String {
    format!("{attempt}: again {crashes}")
}

/// The answer to an attempt, recorded apart because Restate dropped it when the saga was cancelled.
pub(crate) fn answer(attempt: &str) -> String {
    format!("{attempt}: answer")
}

/// The trouble that the saga tells, counted from 0.
pub(crate) fn trouble(number: u32) -> String {
    format!("trouble/{number}")
}

/// The entry that records the start of the saga.
pub(crate) const BEGINNING: &str = "beginning";
