//! The work inside every step of every contestant: a change to the services that may be refused, and its undoing.

use std::fmt;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

/// What a step hands to the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token(pub u64);

/// Why a step, or a compensation, did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The step that refused, counted from one.
    pub step: usize,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "step {} refused", self.step)
    }
}

impl std::error::Error for Refusal {}

/// The services that the steps change.
#[derive(Debug)]
pub struct Shop {
    refuses: usize,
    cannot_undo: usize,
    done: AtomicU64,
    undone: AtomicU64,
}

impl Shop {
    /// Services of which one step, counted from one, is refused; with 0 none is.
    #[must_use]
    pub fn refusing(step: usize) -> Self {
        Self {
            refuses: step,
            cannot_undo: 0,
            done: AtomicU64::new(0),
            undone: AtomicU64::new(0),
        }
    }

    /// How many steps took effect so far.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done.load(Relaxed)
    }

    /// How many effects have been undone so far.
    #[must_use]
    pub fn undone(&self) -> u64 {
        self.undone.load(Relaxed)
    }
}

/// One step's effect on the services.
///
/// # Errors
/// The services refuse this step.
// Never inlined, so that no contestant's steps can be merged or dropped: each of them makes this very call.
#[inline(never)]
pub fn act(shop: &Shop, step: usize, input: Token) -> Result<Token, Refusal> {
    if step == shop.refuses {
        return Err(Refusal { step });
    }
    shop.done.fetch_add(1, Relaxed);
    Ok(Token(black_box(input.0 + 1)))
}

/// Undoes one step's effect, given what the step returned.
///
/// # Errors
/// The services cannot undo this step. In these benchmarks they always can, which the optimiser does not know.
#[inline(never)]
pub fn undo(shop: &Shop, step: usize, output: Token) -> Result<(), Refusal> {
    if step == shop.cannot_undo {
        return Err(Refusal { step });
    }
    shop.undone.fetch_add(1, Relaxed);
    black_box(output);
    Ok(())
}
