//! The rules for each saga after any number of crashes, checked by the journal and by the requests to the participant.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use saga_runtime::SagaId;
use saga_runtime::journal::{Event, Journal, Sqlite, State};

use crate::journal_log::is_written_before;
use crate::participant::{Participant, Request};
use crate::participant_log::{keys, order};
use crate::sagas::Case;

/// The state after the end of a process.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// The number of requests.
    requests: usize,
    /// The recorded outcomes, as requests: `case-3`, 2, `act`.
    settled: HashSet<(String, u32, &'static str)>,
    /// The sagas that had ended, and how.
    ended: HashMap<String, State>,
}

/// The number by which the participant knows a step of the journal.
fn number(step: &str) -> u32 {
    // Of a saga inside of another one the name stands before it.
    match step.rsplit('/').next().unwrap_or(step) {
        "one" => 1,
        "two" | "resolved" => 2,
        "three" => 3,
        "four" | "ship" => 4,
        "five" | "thank" => 5,
        _ => 6,
    }
}

/// Looks at the journal and the participant while no process uses them. `None` if the journal is not there yet.
///
/// # Errors
/// If something was asked for too early.
pub(crate) async fn look(
    folder: &Path,
    sagas: &[(usize, Case)],
) -> Result<Option<Snapshot>, String> {
    // A process that was killed while it made the tables has left nothing to look at.
    let Ok(journal) = open(folder).await else {
        return Ok(None);
    };
    let requests = requests(folder)?;
    let mut snapshot = Snapshot {
        requests: requests.len(),
        ..Snapshot::default()
    };
    for (saga, case) in sagas {
        let id = id(*saga);
        let loaded = journal.load(&id).await.map_err(text)?;
        // A process may have ended before it was started.
        let Some(history) = loaded else { continue };
        let state = history.record.state;
        let (mut outcomes, mut in_doubt) = (HashSet::new(), HashSet::new());
        let mut is_decided = false;
        for entry in history.entries.map_err(text)? {
            let step = entry.event.step().map(|step| number(&step.name));
            let what = match &entry.event {
                Event::StepDone { .. } | Event::StepRefused { .. } | Event::StepSettled { .. } => {
                    outcomes.extend(step);
                    "act"
                }
                Event::CompensationDone { .. } => "undo",
                Event::StepInDoubt { .. } => {
                    in_doubt.extend(step);
                    continue;
                }
                Event::Compensating { .. } => {
                    is_decided = true;
                    continue;
                }
                _ => continue,
            };
            if let Some(step) = step {
                snapshot.settled.insert((id.to_string(), step, what));
            }
        }
        let asked = requests.iter().filter(|one| one.saga == id.as_str());
        let asked: Vec<_> = asked.collect();
        is_written_before(&asked, case.saga, &outcomes, is_decided, &in_doubt)
            .map_err(|what| format!("{id} ({case:?}): {what}"))?;
        if state.is_final() {
            snapshot.ended.insert(id.to_string(), state);
        }
    }
    Ok(Some(snapshot))
}

/// Checks everything after the last process has ended by itself.
pub(crate) async fn check(
    folder: &Path,
    sagas: &[(usize, Case)],
    snapshots: &[Snapshot],
) -> Result<(), String> {
    let journal = open(folder).await?;
    let all = requests(folder)?;
    let participant = Participant::open(&folder.join("participant.db"), None).map_err(text)?;
    for (saga, case) in sagas {
        let id = id(*saga);
        let about = |what: String| format!("{id} ({case:?}): {what}");
        let history = journal.load(&id).await.map_err(text)?;
        let history = history.ok_or_else(|| about("it is lost".to_owned()))?;
        let state = history.record.state;
        let effects = participant.effects(id.as_str()).map_err(text)?;
        let is_stubborn = case.plan.stubborn.is_some_and(|(_, fails)| fails > 3);
        match state {
            State::Completed => {
                let done: HashSet<u32> = history
                    .entries
                    .map_err(text)?
                    .iter()
                    .filter(|entry| matches!(entry.event, Event::StepDone { .. }))
                    .filter_map(|entry| entry.event.step())
                    .map(|step| number(&step.name))
                    .collect();
                if done.len() != effects.len() || !effects.iter().all(|step| done.contains(step)) {
                    return Err(about(format!(
                        "completed with {done:?}, but there is {effects:?}"
                    )));
                }
                if ["line", "grouped", "spread"].contains(&case.saga) && case.plan.refused.is_some()
                {
                    return Err(about("completed although a step has refused".to_owned()));
                }
                if ["line", "grouped", "spread"].contains(&case.saga)
                    && done.len() != case.plan.steps as usize
                {
                    return Err(about(format!("completed with {done:?} only")));
                }
            }
            State::Compensated if is_stubborn => {
                return Err(about("compensated although that can't be".to_owned()));
            }
            State::Compensated if !effects.is_empty() => {
                return Err(about(format!("compensated, but there is {effects:?}")));
            }
            State::Compensated => {}
            State::Stuck if is_stubborn && effects == [2] => {}
            other => return Err(about(format!("{other}, with {effects:?}"))),
        }
        let asked: Vec<_> = all.iter().filter(|one| one.saga == id.as_str()).collect();
        order(&asked, case.saga).map_err(about)?;
        keys(&asked).map_err(about)?;
        for snapshot in snapshots {
            if let Some(before) = snapshot.ended.get(id.as_str())
                && *before != state
            {
                return Err(about(format!("it was {before}, and is {state} now")));
            }
        }
    }
    for snapshot in snapshots {
        for request in all.iter().skip(snapshot.requests) {
            let what = if request.what == "act" { "act" } else { "undo" };
            let settled = (request.saga.clone(), request.step, what);
            if snapshot.settled.contains(&settled) {
                return Err(format!(
                    "{request:?} came again after its outcome was recorded"
                ));
            }
        }
    }
    Ok(())
}

pub(crate) fn id(saga: usize) -> SagaId {
    SagaId::new(format!("case-{saga}")).expect("a short text")
}

async fn open(folder: &Path) -> Result<Sqlite, String> {
    Sqlite::open_read_only(folder.join("journal.db"))
        .await
        .map_err(text)
}

fn requests(folder: &Path) -> Result<Vec<Request>, String> {
    let participant = Participant::open(&folder.join("participant.db"), None).map_err(text)?;
    participant.requests().map_err(text)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
