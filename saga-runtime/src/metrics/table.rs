//! All metrics, as one table.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metric {
    /// The name, after the conventions of `OpenMetrics`.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: MetricKind,
    /// The unit of its values: `sagas`, `attempts`, `seconds`, …
    pub unit: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The meaning, in a sentence.
    pub meaning: &'static str,
}

/// The kind of a metric's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricKind {
    /// A number that only grows, from the start of the process on.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Durations. Their number is a counter: `…_count`.
    Histogram,
}

impl MetricKind {
    /// The name of the kind: `counter`, `gauge`, `histogram`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Upper bounds of buckets in seconds for the histograms, whose names all end in `_seconds`: from a millisecond to a day.
pub const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 3600.0, 86_400.0,
];

macro_rules! table {
    ($($constant:ident = $name:literal, $kind:ident, $unit:literal, $labels:expr, $meaning:literal;)*) => {
        $(pub(super) const $constant: &str = $name;)*

        /// All metrics of a coordinator.
        pub const ALL: &[Metric] = &[$(Metric {
            name: $name,
            kind: MetricKind::$kind,
            unit: $unit,
            labels: &$labels,
            meaning: $meaning,
        }),*];
    };
}

table! {
    STARTED = "saga_started_total", Counter, "sagas", ["saga"], "sagas that this process has started";
    ENDED = "saga_ended_total", Counter, "sagas", ["saga", "state"], "sagas that have ended here, by their final state";
    STUCK = "saga_stuck_total", Counter, "sagas", ["saga", "code"], "sagas that have got stuck here, by the code of the reason";
    COMPENSATING = "saga_compensating_total", Counter, "sagas", ["saga"], "sagas that have turned back here, to be undone";
    DURATION = "saga_duration_seconds", Histogram, "seconds", ["saga", "state"], "from the start of a saga to its end, with all waits";
    ATTEMPTS = "saga_attempt_duration_seconds", Histogram, "seconds", ["step", "phase", "outcome"], "attempts of steps and of compensations";
    BACK_OFFS = "saga_back_offs_total", Counter, "waits", ["step", "phase"], "waits before another attempt";
    PERMIT = "saga_step_limit_wait_seconds", Histogram, "seconds", ["step"], "waits for a permit of a step that has a limit";
    SET_ASIDE = "saga_events_set_aside_total", Counter, "events", ["saga"], "events that were set aside: they could not be read, or were dropped";
    CLAIMS = "saga_claims_total", Counter, "sagas", ["saga"], "sagas that this process has claimed";
    TAKEOVERS = "saga_takeovers_total", Counter, "sagas", ["saga"], "of these, sagas that the holder before had not released: its process has ended, or its lease";
    FENCED = "saga_fenced_total", Counter, "sagas", ["saga"], "sagas that another process has taken over from this one";
    OPEN = "saga_open", Gauge, "sagas", ["saga", "state"], "open sagas in the journal, also stuck ones, every 15 seconds";
    OLDEST = "saga_oldest_open_seconds", Gauge, "seconds", ["saga", "state"], "the age of the oldest of them";
    OPEN_STUCK = "saga_open_stuck", Gauge, "sagas", ["saga", "code"], "stuck sagas in the journal, by the code of the reason";
    PAUSED = "saga_paused", Gauge, "definitions", ["saga"], "1 while an operator has paused the definition";
    SLOTS = "saga_slots", Gauge, "slots", [], "sagas that may run in this process at a time";
    SLOTS_USED = "saga_slots_used", Gauge, "slots", [], "sagas that run in this process";
    JOURNAL = "saga_journal_duration_seconds", Histogram, "seconds", ["operation"], "one in 16 of the operations that change the journal, as their callers wait for it";
    ERRORS = "saga_journal_errors_total", Counter, "operations", ["operation"], "operations that the journal could not carry out";
    COMMITS = "saga_journal_commits_total", Counter, "transactions", [], "transactions of the journal: operations that are written together count once";
}

/// Describes all metrics to the recorder, with units and meanings. A coordinator does so when it starts.
pub fn describe() {
    for metric in ALL {
        let unit = if metric.unit == "seconds" {
            Unit::Seconds
        } else {
            Unit::Count
        };
        match metric.kind {
            MetricKind::Counter => describe_counter!(metric.name, unit, metric.meaning),
            MetricKind::Gauge => describe_gauge!(metric.name, unit, metric.meaning),
            MetricKind::Histogram => describe_histogram!(metric.name, unit, metric.meaning),
        }
    }
}
