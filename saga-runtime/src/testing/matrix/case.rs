//! The cases of a matrix: faults of attempts, and their words.

use std::fmt;

use crate::engines::journaled::faults::{Arrival, Asking, Fault, Moment};
use crate::journal::StepCall;

/// A call of a step, the compensation of one, or a wait.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Target {
    /// The durable name of the call.
    pub(super) call: String,
    pub(super) occurrence: u32,
    pub(super) is_undoing: bool,
    /// The name of the function or the event, for people.
    pub(super) function: String,
    pub(super) waits: Option<WaitsFor>,
}

/// The end that a wait has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum WaitsFor {
    Event,
    Time,
}

impl Target {
    pub(super) fn new(asking: &Asking<'_>) -> Self {
        let step = asking.call.name.as_ref();
        let undoing = if asking.is_resolving {
            asking.meta.resolver
        } else {
            asking.meta.compensation
        };
        let last = |path: &str| path.rsplit("::").next().unwrap_or(path).trim().to_owned();
        let function = match undoing {
            Some(path) if asking.is_undoing => match step.rsplit_once('/') {
                Some((saga, _)) => format!("{saga}/{}", last(path)),
                None => last(path),
            },
            _ if asking.is_undoing => format!("compensation of {step}"),
            _ => step.to_owned(),
        };
        Self {
            call: step.to_owned(),
            occurrence: asking.call.occurrence,
            is_undoing: asking.is_undoing,
            function,
            waits: None,
        }
    }

    /// The call in the definition, which is the same in all rounds of a loop and for all items of a fan-out.
    pub(super) fn place(&self) -> String {
        let parts = self.call.split('/').map(|part| match part.split_once('#') {
            Some((name, _)) => name,
            None => part,
        });
        parts.collect::<Vec<_>>().join("/")
    }

    /// A wait.
    pub(super) fn of_wait(wait: &StepCall) -> Self {
        let name = wait.name.as_ref();
        let events: Vec<_> = wait.events().collect();
        let last = name.rsplit('/').next().unwrap_or(name);
        let (function, waits) = if events.is_empty() {
            (last.to_owned(), WaitsFor::Time)
        } else {
            (format!("event {}", events.join(" or ")), WaitsFor::Event)
        };
        Self {
            call: name.to_owned(),
            occurrence: wait.occurrence,
            is_undoing: false,
            function,
            waits: Some(waits),
        }
    }

    /// The names of the events that end this wait.
    pub(super) fn events(&self) -> impl Iterator<Item = &str> {
        let named = self.call.rsplit_once(':');
        named.into_iter().flat_map(|(_, events)| events.split('|'))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.occurrence {
            0 => f.write_str(&self.function),
            occurrence => write!(f, "{}#{occurrence}", self.function),
        }
    }
}

/// A fault that is planned for one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) target: Target,
    pub(super) fault: Fault,
    pub(super) when: When,
}

/// The attempts of a target that have a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    First,
    Second,
    Always,
}

impl When {
    pub(super) fn is(self, attempt: u32) -> bool {
        match self {
            Self::First => attempt == 1,
            Self::Second => attempt == 2,
            Self::Always => true,
        }
    }
}

/// One case: a run of the saga with these faults.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Case(pub(super) Vec<Planned>);

impl Case {
    pub(super) fn with(&self, target: &Target, fault: Fault, when: When) -> Self {
        let mut planned = self.0.clone();
        planned.push(Planned {
            target: target.clone(),
            fault,
            when,
        });
        Self(planned)
    }

    /// Returns true if a compensation of this case never succeeds.
    pub(super) fn may_be_stuck(&self) -> bool {
        self.0.iter().any(|planned| planned.when == When::Always)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, others)) = self.0.split_first() else {
            return f.write_str("no fault");
        };
        write!(f, "{}: {}", first.target, first.words())?;
        for other in others {
            if other.when == When::Second {
                write!(f, " + {} again", other.words())?;
            } else {
                write!(f, " + {} {}", other.target, other.words())?;
            }
        }
        Ok(())
    }
}

/// The words for a fault of a step or a compensation.
pub(super) fn words(fault: Fault, when: When, is_undoing: bool) -> &'static str {
    match (fault, when) {
        (Fault::Refused, When::Always) => "refused for good",
        (Fault::Refused, _) if is_undoing => "refused once",
        (fault, _) => name(fault),
    }
}

impl Planned {
    pub(super) fn words(&self) -> &'static str {
        if self.target.waits.is_some() {
            wait_words(self.fault)
        } else {
            words(self.fault, self.when, self.target.is_undoing)
        }
    }
}

/// The words for a fault of a wait.
pub(super) fn wait_words(fault: Fault) -> &'static str {
    match fault {
        Fault::Crash(Moment::Before) => "process ends while it waits",
        Fault::Crash(_) => "process ends after the arrival",
        fault => name(fault),
    }
}

/// The name of a fault of a step.
pub(super) fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Refused => "refused",
        Fault::TimedOut(Moment::Before) => "timed out before its effect",
        Fault::TimedOut(_) => "timed out after its effect",
        Fault::Panicked(Moment::Before) => "panicked before its effect",
        Fault::Panicked(_) => "panicked after its effect",
        Fault::Crash(Moment::Before) => "process ends before the request",
        Fault::Crash(Moment::After) => "process ends after the effect",
        Fault::Crash(Moment::Recorded) => "process ends after the record",
        Fault::Cancelled => "cancelled during it",
        Fault::Deadline => "deadline passes during it",
        Fault::Twice => "asked twice",
        Fault::Arrives(Arrival::Before) => "arrives before it is waited for",
        Fault::Arrives(Arrival::Twice) => "arrives twice",
        Fault::Arrives(Arrival::Never) => "never arrives",
        Fault::Arrives(Arrival::OtherType) => "another type arrives first",
    }
}

/// The faults of a step, in the order of the table.
pub(super) const FAULTS: [Fault; 11] = [
    Fault::Refused,
    Fault::TimedOut(Moment::Before),
    Fault::TimedOut(Moment::After),
    Fault::Panicked(Moment::Before),
    Fault::Panicked(Moment::After),
    Fault::Crash(Moment::Before),
    Fault::Crash(Moment::After),
    Fault::Crash(Moment::Recorded),
    Fault::Cancelled,
    Fault::Deadline,
    Fault::Twice,
];

/// The faults of a wait for an event, in the order of the table.
pub(super) const EVENT_FAULTS: [Fault; 7] = [
    Fault::Arrives(Arrival::Before),
    Fault::Arrives(Arrival::Twice),
    Fault::Arrives(Arrival::Never),
    Fault::Arrives(Arrival::OtherType),
    Fault::Crash(Moment::Before),
    Fault::Crash(Moment::After),
    Fault::Cancelled,
];

/// The faults of a wait for a time.
pub(super) const SLEEP_FAULTS: [Fault; 2] = [Fault::Crash(Moment::Before), Fault::Cancelled];

/// The faults of a compensation, in the order of the table.
pub(super) const UNDOING_FAULTS: [(Fault, When); 4] = [
    (Fault::Refused, When::First),
    (Fault::Refused, When::Always),
    (Fault::Crash(Moment::After), When::First),
    (Fault::Twice, When::First),
];
