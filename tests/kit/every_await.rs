//! Twelve sagas, dropped or killed at every `await`: whatever is left is whole.

use std::time::Duration;

use saga_runtime::Coordinator;
use saga_runtime::coordinator::{Builder, ExecuteError, Registrable};
use saga_runtime::journal::State;
use saga_runtime::testing::TestCoordinator;
use tokio::task::yield_now;

use crate::place::Place;
use crate::twelve_sagas::{
    Branch, Called, Desk, FanOut, Forward, Group, Handled, InDoubt, Late, Line, Napping, PAID,
    Polls, Rounds, Sleeping, Waiting, desks, fresh, in_process, is_whole, undisturbed, until_poll,
};

pub(crate) fn settings<G: Registrable<Desk>>(desk: &Desk) -> impl Fn() -> Builder<Desk> + use<G> {
    let desk = desk.clone();
    move || Coordinator::builder(desk.clone()).register::<G>()
}

/// Executes a saga, and sends the event that it may wait for. Returns whether it has completed.
async fn executed<G: Registrable<Desk> + Default>(coordinator: &TestCoordinator<Desk>) -> bool {
    let executing = async {
        let execute = coordinator.execute("saga", G::default());
        tokio::join!(execute, paid(coordinator)).0
    };
    let ended = tokio::time::timeout(Duration::from_hours(2), executing).await;
    match ended.expect("it ends within two hours of its own clock") {
        Ok(_) => true,
        Err(ExecuteError::Failed(error)) => {
            assert!(error.is_compensated(), "{error}");
            false
        }
        Err(other) => panic!("{other}"),
    }
}

/// Sends the event as soon as the saga is there.
pub(crate) async fn paid(coordinator: &TestCoordinator<Desk>) {
    while coordinator.send("saga", PAID, &1).await.is_err() {
        let state = coordinator.status("saga").await;
        if state.is_ok_and(|state| state.is_some_and(State::is_final)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Drops the future of a saga in process at each poll: it ends there, and all that it has asked for came in its order. The same saga again,
/// under the same id, does the rest.
async fn dropped_in_process<G: Registrable<Desk> + Default>() -> usize {
    let mut dropped = 0;
    for desk in desks() {
        let expected = undisturbed::<G>(&desk).await;
        for polls in 0.. {
            let desk = fresh(&desk);
            let what = format!(
                "{}, {:?}, dropped at poll {polls}",
                G::META.name,
                desk.refuses
            );
            let ended = in_process::<G>(&desk, Some(polls)).await;
            let asked = desk.asked();
            for _ in 0..10 {
                yield_now().await;
            }
            assert_eq!(desk.asked(), asked, "{what}: it goes on");
            assert!(expected.asked.starts_with(&asked), "{what}: {asked:?}");
            if ended.is_some() {
                break;
            }
            dropped += 1;
            // What was undone can't be done again under the same key, nor what was in doubt get the same answer.
            let is_undoing = asked.iter().any(|key| key.ends_with("/compensation"));
            let is_repeated = desk.times().values().any(|times| *times > 1);
            if !is_undoing && !is_repeated {
                let again = in_process::<G>(&desk, None).await;
                is_whole(&desk, again == Some(true), &expected, 2, &what);
            }
        }
    }
    dropped
}

/// Drops the caller of a durable saga at each poll: the saga comes to its end, or was never there.
async fn dropped_caller<G: Registrable<Desk> + Default>() -> usize {
    let mut dropped = 0;
    for desk in desks() {
        let expected = undisturbed::<G>(&desk).await;
        for polls in 0.. {
            let desk = fresh(&desk);
            let what = format!(
                "{}, {:?}, its caller goes at poll {polls}",
                G::META.name,
                desk.refuses
            );
            let coordinator = TestCoordinator::start(settings::<G>(&desk)).await;
            let execute = coordinator.execute("saga", G::default());
            let execute = until_poll(Some(polls), execute);
            let (ended, ()) = tokio::join!(execute, async {
                if polls > 0 {
                    paid(&coordinator).await;
                }
            });
            let is_completed = executed::<G>(&coordinator).await;
            is_whole(&desk, is_completed, &expected, 1, &what);
            if ended.is_some() {
                break;
            }
            dropped += 1;
        }
    }
    dropped
}

/// Kills the process of a durable saga at these polls of its tasks, and starts the next one: the saga comes to the same end.
async fn killed<G: Registrable<Desk> + Default>(mut place: Place, mut polls: Polls) -> usize {
    let mut kills = 0;
    for desk in desks() {
        let expected = undisturbed::<G>(&desk).await;
        let mut last = None;
        loop {
            let poll = polls.after(last);
            last = Some(poll);
            let desk = fresh(&desk);
            let what = format!(
                "{}, {:?}, killed at poll {poll}",
                G::META.name,
                desk.refuses
            );
            let mut coordinator = place.start(settings::<G>(&desk)).await;
            let was_killed = {
                let running = async {
                    let execute = coordinator.execute("saga", G::default());
                    tokio::join!(execute, paid(&coordinator)).0
                };
                tokio::select! {
                    biased;
                    () = coordinator.crash_at_poll(poll) => true,
                    Ok(_) | Err(ExecuteError::Failed(_)) = running => false,
                }
            };
            coordinator.restart().await;
            let is_completed = executed::<G>(&coordinator).await;
            is_whole(&desk, is_completed, &expected, 2, &what);
            coordinator.crash().await;
            if !was_killed {
                break;
            }
            kills += 1;
        }
    }
    println!("{kills} kills");
    kills
}

/// Tests for each saga. Where time is real, the process is killed at each poll, or at about every so manieth.
macro_rules! every_await {
    ($($name:ident: $saga:ident, $real:ident at $polls:expr;)*) => {
        $(
            mod $name {
                use super::{Place, Polls};

                #[tokio::test(start_paused = true)]
                async fn dropped_at_every_poll_in_process() {
                    let dropped = super::dropped_in_process::<super::$saga>().await;
                    assert!(dropped > 12, "{dropped}");
                }

                #[tokio::test(start_paused = true)]
                async fn its_caller_goes_at_every_poll() {
                    let dropped = super::dropped_caller::<super::$saga>().await;
                    assert!(dropped > 2, "{dropped}");
                }

                #[tokio::test(start_paused = true)]
                async fn killed_at_every_poll() {
                    let kills = super::killed::<super::$saga>(Place::Memory, Polls::Each).await;
                    assert!(kills > 20, "{kills}");
                }

                #[tokio::test]
                async fn killed_at_polls_on_a_file() {
                    let polls = $polls;
                    let kills = super::killed::<super::$real>(Place::file(), polls).await;
                    assert!(kills > 5, "{kills}");
                }

                #[tokio::test]
                async fn killed_at_polls_on_postgres() {
                    let polls = $polls;
                    let place = Place::database(concat!("every_await_", stringify!($name))).await;
                    let kills = super::killed::<super::$real>(place, polls).await;
                    assert!(kills > 5, "{kills}");
                }
            }
        )*
    };
}

every_await! {
    of_a_line: Line, Line at Polls::Each;
    of_a_branch: Branch, Branch at Polls::some(5);
    of_a_loop: Rounds, Rounds at Polls::some(5);
    of_a_group: Group, Group at Polls::Each;
    of_a_fan_out: FanOut, FanOut at Polls::some(5);
    of_a_called_saga: Called, Called at Polls::some(7);
    of_a_wait: Waiting, Waiting at Polls::some(5);
    of_a_sleep: Sleeping, Napping at Polls::some(5);
    of_a_handled_refusal: Handled, Handled at Polls::Each;
    of_a_late_answer: Late, Late at Polls::some(9);
    of_a_step_in_doubt: InDoubt, InDoubt at Polls::some(9);
    of_a_pivot: Forward, Forward at Polls::some(5);
}
