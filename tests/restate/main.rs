//! Sagas on Restate survive `kill -9`: the process that runs them is killed in every step and every compensation, the server
//! is killed, both are; and of two processes behind one address one dies. And what else only a real server shows: operators who
//! cancel, kill and read, services that are stopped, locked or changed, duplicates, groups under load.

mod balancer;
mod changing;
mod check;
mod deadlines;
mod decisions;
mod duplicates;
mod groups;
mod identity;
mod keys;
mod kill_harness;
mod logs;
mod long_sagas;
mod long_waits;
mod operating;
#[path = "../crash/participant.rs"]
#[expect(dead_code, reason = "the child process makes the requests")]
mod participant;
#[path = "../crash/participant_log.rs"]
mod participant_log;
mod polls;
mod process;
mod recoveries;
#[path = "../released/restate.rs"]
mod released;
#[path = "../crash/sagas.rs"]
mod sagas;
#[path = "../kit/seed.rs"]
mod seed;
mod service;
mod services;
mod stopping;
mod traces;
#[path = "../kit/twelve_sagas.rs"]
#[expect(dead_code, reason = "the futures of sagas are not dropped here")]
mod twelve_sagas;
mod values;
mod waiting;

use kill_harness::{Harness, Victim};
use process::Process;
use sagas::{Case, cases};

/// The number of sagas that are killed at the same time.
const AT_ONCE: usize = 4;

/// Kills the sagas of these cases at every moment; says how many kills there were.
async fn every_moment(harness: &Harness, number: usize, case: Case, victim: Victim) -> usize {
    let mut kills = 0;
    for moment in 1.. {
        let about = format!("case {number} ({case:?}), moment {moment}, {victim:?}");
        match harness.kill_at(number, case, moment, victim).await {
            Ok(true) => kills += 1,
            Ok(false) => return kills,
            Err(error) => panic!("{about}: {error}"),
        }
    }
    kills
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_may_be_killed_in_every_step_and_compensation_of_every_saga() {
    let all = long_and_short();
    let mut running = tokio::task::JoinSet::new();
    for part in 0..AT_ONCE {
        let these: Vec<_> = all.iter().copied().skip(part).step_by(AT_ONCE).collect();
        running.spawn(async move {
            // Each has a server of its own, which knows only one process that runs these sagas.
            let harness = Harness::new().await;
            let mut kills = 0;
            for (number, case) in these {
                kills += every_moment(&harness, number, case, Victim::Process).await;
            }
            kills
        });
    }
    let kills: usize = running.join_all().await.into_iter().sum();
    println!("{kills} kills of the process");
    assert!(kills > 100, "{kills}");
}

/// Every kind of saga with every kind of trouble, but not of every length.
fn long_and_short() -> Vec<(usize, Case)> {
    let all = cases().into_iter().enumerate();
    let is_chosen = |case: &Case| case.saga != "line" || [1, 3, 6].contains(&case.plan.steps);
    all.filter(|(_, case)| is_chosen(case)).collect()
}

/// A saga that completes, one that is undone, and a group that is undone.
fn some_cases() -> Vec<(usize, Case)> {
    let is_chosen = |case: &Case| match case.saga {
        "line" => case.plan.steps == 3 && case.plan.refused.is_none_or(|step| step == 3),
        "grouped" => case.plan.refused == Some(5) && case.plan.unclear.is_none(),
        _ => false,
    };
    let all = cases().into_iter().enumerate();
    all.filter(|(_, case)| is_chosen(case)).collect()
}

async fn server_is_killed(victim: Victim) -> usize {
    let mut running = tokio::task::JoinSet::new();
    for (number, case) in some_cases() {
        running.spawn(async move {
            let harness = Harness::new().await;
            every_moment(&harness, number, case, victim).await
        });
    }
    running.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_may_be_killed_in_every_step_and_compensation() {
    let kills = server_is_killed(Victim::Server).await;
    println!("{kills} kills of the server");
    assert!(kills > 20, "{kills}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_and_the_server_may_be_killed_together() {
    let kills = server_is_killed(Victim::Both).await;
    println!("{kills} kills of both");
    assert!(kills > 20, "{kills}");
}

#[tokio::test(flavor = "multi_thread")]
async fn if_one_of_two_processes_dies_its_sagas_finish_on_the_other() {
    let harness = Harness::new().await;
    let balanced = balancer::Balancer::start().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let database = folder.path().join("participant.db");
    // SQLite does not let two processes make the same file at once.
    let _made = participant::Participant::open(&database, None).expect("a database");
    // One dies in the middle of its work, and the other one resumes it.
    let mut dying = Process::start(&database, balanced.first, &["--kill-at", "40"]);
    let mut other = Process::start(&database, balanced.second, &[]);
    dying.listens().await;
    other.listens().await;
    harness.register(&balanced.address).await;
    let all: Vec<_> = cases().into_iter().enumerate().collect();
    let mut submitted = Vec::new();
    for (number, case) in &all {
        let id = format!("case-{number}");
        let saga = harness.submit(&id, *case).await;
        submitted.push(saga.expect("Restate takes it"));
    }
    for ((number, case), saga) in all.iter().zip(&submitted) {
        let ended = saga.ends(&harness).await;
        let checked = ended.and_then(|ended| {
            check::check(&database, &format!("case-{number}"), *case, &ended, None)
        });
        checked.unwrap_or_else(|error| panic!("{case:?}: {error}"));
    }
    assert!(dying.has_ended(), "one of them was killed");
    assert!(!other.has_ended());
}
