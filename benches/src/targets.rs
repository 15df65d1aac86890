//! What this library must reach, and whether it does.

use std::fmt;

use clap::ValueEnum;

use crate::cell::{Cell, Ending, Length};
use crate::compile_time::{Rebuild, Size};
use crate::contestants::Contestant;
use crate::readings::Readings;
use crate::table::{grouped, times};

/// One target and what was measured.
#[derive(Clone, Debug)]
pub struct Target {
    /// Whether it is met.
    pub met: bool,
    /// What was asked and what was found.
    pub text: String,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.met { "met   " } else { "missed" };
        write!(formatter, "{verdict}  {}", self.text)
    }
}

/// No heap allocation on success, at any length.
#[must_use]
pub fn allocations(allocations: &Readings) -> Vec<Target> {
    at_every_length(Ending::Success, |cell| {
        let count = allocations.get(cell)?;
        Some(Target {
            met: count == 0.0,
            text: format!("0 allocations, {}: {}", column(cell), grouped(count)),
        })
    })
}

/// At most twice the hand-written saga's instructions on success and four times on failure, at any length.
#[must_use]
pub fn instructions(instructions: &Readings) -> Vec<Target> {
    let at_most = |ending, limit: f64| {
        at_every_length(ending, |cell| {
            let ratio = instructions.ratio(cell)?;
            Some(Target {
                met: ratio <= limit,
                text: format!(
                    "at most {} the hand-written instructions, {}: {}",
                    times(limit),
                    column(cell),
                    times(ratio)
                ),
            })
        })
    };
    [at_most(Ending::Success, 2.0), at_most(Ending::Failure, 4.0)].concat()
}

/// The most time to rebuild sagas, as a multiple of the time for the same functions without the library.
#[must_use]
pub fn rebuilds(rebuilds: &[Rebuild]) -> Vec<Target> {
    let target = |rebuild: &Rebuild| {
        let Size { sagas, steps } = rebuild.size;
        let limit = match (sagas, steps, rebuild.command) {
            (1, 50, "check") => 2.5,
            (1, 50, "build") => 3.5,
            (10, 5, "check") => 4.0,
            (10, 5, "build") => 4.5,
            _ => return None,
        };
        Some(Target {
            met: rebuild.ratio() <= limit,
            text: format!(
                "at most {} the plain functions' incremental `cargo {}`, {sagas} × {steps} steps: {}",
                times(limit),
                rebuild.command,
                times(rebuild.ratio())
            ),
        })
    };
    rebuilds.iter().filter_map(target).collect()
}

fn at_every_length(ending: Ending, target: impl Fn(Cell) -> Option<Target>) -> Vec<Target> {
    Length::value_variants()
        .iter()
        .filter_map(|&length| {
            target(Cell {
                contestant: Contestant::SagaRuntime,
                length,
                ending,
            })
        })
        .collect()
}

fn column(cell: Cell) -> String {
    format!("{} steps, {}", cell.length.steps(), cell.ending)
}
