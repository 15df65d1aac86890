//! What was measured: one number per cell.

use crate::cell::Cell;
use crate::contestants::Contestant;

/// What one saga takes, where running some of them took `once` in all and running twice as many took `twice`: whatever
/// is done only once is in both and falls out.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "a count that needs more than 52 bits takes days to reach"
)]
pub fn per_saga(once: u64, twice: u64, sagas: u32) -> f64 {
    twice.saturating_sub(once) as f64 / f64::from(sagas)
}

/// One kind of number, per saga, for every cell.
#[derive(Clone, Debug, Default)]
pub struct Readings(Vec<(Cell, f64)>);

impl Readings {
    /// Measures every cell in turn and says on standard error how far it is.
    ///
    /// # Errors
    /// The first error of `measure`.
    pub fn take(
        what: &str,
        mut measure: impl FnMut(Cell) -> anyhow::Result<f64>,
    ) -> anyhow::Result<Self> {
        let cells = Cell::all();
        let mut readings = Self::default();
        for (done, &cell) in cells.iter().enumerate() {
            eprintln!("{what} {}/{}: {cell}", done + 1, cells.len());
            readings.push(cell, measure(cell)?);
        }
        Ok(readings)
    }

    /// Adds the number of one cell.
    pub fn push(&mut self, cell: Cell, value: f64) {
        self.0.push((cell, value));
    }

    /// The number of one cell, if it was measured.
    #[must_use]
    pub fn get(&self, cell: Cell) -> Option<f64> {
        let (_, value) = self.0.iter().find(|(measured, _)| *measured == cell)?;
        Some(*value)
    }

    /// How many times the hand-written saga's number this one is; `None` where the hand-written one's is zero.
    #[must_use]
    pub fn ratio(&self, cell: Cell) -> Option<f64> {
        let hand_written = self.get(Cell {
            contestant: Contestant::HandWritten,
            ..cell
        })?;
        (hand_written > 0.0).then_some(self.get(cell)? / hand_written)
    }
}
