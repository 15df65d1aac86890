//! The failure matrix runs random programs: neither its own checks nor the model find a fault, and the model finds the same ends.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use saga_runtime::testing::{CaseEnd, FailureMatrix};

use super::model::Expected;
use super::program::{Author, Go, HEARD, Op, Refused, World, look, mark, risk, work};
use super::{SEED, holds, seed};

/// A variable with the number of cases.
const CASES: &str = "KIT_CASES";

/// The most calls of a program here: of larger ones, a single matrix has thousands of cases.
const MOST_CALLS: usize = 5;

/// A process ends at most twice in a case, and a request arrives twice.
const MOST_AGAIN: usize = 3;

/// The end of each case is what the model says.
fn agrees(program: &Go, refused: &HashSet<String>, world: &World, end: &CaseEnd) -> bool {
    let mut refused = refused.clone();
    // The kit refuses instead of the world, which is not asked then.
    let mut by_the_kit = None;
    let is_exact = match end.case().split_once(": ") {
        None => true,
        Some((call, "refused")) => {
            by_the_kit = Some(key(call));
            refused.extend(by_the_kit.clone());
            true
        }
        // Which of its faults a case has met, and in which order, the model does not know.
        Some(_) => false,
    };
    if is_exact {
        let mut expected = Expected::of(program, &refused);
        expected.perhaps.extend(by_the_kit);
        assert_eq!(end.is_completed(), expected.ended.is_ok(), "{expected:?}");
        holds(&expected, world, &expected.ended, MOST_AGAIN, end.case());
    // Where a fault has ended a part whose failure is handled, the model does not know what is left; the kit checks it by itself.
    } else if end.is_completed() && Expected::of(program, &refused).handled == 0 {
        // Of a step that was refused, or has given no answer, the body takes the other one.
        let left = world.left();
        let asked = Expected::of(program, &refused).asked.into_iter();
        let risks = asked.filter(|key| key.contains("/risk/"));
        refused.extend(risks.filter(|key| !left.contains(key)));
        let expected = Expected::of(program, &refused);
        assert!(expected.ended.is_ok(), "{expected:?}");
        assert_eq!(left, expected.left, "{}", end.case());
    } else if !end.is_completed() {
        assert_eq!(world.left(), Vec::<String>::new(), "{}", end.case());
    }
    is_exact
}

/// The key of a call: `saga/go#1/work/2` of `go#1/work#2`.
fn key(call: &str) -> String {
    let last = call.rsplit('/').next().unwrap_or_default();
    match last.split_once('#') {
        Some((_, occurrence)) => {
            let name = call.strip_suffix(&format!("#{occurrence}"));
            format!("saga/{}/{occurrence}", name.unwrap_or(call))
        }
        None => format!("saga/{call}/0"),
    }
}

/// Programs that were wrong once, and the keys under which they are refused.
fn once_wrong() -> [(Go, HashSet<String>); 1] {
    let program = |program| Go { program };
    let refused = |keys: &[&str]| keys.iter().map(|key| String::from(*key)).collect();
    [
        // A replay did not know that the step had refused when it was asked again.
        (program(vec![Op::Either]), refused(&["saga/risk/0"])),
    ]
}

#[test]
fn the_kit_and_the_model_agree_about_every_failure_of_every_program() {
    let seed = seed();
    let most = std::env::var(CASES).ok().and_then(|most| most.parse().ok());
    let most: usize = most.unwrap_or(500);
    let exact = Arc::new(AtomicUsize::new(0));
    let (mut cases, mut programs, mut number) = (0, 0, 0_u64);
    let mut known = once_wrong().into_iter();
    while cases < most {
        let written = || Author::some(seed.wrapping_add(number)).program();
        let (program, refused) = known.next().unwrap_or_else(written);
        let what = format!("{SEED}={seed}, program {number}: {program:?}, refused: {refused:?}");
        number += 1;
        // The cases grow with the square of the calls.
        let calls = Expected::of(&program, &HashSet::new()).asked.len();
        if !(1..=MOST_CALLS).contains(&calls) {
            continue;
        }
        programs += 1;
        let world = refused.clone();
        let saga = program.clone();
        let exact = Arc::clone(&exact);
        let report = FailureMatrix::new(move || World::refusing(&world), move || saga.clone())
            .refusal(work, &Refused)
            .refusal(look, &Refused)
            .refusal(mark, &Refused)
            .refusal(risk, &Refused)
            .event(HEARD, &1)
            .invariant("the model agrees", move |world, end| {
                let is_exact = agrees(&program, &refused, world, end);
                exact.fetch_add(usize::from(is_exact), Ordering::Relaxed);
            })
            .run();
        assert!(report.is_ok(), "{what}\n{report}");
        cases += report.cases();
    }
    let exact = exact.load(Ordering::Relaxed);
    println!("{cases} cases of {programs} programs, {exact} compared call by call");
    // Each program has at least its case without a fault.
    assert!(exact >= programs, "{exact} of {cases}");
}
