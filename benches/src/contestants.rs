//! The four ways to run the same saga, one file each, and the choice among them.

mod hand_written;
mod legend;
mod saga_runtime;
mod steno;

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use clap::ValueEnum;

use crate::cell::Length;
use crate::work::Shop;

/// The measured loop of one contestant; returns how long it took.
pub(crate) type Run = Pin<Box<dyn Future<Output = anyhow::Result<Duration>>>>;

/// Who runs the saga.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Contestant {
    /// Nested matches, the compensations called by hand.
    HandWritten,
    /// This library, in process.
    SagaRuntime,
    /// The crate `legend`, 0.1.
    Legend,
    /// The crate `steno`, 0.5, with its in-memory store.
    Steno,
}

impl Contestant {
    /// The measured loop of this contestant. Boxed once, outside of what is measured, so that the optimiser sees each
    /// loop by itself.
    pub(crate) fn run(self, length: Length, shop: &'static Shop, count: u32) -> Run {
        match self {
            Self::HandWritten => hand_written::run(length, shop, count),
            Self::SagaRuntime => saga_runtime::run(length, shop, count),
            Self::Legend => legend::run(length, shop, count),
            Self::Steno => steno::run(length, shop, count),
        }
    }

    /// How much work a saga is here, relative to the others: counts of repetitions are divided by it.
    #[must_use]
    pub fn weight(self) -> u32 {
        match self {
            Self::HandWritten | Self::SagaRuntime => 1,
            Self::Legend => 10,
            Self::Steno => 1_000,
        }
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::HandWritten => "hand-written",
            Self::SagaRuntime => "saga-runtime",
            Self::Legend => "legend 0.1",
            Self::Steno => "steno 0.5",
        })
    }
}
