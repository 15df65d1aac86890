//! The capabilities that a test may need of an engine. An engine that lacks one gives its reason, and the test is left out there.

use std::time::Duration;

use crate::engine;

/// A capability that some engines lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Capability {
    /// Its time is the test's, which stands still or passes at once: a wait is measured to the millisecond, or takes a day.
    TheClockOfTheTest,
    /// A saga that is cancelled in its own code, or before it begins, learns of it at once.
    CancelsAtOnce,
    /// It records the error of a saga, so that every caller can ask for it.
    RecordsErrors,
}

/// Says whether the engine lacks this, and prints its reason.
pub(crate) fn lacks(capability: Capability) -> bool {
    let lacking = engine::LACKS
        .iter()
        .find(|(lacking, _)| *lacking == capability);
    if let Some((_, reason)) = lacking {
        println!("left out: {reason}");
    }
    lacking.is_some()
}

/// The number of repetitions where chance decides: `most`, or one where each takes real time.
pub(crate) fn rounds(most: u32) -> u32 {
    if has_the_clock() { most } else { 1 }
}

/// The delay that a test accepts. Timers of tokio are exact to a millisecond; a real clock promises nothing.
pub(crate) fn lateness() -> Duration {
    if has_the_clock() {
        Duration::from_millis(1)
    } else {
        Duration::from_hours(1)
    }
}

fn has_the_clock() -> bool {
    let mut lacking = engine::LACKS.iter();
    !lacking.any(|(lacking, _)| *lacking == Capability::TheClockOfTheTest)
}
