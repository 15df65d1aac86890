//! Random programs made of steps, groups, fan-outs, loops, waits and sagas inside of sagas, with random refusals: in process, on a journal,
//! and on a journal whose process dies at every single write, once or twice. Steps, compensations, their order and the end are the
//! same as in a model made of plain `Vec`s.

mod crashing;
mod histories;
mod kit;
mod model;
mod prefixes;
mod program;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use saga_runtime::coordinator::{ExecuteError, OperatorError};
use saga_runtime::journal::Memory;
use saga_runtime::{Coordinator, Events, InProcess, SagaId};
use tokio::runtime::{Builder, Runtime};

use crashing::{Crash, Crashing};
use model::Expected;
use program::{Author, Go, HEARD, World};

/// Longer than any program takes.
const FOR_EVER: Duration = Duration::from_hours(24);

/// A variable with the seed of a run that failed.
const SEED: &str = "SAGA_TEST_SEED";

fn seed() -> u64 {
    let seed = std::env::var(SEED).ok();
    let seed = seed.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(()));
    println!("{SEED}={seed}");
    seed
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O needs nothing")
}

/// The end of a saga: the number of steps that were done, or the call at which it failed.
type Ended = Result<u32, Option<String>>;

/// Runs a program on a journal until it ends or the process dies; `None` if it died.
fn one_process(world: &World, program: &Go, journal: &Crashing) -> Option<Ended> {
    runtime().block_on(async {
        let coordinator = Coordinator::builder(world.clone())
            .journal(journal.clone())
            .register::<Go>()
            .start()
            .await
            .expect("the journal is there");
        let running = async {
            let handle = coordinator.submit("saga", program.clone()).await;
            let handle = handle.expect("nothing is wrong with it");
            let id = handle.id().clone();
            let sending = async {
                // Events that a process sent before it died come twice. No wait takes the surplus.
                for _ in 0..Author::events(&program.program) {
                    // The process that died holds the saga as long as its lease says.
                    while let Err(OperatorError::Held(_)) = coordinator.send(&id, HEARD, &1).await {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                    }
                }
            };
            // Time is paused, so a saga without an end is found at once.
            let waiting = tokio::time::timeout(FOR_EVER, handle.wait());
            let (ended, ()) = tokio::join!(waiting, sending);
            let Ok(ended) = ended else {
                let inspected = coordinator
                    .inspect(&id)
                    .await
                    .expect("the journal is there");
                let inspected = inspected.expect("the saga is there");
                panic!("it does not go on: {program:?}\n{inspected}");
            };
            match ended {
                Ok(done) => Ok(done),
                Err(ExecuteError::Failed(error)) => Err(error.call().map(str::to_owned)),
                Err(other) => {
                    let inspected = coordinator.inspect(&id).await;
                    let inspected = inspected.expect("the journal is there");
                    let inspected = inspected.expect("the saga is there");
                    panic!("{other}: {program:?}\n{inspected}")
                }
            }
        };
        tokio::select! {
            ended = running => Some(ended),
            () = journal.dies() => None,
        }
    })
}

/// Runs a program through crashes; how it ended, and whether all crashes took place.
fn through(crashes: &[Crash], world: &World, program: &Go) -> (Ended, bool) {
    let memory = Memory::new();
    for crash in crashes {
        let journal = Crashing::new(memory.clone(), Some(*crash));
        if let Some(ended) = one_process(world, program, &journal) {
            return (ended, false);
        }
    }
    let journal = Crashing::new(memory, None);
    let ended = one_process(world, program, &journal).expect("this one is not killed");
    (ended, true)
}

/// Checks the rules for every run. A step may be requested again only if its process died.
fn holds(expected: &Expected, world: &World, ended: &Ended, crashes: usize, what: &str) {
    assert_eq!(ended, &expected.ended, "{what}");
    assert_eq!(world.left(), expected.left, "{what}: what is left");
    let mut times = HashMap::new();
    for asked in world.asked() {
        *times.entry(asked).or_insert(0_usize) += 1;
    }
    let mut forward: Vec<_> = times
        .keys()
        .filter(|key| !is_undoing(key))
        .cloned()
        .collect();
    forward.sort();
    let was_asked = |key: &&String| forward.contains(key) || !expected.perhaps.contains(*key);
    let asked: Vec<_> = expected.asked.iter().filter(was_asked).cloned().collect();
    assert_eq!(forward, asked, "{what}: what was asked");
    for (key, times) in times {
        assert!(
            times <= 1 + crashes,
            "{what}: {key} was asked {times} times"
        );
    }
    let mut undone: Vec<String> = Vec::new();
    for key in world.asked().into_iter().filter(|key| is_undoing(key)) {
        if !undone.contains(&key) {
            undone.push(key);
        }
    }
    let was_done = |key: &&String| {
        let action = key.strip_suffix("/compensation");
        action.is_some_and(|action| forward.iter().any(|key| key == action))
    };
    let in_order: Vec<_> = expected.undone.iter().filter(was_done).cloned().collect();
    assert_eq!(undone, in_order, "{what}: in which order it was undone");
}

fn is_undoing(key: &str) -> bool {
    key.ends_with("/compensation")
}

#[test]
fn every_program_does_what_the_model_says() {
    let seed = seed();
    let (mut completed, mut failed, mut handled) = (0, 0, 0);
    let runtime = runtime();
    for number in 0..1_000 {
        let (program, refused) = Author::some(seed.wrapping_add(number)).program();
        let expected = Expected::of(&program, &refused);
        let what = format!("{SEED}={seed}, program {number}: {program:?}, refused: {refused:?}");
        let world = World::refusing(&refused);
        let ended = runtime.block_on(async {
            let id = SagaId::new("saga").expect("a valid id");
            let events = Events::new();
            for _ in 0..Author::events(&program.program) {
                events.send(HEARD, &1).expect("a number is JSON");
            }
            let engine = InProcess::new(&world).saga_id(id).receives(events);
            let ended = engine.execute(program.clone()).await;
            ended.map_err(|error| error.call().map(str::to_owned))
        });
        holds(&expected, &world, &ended, 0, &what);
        let world = World::refusing(&refused);
        let (ended, _) = through(&[], &world, &program);
        holds(
            &expected,
            &world,
            &ended,
            0,
            &format!("on a journal, {what}"),
        );
        *(if ended.is_ok() {
            &mut completed
        } else {
            &mut failed
        }) += 1;
        handled += u32::from(ended.is_ok() && !expected.undone.is_empty());
    }
    assert!(completed > 100 && failed > 100, "{completed} {failed}");
    assert!(handled > 10, "{handled} have undone a part and completed");
}

#[test]
fn every_program_goes_on_after_a_crash_at_every_write() {
    let seed = seed();
    let (mut once, mut twice) = (0, 0);
    for number in 0..60 {
        let mut author = Author::some(seed.wrapping_add(number));
        let (program, refused) = author.program();
        let expected = Expected::of(&program, &refused);
        for at in 0.. {
            let (second, is_written) = (author.below(4), author.below(2) == 0);
            let crashes = [
                Crash { at, is_written },
                Crash {
                    at: second,
                    is_written: !is_written,
                },
            ];
            for count in [1, 2] {
                let what = format!(
                    "{SEED}={seed}, program {number}, {:?}: {program:?}, refused: {refused:?}",
                    &crashes[..count]
                );
                let world = World::refusing(&refused);
                let (ended, all) = through(&crashes[..count], &world, &program);
                holds(&expected, &world, &ended, count, &what);
                once += u32::from(count == 1 && all);
                twice += u32::from(count == 2 && all);
            }
            if at > expected.writes() {
                break;
            }
        }
    }
    assert!(once > 100 && twice > 50, "{once} {twice}");
}
