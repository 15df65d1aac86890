//! Nanoseconds per saga: the median over many short batches. The contestants take turns batch by batch, so that a
//! change in the machine's speed meets all of them.

use std::time::Duration;

use clap::ValueEnum;

use crate::cell::Cell;
use crate::contestants::Contestant;
use crate::readings::Readings;

const BATCH: Duration = Duration::from_micros(500);

/// Times every cell in `batches` batches each and says on standard error how far it is.
///
/// # Errors
/// A contestant did other work than its saga says.
pub fn measure(batches: usize) -> anyhow::Result<Readings> {
    let mut readings = Readings::default();
    for (length, ending) in Cell::columns() {
        eprintln!(
            "nanoseconds: {} steps, {ending}, {batches} batches",
            length.steps()
        );
        let mut contestants = Vec::new();
        for &contestant in Contestant::value_variants() {
            let cell = Cell {
                contestant,
                length,
                ending,
            };
            contestants.push((cell, batch_size(cell)?, Vec::with_capacity(batches)));
        }
        for _ in 0..batches {
            for (cell, sagas, times) in &mut contestants {
                let elapsed = cell.repeat(*sagas)?;
                times.push(elapsed.as_secs_f64() * 1e9 / f64::from(*sagas));
            }
        }
        for (cell, _, times) in contestants {
            readings.push(cell, median(times));
        }
    }
    Ok(readings)
}

/// How many sagas take about as long as a batch should.
fn batch_size(cell: Cell) -> anyhow::Result<u32> {
    let mut sagas = 4;
    while cell.repeat(sagas)? < BATCH {
        sagas *= 2;
    }
    Ok(sagas)
}

/// The value in the middle; the upper one of two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
