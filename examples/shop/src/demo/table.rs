//! The demo's orders as a table for people.

use std::time::Duration;

use super::kill::CutOff;
use super::plan::PlannedOrder;
use crate::item::LineItem;
use crate::order::Outcome;
use crate::proto::checkout::Failure;

/// An order, and what became of it.
#[derive(Debug)]
pub(super) struct PlacedOrder {
    pub(super) planned: PlannedOrder,
    pub(super) outcome: Outcome,
    pub(super) time: Duration,
    /// Where the kill has cut it off, if it has.
    pub(super) cut_off: Option<CutOff>,
}

const HEADINGS: [&str; 8] = [
    "order",
    "items",
    "amount",
    "parcels",
    "outcome",
    "compensated",
    "after the kill",
    "time",
];
/// Whether a column is aligned to the right, as numbers are.
const TO_THE_RIGHT: [bool; 8] = [true, false, true, true, false, false, false, true];

type Row = [String; 8];

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
            items,
            parcels,
            ..
        } = &self.planned;
        let (outcome, compensated) = match &self.outcome {
            Outcome::Placed(_) => ("placed".to_owned(), String::new()),
            Outcome::Failed(failure) => (why(failure), undone(failure)),
            Outcome::Error(status) => (format!("error: {}", status.message()), String::new()),
        };
        let cut_off = match (self.cut_off, &self.outcome) {
            (None, _) => "",
            (Some(CutOff::Waiting), Outcome::Placed(_)) => "waited on, approved",
            (Some(CutOff::Waiting), _) => "waited on, rejected",
            (Some(CutOff::Running), Outcome::Placed(_)) => "resumed, forward",
            (Some(CutOff::Running), _) => "resumed, compensated",
        };
        let items: Vec<_> = items.iter().map(pieces).collect();
        [
            number.to_string(),
            items.join(", "),
            self.planned.amount().to_string(),
            parcels.to_string(),
            outcome,
            compensated,
            cut_off.to_owned(),
            format!("{:.2} s", self.time.as_secs_f64()),
        ]
    }
}

fn pieces(item: &LineItem) -> String {
    format!("{} {}", item.quantity, item.article)
}

fn why(Failure { step, cause, .. }: &Failure) -> String {
    if step.is_empty() {
        cause.clone()
    } else {
        format!("{step}: {cause}")
    }
}

/// The steps that were undone, and those that were not; the calls of one step in a row as one.
fn undone(failure: &Failure) -> String {
    let steps = failure.compensations.iter().map(|one| match &one.error {
        None => one.step.clone(),
        Some(_) => format!("NOT {}", one.step),
    });
    let steps: Vec<_> = steps.collect();
    let calls = steps.chunk_by(|one, next| one == next);
    let calls = calls.map(|calls| match calls {
        [step] => step.clone(),
        calls => format!("{} ×{}", calls[0], calls.len()),
    });
    calls.collect::<Vec<_>>().join(", ")
}

/// The table, each column as wide as it must be.
pub(super) fn render(orders: &[PlacedOrder]) -> String {
    let headings = HEADINGS.map(str::to_owned);
    let rows: Vec<Row> = std::iter::once(headings)
        .chain(orders.iter().map(PlacedOrder::row))
        .collect();
    let widths: [usize; 8] = std::array::from_fn(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    });
    let mut table = String::new();
    for row in &rows {
        let cells: [String; 8] = std::array::from_fn(|column| {
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
    use crate::demo::kill::CutOff;
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
                compensation("reserve", None),
                compensation("reserve", None),
                compensation("charge", Some("unreachable")),
            ],
            compensated: false,
        };
        let outcomes = [
            Outcome::Placed(Receipt::default()),
            Outcome::Failed(failure),
            Outcome::Failed(Failure {
                cause: "rejected: no".to_owned(),
                ..Failure::default()
            }),
        ];
        let orders = plan::orders(3)
            .zip(outcomes)
            .map(|(planned, outcome)| PlacedOrder {
                cut_off: match planned.number {
                    1 => Some(CutOff::Running),
                    3 => Some(CutOff::Waiting),
                    _ => None,
                },
                planned,
                outcome,
                time: Duration::from_millis(1_234),
            });
        let table = render(&orders.collect::<Vec<_>>());
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(
            lines,
            [
                "order  items          amount  parcels  outcome                    compensated                   after the kill         time",
                "    1  2 tea, 1 pot    31.00        2  placed                                                   resumed, forward     1.23 s",
                "    2  3 desk         540.00        3  ship: no answer within 1s  ship, reserve ×2, NOT charge                       1.23 s",
                "    3  2 desk, 1 tea  365.00        1  rejected: no                                             waited on, rejected  1.23 s",
            ]
        );
    }
}
