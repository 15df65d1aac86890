//! One cell of the result: a contestant running a saga of some length to some ending. Runs it, and checks that the
//! work was really done.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::{Args, ValueEnum};

use crate::contestants::Contestant;
use crate::work::{Shop, Token};

/// How many steps the saga has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Length {
    /// Three steps.
    #[value(name = "3")]
    Three,
    /// Ten steps.
    #[value(name = "10")]
    Ten,
    /// Fifty steps.
    #[value(name = "50")]
    Fifty,
}

impl Length {
    /// The number of steps.
    #[must_use]
    pub fn steps(self) -> usize {
        match self {
            Self::Three => 3,
            Self::Ten => 10,
            Self::Fifty => 50,
        }
    }
}

/// How the saga ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Ending {
    /// Every step takes effect.
    Success,
    /// The last step is refused and all earlier ones are compensated.
    Failure,
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Success => "success",
            Self::Failure => "failure",
        })
    }
}

/// A contestant, a length and an ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub struct Cell {
    /// Who runs the saga.
    pub contestant: Contestant,
    /// How long the saga is.
    pub length: Length,
    /// How the saga ends.
    pub ending: Ending,
}

impl Cell {
    /// Every cell, in the order in which they are printed: all columns of the first contestant, then the next.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut cells = Vec::new();
        for &contestant in Contestant::value_variants() {
            for (length, ending) in Self::columns() {
                cells.push(Self {
                    contestant,
                    length,
                    ending,
                });
            }
        }
        cells
    }

    /// The lengths and endings of one contestant, in the order in which they are printed.
    pub fn columns() -> impl Iterator<Item = (Length, Ending)> {
        Length::value_variants().iter().flat_map(|&length| {
            Ending::value_variants()
                .iter()
                .map(move |&ending| (length, ending))
        })
    }

    /// This cell as the arguments that its `clap::Args` read.
    pub fn arguments(self) -> impl Iterator<Item = String> {
        [
            self.contestant.to_possible_value(),
            self.length.to_possible_value(),
            self.ending.to_possible_value(),
        ]
        .into_iter()
        .flatten()
        .map(|value| value.get_name().to_owned())
    }

    /// Runs this saga `count` times, one after another, and returns how long that took. Preparation (services,
    /// registries, the coordinators that a contestant starts once) and the final audit are not in the time.
    ///
    /// # Errors
    /// A contestant did other work than its saga says.
    pub fn repeat(self, count: u32) -> anyhow::Result<Duration> {
        let refuses = match self.ending {
            Ending::Success => 0,
            Ending::Failure => self.length.steps(),
        };
        // Two contestants ask for services that live for ever. A leaked reference spares them the reference counting
        // that they would otherwise pay for and the others would not.
        let shop: &'static Shop = Box::leak(Box::new(Shop::refusing(refuses)));
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let elapsed = runtime.block_on(self.contestant.run(self.length, shop, count))?;
        self.audit(shop, count)?;
        Ok(elapsed)
    }

    fn audit(self, shop: &Shop, count: u32) -> anyhow::Result<()> {
        let (steps, count) = (self.length.steps() as u64, u64::from(count));
        let (done, undone) = match self.ending {
            Ending::Success => (count * steps, 0),
            Ending::Failure => (count * (steps - 1), count * (steps - 1)),
        };
        ensure!(
            (shop.done(), shop.undone()) == (done, undone),
            "{self}: {} effects and {} compensations in {count} sagas, expected {done} and {undone}",
            shop.done(),
            shop.undone(),
        );
        Ok(())
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.length.steps();
        write!(
            formatter,
            "{}, {steps} steps, {}",
            self.contestant, self.ending
        )
    }
}

/// Awaits `saga` `count` times: the loop that is measured, the same for every contestant.
pub(crate) async fn time<Run, Error>(
    count: u32,
    mut saga: impl FnMut(Token) -> Run,
) -> anyhow::Result<Duration>
where
    Run: Future<Output = Result<Token, Error>>,
{
    let begin = Instant::now();
    for number in 0..count {
        let outcome = saga(black_box(Token(u64::from(number)))).await;
        black_box(&outcome);
    }
    Ok(begin.elapsed())
}
