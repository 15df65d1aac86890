//! The metrics of coordinators: their names, units and meanings, and the handles behind them. It does not know when they change.
//!
//! They go to the recorder of the crate [`metrics`](https://docs.rs/metrics), which a service installs **before** it starts a
//! coordinator; `docs/guide/observing.md` shows it with the exporter for Prometheus. Their labels are the names of definitions, of
//! steps and of outcomes: there are as many series as the code has of them. Without the feature `metrics`, nothing is counted.

#[cfg(feature = "metrics")]
mod handles;
#[cfg(not(feature = "metrics"))]
mod nothing;
#[cfg(feature = "metrics")]
mod table;

#[cfg(feature = "metrics")]
pub(crate) use handles::{
    AttemptMeters, FinalState, JournalCall, JournalHandles, OneSaga, OpenHandles, SagaHandles,
};
#[cfg(not(feature = "metrics"))]
pub(crate) use nothing::NoMeters as AttemptMeters;
#[cfg(feature = "metrics")]
pub use table::{ALL, Metric, MetricKind, SECONDS, describe};
