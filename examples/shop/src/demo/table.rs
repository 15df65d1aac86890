//! The demo's orders as a table for people.

use std::time::Duration;

use super::plan::PlannedOrder;
use crate::order::Outcome;

/// An order, and what became of it.
#[derive(Debug)]
pub(super) struct PlacedOrder {
    pub(super) planned: PlannedOrder,
    pub(super) outcome: Outcome,
    pub(super) time: Duration,
    /// Whether a second process has gone on with it.
    pub(super) resumed: bool,
}

const HEADINGS: [&str; 7] = [
    "order",
    "amount",
    "parcels",
    "outcome",
    "compensated",
    "after the kill",
    "time",
];
/// Whether a column is aligned to the right, as numbers are.
const TO_THE_RIGHT: [bool; 7] = [true, true, true, false, false, false, true];

type Row = [String; 7];

impl PlacedOrder {
    /// How it ended, in one character.
    pub(super) fn mark(&self) -> char {
        match &self.outcome {
            Outcome::Placed(_) => '.',
            Outcome::Failed(failure) if failure.compensated => 'x',
            Outcome::Failed(_) | Outcome::Error(_) => '!',
        }
    }

    fn row(&self) -> Row {
        let PlannedOrder {
            number,
            amount,
            parcels,
        } = self.planned;
        let (outcome, compensated) = match &self.outcome {
            Outcome::Placed(_) => ("placed".to_owned(), String::new()),
            Outcome::Failed(failure) => {
                let undone = failure.compensations.iter().map(|one| match &one.error {
                    None => one.step.clone(),
                    Some(_) => format!("NOT {}", one.step),
                });
                let undone: Vec<_> = undone.collect();
                (
                    format!("{}: {}", failure.step, failure.cause),
                    undone.join(", "),
                )
            }
            Outcome::Error(status) => (format!("error: {}", status.message()), String::new()),
        };
        let resumed = match (&self.outcome, self.resumed) {
            (_, false) => "",
            (Outcome::Placed(_), true) => "resumed, forward",
            (_, true) => "resumed, compensated",
        };
        [
            number.to_string(),
            amount.to_string(),
            parcels.to_string(),
            outcome,
            compensated,
            resumed.to_owned(),
            format!("{:.2} s", self.time.as_secs_f64()),
        ]
    }
}

/// The table, each column as wide as it must be.
pub(super) fn render(orders: &[PlacedOrder]) -> String {
    let headings = HEADINGS.map(str::to_owned);
    let rows: Vec<Row> = std::iter::once(headings)
        .chain(orders.iter().map(PlacedOrder::row))
        .collect();
    let widths: [usize; 7] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    });
    let mut table = String::new();
    for row in &rows {
        let cells: [String; 7] = std::array::from_fn(|column| {
            let (cell, width) = (&row[column], widths[column]);
            if TO_THE_RIGHT[column] {
                format!("{cell:>width$}")
            } else {
                format!("{cell:<width$}")
            }
        });
        table.push_str(&cells.join("  "));
        table.push('\n');
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{PlacedOrder, render};
    use crate::demo::plan;
    use crate::order::Outcome;
    use crate::proto::checkout::{Compensation, Failure, Receipt};

    #[test]
    fn columns_are_aligned_and_say_what_was_not_compensated() {
        let compensation = |step: &str, error: Option<&str>| Compensation {
            step: step.to_owned(),
            error: error.map(str::to_owned),
        };
        let failure = Failure {
            step: "ship".to_owned(),
            cause: "no answer within 1s".to_owned(),
            compensations: vec![
                compensation("ship", None),
                compensation("charge", Some("unreachable")),
            ],
            compensated: false,
        };
        let outcomes = [
            Outcome::Placed(Receipt::default()),
            Outcome::Failed(failure),
        ];
        let orders = plan::orders(2)
            .zip(outcomes)
            .map(|(planned, outcome)| PlacedOrder {
                planned,
                outcome,
                time: Duration::from_millis(1_234),
                resumed: planned.number == 1,
            });
        let table = render(&orders.collect::<Vec<_>>());
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "order  amount  parcels  outcome                    compensated       after the kill      time",
                "    1   31.00        2  placed                                       resumed, forward  1.23 s",
                "    2  552.00        3  ship: no answer within 1s  ship, NOT charge                    1.23 s",
            ]
        );
    }
}
