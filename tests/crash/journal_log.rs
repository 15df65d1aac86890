//! The order between journal and requests: each outcome is recorded before the next request.

use std::collections::HashSet;

use crate::participant::Request;

/// The steps before a step, in a saga that takes them one after the other or in groups.
fn before(saga: &str, step: u32) -> impl Iterator<Item = u32> {
    let is_beside = move |other: u32| match saga {
        // Step 2 runs at the same time as 3 and 4.
        "grouped" => step.max(other) <= 4 && (step == 2 || other == 2),
        "spread" => (2..=4).contains(&step) && (2..=4).contains(&other),
        _ => false,
    };
    (1..step).filter(move |other| !is_beside(*other))
}

/// Checks that the outcome of each earlier step was recorded before a request, and the decision before the first compensation.
pub(crate) fn is_written_before(
    asked: &[&Request],
    saga: &str,
    outcomes: &HashSet<u32>,
    is_decided: bool,
    in_doubt: &HashSet<u32>,
) -> Result<(), String> {
    let acted: HashSet<u32> = asked
        .iter()
        .filter(|one| one.what == "act")
        .map(|one| one.step)
        .collect();
    for step in &acted {
        let mut before = before(saga, *step).filter(|before| acted.contains(before));
        if let Some(before) = before.find(|before| !outcomes.contains(before)) {
            return Err(format!(
                "step {step} was asked for before the outcome of step {before} was recorded"
            ));
        }
    }
    for undone in asked.iter().filter(|one| one.what == "undo") {
        // A resolver may undo a step in doubt, to settle it.
        if !is_decided && !in_doubt.contains(&undone.step) {
            return Err(format!(
                "step {} was undone before the decision was recorded",
                undone.step
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(
        saga: &str,
        asked: &[(&str, u32)],
        outcomes: &[u32],
        is_decided: bool,
    ) -> Result<(), String> {
        let request = |(what, step): &(&str, u32)| Request {
            saga: "case-0".to_owned(),
            step: *step,
            what: (*what).to_owned(),
            key: format!("{what}/{step}"),
        };
        let requests: Vec<_> = asked.iter().map(request).collect();
        let requests: Vec<_> = requests.iter().collect();
        let outcomes = outcomes.iter().copied().collect();
        is_written_before(&requests, saga, &outcomes, is_decided, &HashSet::new())
    }

    #[test]
    fn a_step_that_comes_too_early_is_found() {
        let asked = [("act", 1), ("act", 2)];
        assert_eq!(checked("line", &asked, &[1], false), Ok(()));
        assert!(checked("line", &asked, &[], false).is_err());
    }

    #[test]
    fn members_of_a_group_do_not_wait_for_each_other() {
        let asked = [("act", 1), ("act", 2), ("act", 3)];
        assert_eq!(checked("grouped", &asked, &[1], false), Ok(()));
        assert!(checked("grouped", &[("act", 3), ("act", 4)], &[], false).is_err());
    }

    #[test]
    fn a_compensation_that_comes_before_the_decision_is_found() {
        let asked = [("act", 1), ("undo", 1)];
        assert_eq!(checked("line", &asked, &[1], true), Ok(()));
        assert!(checked("line", &asked, &[1], false).is_err());
    }
}
