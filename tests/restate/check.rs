//! The rules for a saga after kills, checked by the answer to its client and by the requests to the participant.

use std::collections::HashSet;
use std::path::Path;

use saga_restate::Report;

use crate::participant::{Participant, Request};
use crate::participant_log::{keys, order};
use crate::sagas::Case;

/// The end of a saga, as its client learns it.
#[derive(Debug)]
pub(crate) enum Ended {
    Completed,
    Failed(Box<Report>),
}

/// The requests to the participant so far.
pub(crate) fn requests(database: &Path) -> Result<Vec<Request>, String> {
    let participant = Participant::open(database, None).map_err(|error| error.to_string())?;
    participant.requests().map_err(|error| error.to_string())
}

/// `before` is the list of requests up to the kill.
pub(crate) fn check(
    database: &Path,
    id: &str,
    case: Case,
    ended: &Ended,
    before: Option<&[Request]>,
) -> Result<(), String> {
    let participant = Participant::open(database, None).map_err(|error| error.to_string())?;
    let effects = participant.effects(id).map_err(|error| error.to_string())?;
    let is_stubborn = case.plan.stubborn.is_some_and(|(_, fails)| fails > 3);
    match ended {
        Ended::Completed if effects == complete(case) => {}
        Ended::Failed(report) if is_stubborn => {
            if report.is_compensated || effects != [2] {
                return Err(format!("{report}, with {effects:?}"));
            }
        }
        Ended::Failed(report) if report.is_compensated && effects.is_empty() => {
            if case.plan.refused.is_none() && case.plan.unclear.is_none() {
                return Err(format!("nothing went wrong, but {report}"));
            }
        }
        _ => return Err(format!("{ended:?}, with {effects:?}")),
    }
    let all = requests(database)?;
    let asked: Vec<_> = all.iter().filter(|one| one.saga == id).collect();
    order(&asked, case.saga)?;
    keys(&asked)?;
    if let Some(before) = before {
        not_again(case, before, &all[before.len()..])?;
    }
    Ok(())
}

/// The steps of a saga that has completed.
fn complete(case: Case) -> Vec<u32> {
    match case.saga {
        "shipping" if case.plan.refused == Some(2) => vec![1, 3, 4, 5],
        "shipping" => vec![1, 2, 4, 5],
        "doubting" => vec![1, 2, 3],
        _ => (1..=case.plan.steps).collect(),
    }
}

/// Checks that only the request in flight was repeated: all requests before it had ended and were recorded.
fn not_again(case: Case, before: &[Request], after: &[Request]) -> Result<(), String> {
    let Some(last) = before.last() else {
        return Ok(());
    };
    // The steps 2, 3 and 4 of a group or a fan-out run at the same time.
    let in_flight = |one: &Request| {
        let beside = |one: &Request| one.what == "act" && (2..=4).contains(&one.step);
        one.key == last.key
            || (["grouped", "spread"].contains(&case.saga) && beside(one) && beside(last))
    };
    let ended: HashSet<_> = before
        .iter()
        .filter(|one| !in_flight(one))
        .map(|one| &one.key)
        .collect();
    match after.iter().find(|one| ended.contains(&one.key)) {
        Some(again) => Err(format!("{again:?} came again after it had ended")),
        None => Ok(()),
    }
}
