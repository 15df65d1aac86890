//! The report of a matrix: the count of its cases, and a paragraph for each kind of failure.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::thread;

use crate::journal::State;
use crate::testing::matrix::CASE;
use crate::testing::matrix::run::Ran;

/// The result of a [`FailureMatrix`](crate::testing::FailureMatrix).
#[must_use]
pub struct MatrixReport {
    pub(super) saga: &'static str,
    pub(super) ran: Vec<Ran>,
    left_out: BTreeMap<String, String>,
    /// The name of the test, by which it is run alone.
    test: String,
}

impl fmt::Debug for MatrixReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MatrixReport")
            .field("saga", &self.saga)
            .field("cases", &self.ran.len())
            .finish_non_exhaustive()
    }
}

/// The most cases that are named beside one that is told.
const NAMED: usize = 4;

impl MatrixReport {
    pub(super) fn new(
        saga: &'static str,
        ran: Vec<Ran>,
        reasons: BTreeMap<String, &'static str>,
    ) -> Self {
        let mut left_out = BTreeMap::new();
        for (function, reason) in reasons {
            left_out.insert(function, reason.to_owned());
        }
        for ran in &ran {
            for why in &ran.left_out {
                left_out.insert(ran.case.to_string(), why.clone());
            }
        }
        let test = thread::current().name().unwrap_or_default().to_owned();
        Self {
            saga,
            ran,
            left_out,
            test,
        }
    }

    /// The number of cases.
    #[must_use]
    pub fn cases(&self) -> usize {
        self.ran.len()
    }

    /// The names of the cases, in the order in which they ran.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.ran.iter().map(|ran| ran.case.to_string()).collect()
    }

    /// The number of cases that fail.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.ran
            .iter()
            .filter(|ran| !ran.problems.is_empty())
            .count()
    }

    /// Returns true if no case fails.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.failing() == 0
    }

    /// One line: the number of cases, and how they end.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |state| {
            self.ran
                .iter()
                .filter(|ran| ran.end.state() == state)
                .count()
        };
        let mut text = format!(
            "{}: {} {}: {} completed, {} compensated, {} stuck where a compensation is refused for good",
            self.saga,
            self.cases(),
            if self.cases() == 1 { "case" } else { "cases" },
            count(State::Completed),
            count(State::Compensated),
            count(State::Stuck),
        );
        for (what, why) in &self.left_out {
            let _ = write!(text, "\n  left out: {what}: {why}");
        }
        text
    }

    /// The failing cases, the alike ones together.
    fn groups(&self) -> Vec<(&str, Vec<&Ran>)> {
        let mut groups: Vec<(String, &str, Vec<&Ran>)> = Vec::new();
        for ran in &self.ran {
            for problem in &ran.problems {
                let alike: String = problem.chars().filter(|c| !c.is_ascii_digit()).collect();
                match groups.iter_mut().find(|(known, ..)| *known == alike) {
                    Some((_, _, cases)) => cases.push(ran),
                    None => groups.push((alike, problem, vec![ran])),
                }
            }
        }
        for (.., cases) in &mut groups {
            // The simplest is told, and named first.
            cases.sort_by_key(|ran| ran.case.0.len());
        }
        groups
            .into_iter()
            .map(|(_, problem, cases)| (problem, cases))
            .collect()
    }
}

impl fmt::Display for MatrixReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ok() {
            return f.write_str(&self.summary());
        }
        write!(
            f,
            "{}: {} of {} cases fail",
            self.saga,
            self.failing(),
            self.cases()
        )?;
        for (problem, cases) in self.groups() {
            let [first, others @ ..] = &*cases else {
                continue;
            };
            write!(f, "\n\n{}\n", first.case)?;
            for (number, line) in first.story.iter().enumerate() {
                writeln!(f, "  {:>2}  {line}", number + 1)?;
            }
            writeln!(f, "  The saga ends as {}.", first.end.state())?;
            writeln!(f, "  But {problem}.")?;
            if !others.is_empty() {
                let named = others.iter().take(NAMED).map(|ran| ran.case.to_string());
                let named: Vec<_> = named.collect();
                write!(f, "  So do {} more: {}", others.len(), named.join("; "))?;
                f.write_str(if others.len() > NAMED {
                    "; …\n"
                } else {
                    "\n"
                })?;
            }
            write!(
                f,
                "  This case alone: {CASE}='{}' cargo test {}",
                first.case, self.test
            )?;
        }
        Ok(())
    }
}
