//! Every legal prefix of every history is recoverable. A saga with these entries ends like one without an interruption, and
//! requests nothing again whose outcome is recorded.

use std::collections::{BTreeSet, HashSet};

use saga_runtime::journal::{Event, Journal, Memory, NewSaga};
use saga_runtime::{Coordinator, Saga};

use super::crashing::Crashing;
use super::histories::{Made, history, key};
use super::model::Expected;
use super::program::{Author, Go, World};
use crate::cut_off::{Ended, left};

use super::{SEED, holds, one_process, runtime, seed};

/// The history of a saga that runs to its end.
fn recorded(program: &Go, refused: &HashSet<String>) -> Vec<Event> {
    let memory = Memory::new();
    let journal = Crashing::new(memory.clone(), None);
    let world = World::refusing(refused);
    let ended = one_process(&world, program, &journal);
    assert!(ended.is_some(), "this one is not killed");
    let loaded = runtime().block_on(memory.load(&"saga".try_into().expect("a valid id")));
    let history = loaded.expect("it is in memory").expect("it is there");
    let entries = history.entries.expect("nothing is damaged").into_iter();
    entries.map(|entry| entry.event).collect()
}

/// The outcomes of steps and compensations, in any order.
fn outcomes(events: &[Event]) -> Vec<String> {
    let outcome = |event: &&Event| {
        matches!(
            event,
            Event::StepDone { .. } | Event::StepRefused { .. } | Event::CompensationDone { .. }
        )
    };
    let mut outcomes: Vec<_> = events
        .iter()
        .filter(outcome)
        .cloned()
        .map(|mut event| {
            // An author does not know the digests of inputs.
            if let Event::StepDone { inputs, .. } = &mut event {
                *inputs = None;
            }
            format!("{event:?}")
        })
        .collect();
    outcomes.sort();
    outcomes
}

fn new_saga(program: &Go) -> NewSaga {
    NewSaga {
        id: "saga".try_into().expect("a valid id"),
        name: Go::META.name.to_owned(),
        version: Go::META.version,
        fingerprint: Go::shape().fingerprint(),
        input: serde_json::to_string(program).expect("a program is JSON"),
        trace: None,
    }
}

/// The world after these entries, and after some of the requests under way if the process was killed.
fn world_after(
    author: &mut Author,
    made: &Made,
    count: usize,
    refused: &HashSet<String>,
    is_killed: bool,
) -> World {
    let mut asked = Vec::new();
    let mut done = BTreeSet::new();
    for event in &made.events[..count] {
        match event {
            Event::StepDone { step, .. } => {
                asked.push(key(step));
                done.insert(key(step));
            }
            Event::StepRefused { step, .. } => asked.push(key(step)),
            Event::CompensationDone { step, .. } => {
                asked.push(format!("{}/compensation", key(step)));
                done.remove(&key(step));
            }
            _ => {}
        }
    }
    for key in &made.under_way[count] {
        if is_killed && author.below(2) == 0 {
            asked.push(key.clone());
            if let Some(action) = key.strip_suffix("/compensation") {
                done.remove(action);
            } else if !refused.contains(key) {
                done.insert(key.clone());
            }
        }
    }
    // A step with nothing to undo leaves no effect.
    done.retain(|key| key.contains("/work/") || key.contains("/risk/"));
    let mut given = made.given.clone();
    let is_given = |of: &str| {
        let values = made.events[..count].iter().filter(|event| matches!(event, Event::Value { of: call, .. } if key(call).replace("/uuid/", "/mark/") == of));
        values.count() > 0
    };
    given.retain(|key, _| is_given(key));
    World::after(refused, asked, done, given)
}

#[test]
fn every_prefix_of_every_history_is_recoverable() {
    let seed = seed();
    let (mut forward, mut backward) = (0, 0);
    for number in 0..150 {
        let mut author = Author::new(seed.wrapping_add(number));
        let (program, refused) = author.program();
        let expected = Expected::of(&program, &refused);
        let recorded = recorded(&program, &refused);
        let decision = recorded
            .iter()
            .find(|event| matches!(event, Event::Compensating { .. }));
        for _ in 0..3 {
            let made = history(&mut author, &program, &refused, &expected, decision);
            let what = format!(
                "{SEED}={seed}, program {number}: {program:?}, refused: {refused:?}, of {:#?}",
                made.events
            );
            if expected.perhaps.is_empty() {
                // The made history has the outcomes of a saga that runs, apart from their order.
                assert_eq!(outcomes(&made.events), outcomes(&recorded), "{what}");
            }
            for count in 0..=made.events.len() {
                let is_killed = author.below(3) > 0;
                let what = format!("the first {count}, killed: {is_killed}, {what}");
                let world = world_after(&mut author, &made, count, &refused, is_killed);
                let before = world.asked();
                let settled = before.len();
                let how = if is_killed {
                    Ended::Killed
                } else {
                    Ended::Orderly
                };
                let left = left(new_saga(&program), &made.events[..count], how);
                let memory = runtime().block_on(left);
                let (checked, before_check) = (memory.clone(), world.asked().len());
                let report = runtime().block_on(async {
                    let builder = Coordinator::builder(world.clone()).journal(checked);
                    builder.register::<Go>().check().await
                });
                let report = report.expect("it is in memory");
                assert!(report.is_fine(), "{report}{what}");
                assert_eq!(world.asked().len(), before_check, "a check asks: {what}");
                let journal = Crashing::new(memory, None);
                let ended = one_process(&world, &program, &journal).expect("it is not killed");
                holds(&expected, &world, &ended, 1, &what);
                let again = &world.asked()[settled..];
                for event in &made.events[..count] {
                    let key = match event {
                        Event::StepDone { step, .. } | Event::StepRefused { step, .. } => key(step),
                        Event::CompensationDone { step, .. } => {
                            format!("{}/compensation", key(step))
                        }
                        _ => continue,
                    };
                    assert!(!again.contains(&key), "{key} is asked again: {what}");
                }
                let is_undone = made.events[..count]
                    .iter()
                    .any(|event| matches!(event, Event::Compensating { .. }));
                if is_undone {
                    backward += 1;
                } else {
                    forward += 1;
                }
            }
        }
    }
    assert!(forward > 300 && backward > 100, "{forward} {backward}");
}
