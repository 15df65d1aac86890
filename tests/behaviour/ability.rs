//! What a test needs of an engine besides that it runs sagas. An engine that lacks it says why; the test is left out there.

use std::time::Duration;

use crate::engine;

/// What not every engine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ability {
    /// Its time is the test's, which stands still or passes at once: a wait is measured to the millisecond, or takes a day.
    TheClockOfTheTest,
    /// A saga that is cancelled in its own code, or before it begins, has heard of it before it goes on.
    CancelsAtOnce,
}

/// Whether the engine lacks this; says why, if it does.
pub(crate) fn lacks(ability: Ability) -> bool {
    let lacking = engine::LACKS
        .iter()
        .find(|(lacking, _)| *lacking == ability);
    if let Some((_, reason)) = lacking {
        println!("left out: {reason}");
    }
    lacking.is_some()
}

/// How often a test does what depends on chance: `most` times, or once where that takes real time.
pub(crate) fn rounds(most: u32) -> u32 {
    if has_the_clock() { most } else { 1 }
}

/// How much later than it should something may happen: timers of tokio are exact to a millisecond, and of a clock that goes on
/// by itself nothing is said.
pub(crate) fn lateness() -> Duration {
    if has_the_clock() {
        Duration::from_millis(1)
    } else {
        Duration::from_hours(1)
    }
}

fn has_the_clock() -> bool {
    let mut lacking = engine::LACKS.iter();
    !lacking.any(|(lacking, _)| *lacking == Ability::TheClockOfTheTest)
}
