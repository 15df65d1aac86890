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

/// How much later than it should something may happen: timers of tokio are exact to a millisecond, and of a clock that goes on
/// by itself nothing is said.
pub(crate) fn lateness() -> Duration {
    if engine::LACKS
        .iter()
        .any(|(lacking, _)| *lacking == Ability::TheClockOfTheTest)
    {
        Duration::from_hours(1)
    } else {
        Duration::from_millis(1)
    }
}
