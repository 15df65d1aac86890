//! Histories of production as test data: the definitions of today still fit them.

mod structure;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs};

use crate::coordinator::{Builder, Misfit};
use crate::escaped::Escaped;
use crate::id::SagaId;
use crate::journal::Entry;
use crate::operator::SagaDetails;
use crate::shape::Shape;

/// Checks that the registered sagas still fit the histories in this file, whose path begins at the package. `saga export` writes such
/// files, and so does [`Operator::export`](crate::operator::Operator::export).
///
/// ```no_run
/// # use saga_runtime::{Context, Coordinator, saga, step};
/// # #[step(compensate = ())] async fn quote(_: Context<'_, ()>) -> Result<(), String> { Ok(()) }
/// # saga!(async fn order(cx: Context<'_, ()>) -> Result<(), String> { quote(cx).await?; Ok(()) });
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// // In a `#[tokio::test]`, with the function that your service builds its coordinator with:
/// saga_runtime::testing::replays("tests/histories.jsonl", &Coordinator::builder(()).register::<Order>()).await;
/// # }
/// ```
///
/// Each history is replayed as [`Coordinator::check`](crate::Coordinator::check) does it, in any state, and without its end. The services
/// are asked for nothing. A definition that goes on behind the recorded calls fits, as it does for a saga in flight.
///
/// A history without payloads can't be replayed: its calls are compared with the structure of the definition. So a branch that is taken
/// otherwise, an input that can't be read any more, or another order inside of a group is not seen.
///
/// # Panics
/// If a history does not fit, with a line for each. Also if its definition is not registered, the file can't be read, or it has no
/// history.
pub async fn replays<S: ?Sized + Send + Sync + 'static, J: Sync>(
    path: impl AsRef<Path>,
    sagas: &Builder<S, J>,
) {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let path = package.unwrap_or_default().join(path);
    let file = path.display();
    let text = fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{file} can't be read: {error}"));
    match replay_of(&text, sagas).await {
        Ok(report) => {
            assert!(
                report.replayed + report.compared > 0,
                "{file} has no history"
            );
            assert!(report.is_fine(), "{file}: {report}");
        }
        Err(error) => panic!("{file}, {error}"),
    }
}

/// Checks the histories in this text: one on each line, as `saga export` prints them.
///
/// # Errors
/// If a line is no history, or the sagas can't be registered together.
pub async fn replay_of<S: ?Sized + Send + Sync + 'static, J: Sync>(
    histories: &str,
    sagas: &Builder<S, J>,
) -> Result<ReplayReport, HistoryError> {
    let shapes = sagas.shapes();
    let shapes = shapes.map_err(|error| HistoryError::new(0, error.to_string()))?;
    let mut report = ReplayReport::default();
    let lines = (1..).zip(histories.lines());
    for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
        let bad = |problem: String| HistoryError::new(line, problem);
        let saga: SagaDetails =
            serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        let id = SagaId::new(&*saga.saga.id).map_err(|error| bad(error.to_string()))?;
        let fits = if let Some(history) = saga.history() {
            let mut history = history.map_err(bad)?;
            history.entries = history.entries.map(without_end);
            let replayed = sagas.rehearse(history).await;
            report.replayed += u64::from(replayed.is_some());
            replayed
        } else {
            let (name, version) = (&saga.saga.name, saga.saga.version);
            let is_it = |shape: &&Shape| shape.saga.name == name && shape.saga.version == version;
            let shape = shapes.iter().find(is_it);
            report.compared += u64::from(shape.is_some());
            shape.map(|shape| structure::compare(shape, &saga))
        };
        match fits {
            None => {
                let definition = (saga.saga.name, saga.saga.version);
                *report.unregistered.entry(definition).or_default() += 1;
            }
            Some(Ok(())) => {}
            Some(Err(unfit)) => {
                let (name, version) = (saga.saga.name, saga.saga.version);
                let misfit = Misfit::new(id, name, version, unfit);
                report.misfits.push(misfit);
            }
        }
    }
    Ok(report)
}

/// The entries up to the end of the saga: an end is what comes of a replay.
fn without_end(mut entries: Vec<Entry>) -> Vec<Entry> {
    if entries.last().is_some_and(|last| last.event.ends_claim()) {
        entries.pop();
    }
    entries
}

/// The result of [`replay_of`]. `Display` shows it to people, without payloads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayReport {
    /// The number of histories that were replayed.
    pub replayed: u64,
    /// The number of histories without payloads, whose calls were compared with the structure.
    pub compared: u64,
    /// The histories that don't fit their definitions.
    pub misfits: Vec<Misfit>,
    /// The names and versions that are not registered, and the number of their histories.
    pub unregistered: BTreeMap<(String, u32), u64>,
}

impl ReplayReport {
    /// Returns whether every history fits, and its definition is registered.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        self.misfits.is_empty() && self.unregistered.is_empty()
    }
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} histories replayed, ", self.replayed)?;
        if self.compared > 0 {
            write!(f, "{} without payloads compared, ", self.compared)?;
        }
        writeln!(f, "{} do not fit their definitions", self.misfits.len())?;
        for misfit in &self.misfits {
            writeln!(f, "  {misfit}")?;
        }
        for ((name, version), count) in &self.unregistered {
            let name = Escaped(name);
            writeln!(
                f,
                "  not registered: {name}, version {version}: {count} histories"
            )?;
        }
        Ok(())
    }
}

/// A line that is no history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryError {
    line: usize,
    problem: String,
}

impl HistoryError {
    fn new(line: usize, problem: String) -> Self {
        Self { line, problem }
    }
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = Escaped(&self.problem);
        match self.line {
            0 => write!(f, "{problem}"),
            line => write!(f, "line {line} is no history: {problem}"),
        }
    }
}

impl std::error::Error for HistoryError {}
