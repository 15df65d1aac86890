//! Prints the readings: a row per contestant, a column per length and ending, each number beside its ratio to the
//! hand-written saga.

use std::fmt::{self, Write as _};

use clap::ValueEnum;

use crate::cell::{Cell, Ending};
use crate::contestants::Contestant;
use crate::readings::Readings;

/// A table with one section per kind of reading.
#[derive(Debug)]
pub struct Table<'a>(pub &'a [(&'a str, &'a Readings)]);

const LABEL: usize = 16;
const VALUE: usize = 10;
const RATIO: usize = 9;

impl fmt::Display for Table<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut lengths, mut endings) = (" ".repeat(LABEL), " ".repeat(LABEL));
        for (length, ending) in Cell::columns() {
            let steps = match ending {
                Ending::Success => format!("{} steps", length.steps()),
                Ending::Failure => String::new(),
            };
            write!(lengths, "{steps:>VALUE$}{:RATIO$}", "")?;
            write!(endings, "{ending:>VALUE$}{:RATIO$}", "")?;
        }
        writeln!(out, "{}\n{}", lengths.trim_end(), endings.trim_end())?;
        for (title, readings) in self.0 {
            writeln!(out, "{title}")?;
            for &contestant in Contestant::value_variants() {
                writeln!(out, "{}", row(contestant, readings)?.trim_end())?;
            }
        }
        Ok(())
    }
}

fn row(contestant: Contestant, readings: &Readings) -> Result<String, fmt::Error> {
    let mut row = format!("  {contestant:0$}", LABEL - 2);
    for (length, ending) in Cell::columns() {
        let cell = Cell {
            contestant,
            length,
            ending,
        };
        let value = readings.get(cell).map(grouped).unwrap_or_default();
        let ratio = match contestant {
            Contestant::HandWritten => None,
            _ => readings.ratio(cell),
        };
        let ratio = ratio.map(times).unwrap_or_default();
        write!(row, "{value:>VALUE$}{ratio:>RATIO$}")?;
    }
    Ok(row)
}

/// A ratio with two decimals while they matter: `1.82×`, `2,650×`.
#[must_use]
pub fn times(ratio: f64) -> String {
    if ratio < 100.0 {
        format!("{ratio:.2}×")
    } else {
        format!("{}×", grouped(ratio))
    }
}

/// A number rounded to an integer, with a comma at every thousand.
#[must_use]
pub fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{grouped, times};

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(grouped(7.4), "7");
        assert_eq!(grouped(236_692.0), "236,692");
        assert_eq!(grouped(5_127_826.5), "5,127,826");
    }

    #[test]
    fn small_ratios_keep_their_decimals() {
        assert_eq!(times(1.824), "1.82×");
        assert_eq!(times(2650.2), "2,650×");
    }
}
