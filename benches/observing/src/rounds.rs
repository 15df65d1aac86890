//! Medians of rounds with and without.

use std::fmt;

/// What was measured in turn.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    pub(crate) without: Vec<f64>,
    pub(crate) with: Vec<f64>,
}

impl Rounds {
    /// The difference of `with` in percent of `without`: the median of the differences of neighbours, which see the same machine.
    fn difference(&self) -> f64 {
        let pairs = self.without.iter().zip(&self.with);
        let differences = pairs.map(|(without, with)| (with / without - 1.0) * 100.0);
        median(&differences.collect::<Vec<_>>())
    }
}

impl fmt::Display for Rounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (without, with) = (median(&self.without), median(&self.with));
        let difference = self.difference();
        write!(
            f,
            "{without:.1} without, {with:.1} with: {difference:+.1} % (median of {} pairs)",
            self.with.len()
        )
    }
}

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
