//! The order and the keys in which a participant may get requests.

use std::collections::HashMap;

use crate::participant::Request;

/// Forward in the order of the steps, then backward, and never forward again. A compensation may come again later. In a group, step 2 runs at the same time as
/// 3 and 4; in a fan-out, each of them as the others.
pub(crate) fn order(asked: &[&Request], saga: &str) -> Result<(), String> {
    let beside = |one: u32, other: u32| {
        let together = |step| (2..=4).contains(&step);
        let in_time = match saga {
            "grouped" => (one == 2) != (other == 2),
            "spread" => true,
            _ => false,
        };
        in_time && together(one) && together(other)
    };
    let is_in_order = asked.windows(2).enumerate().all(|(index, pair)| {
        let [before, after] = pair else { return true };
        // A compensation that has failed is attempted again behind those of the earlier steps.
        let is_again = || {
            let mut earlier = asked[..=index].iter();
            earlier.any(|one| (one.step, &one.what) == (after.step, &after.what))
        };
        match (before.what.as_str(), after.what.as_str()) {
            ("act", "act") => before.step <= after.step || beside(before.step, after.step),
            ("act", _) => after.step <= before.step || beside(before.step, after.step),
            (_, "act") => false,
            _ => after.step <= before.step || is_again(),
        }
    });
    if is_in_order {
        return Ok(());
    }
    let asked: Vec<_> = asked.iter().map(|one| (&one.what, one.step)).collect();
    Err(format!("out of order: {asked:?}"))
}

/// One key for each thing that is asked, however often it is asked.
pub(crate) fn keys(asked: &[&Request]) -> Result<(), String> {
    let mut keys: HashMap<(u32, &str), &str> = HashMap::new();
    for request in asked {
        let key = keys
            .entry((request.step, &request.what))
            .or_insert(&request.key);
        if *key != request.key {
            return Err(format!("asked under `{key}` and under `{}`", request.key));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(what: &[(&str, u32)]) -> Result<(), String> {
        let request = |(what, step): &(&str, u32)| Request {
            saga: "case-0".to_owned(),
            step: *step,
            what: (*what).to_owned(),
            key: format!("{what}/{step}"),
        };
        let requests: Vec<_> = what.iter().map(request).collect();
        order(&requests.iter().collect::<Vec<_>>(), "line")
    }

    #[test]
    fn compensations_first_to_last_are_found() {
        let back = [("act", 1), ("act", 2), ("act", 3), ("undo", 2), ("undo", 1)];
        assert_eq!(asked(&back), Ok(()));
        let again = [
            ("act", 1),
            ("act", 2),
            ("undo", 2),
            ("undo", 1),
            ("undo", 2),
        ];
        assert_eq!(asked(&again), Ok(()));
        let forth = [("act", 1), ("act", 2), ("act", 3), ("undo", 1), ("undo", 2)];
        assert!(asked(&forth).is_err());
    }

    #[test]
    fn a_step_after_a_compensation_is_found() {
        assert!(asked(&[("act", 1), ("act", 2), ("undo", 1), ("act", 2)]).is_err());
    }
}
