//! Sagas survive `kill -9` anywhere. Real processes on a real file are killed at every write and at random, and started again
//! until all sagas have ended. The requests to the participant are then compared with the allowed ones.

mod check;
mod journal_log;
#[expect(
    dead_code,
    reason = "at moments of the participant, processes are killed on Restate only"
)]
mod participant;
mod participant_log;
mod poison;
mod sagas;

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use check::{Snapshot, check, look};
use sagas::{Case, cases};

/// One process after the other on the same files.
struct Crashes {
    folder: TempDir,
    sagas: Vec<(usize, Case)>,
    defect: Option<&'static str>,
    snapshots: Vec<Snapshot>,
}

impl Crashes {
    fn new(sagas: Vec<(usize, Case)>, defect: Option<&'static str>) -> Self {
        Self {
            folder: TempDir::new().expect("a folder for the test"),
            sagas,
            defect,
            snapshots: Vec::new(),
        }
    }

    fn numbers(&self) -> Vec<usize> {
        self.sagas.iter().map(|(number, _)| *number).collect()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a process that starts the sagas, or resumes them.
    fn start(&self, arguments: &[String]) -> Child {
        let numbers: Vec<_> = self.numbers().iter().map(ToString::to_string).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_crash-child"));
        command
            .arg(self.path())
            .arg("--cases")
            .arg(numbers.join(","))
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(defect) = self.defect {
            command.args(["--defect", defect]);
        }
        command.spawn().expect("the child process starts")
    }

    /// Waits for a process; whether it was killed.
    fn ends(&mut self, child: Child, runtime: &tokio::runtime::Runtime) -> Result<bool, String> {
        let output = child
            .wait_with_output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            return Ok(false);
        }
        if !was_killed(output.status) {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {said}", output.status));
        }
        if self.path().join("journal.db").exists() {
            let snapshot = runtime.block_on(look(self.path(), &self.sagas))?;
            self.snapshots.extend(snapshot);
        }
        Ok(true)
    }

    /// Lets a last process, which is not killed, finish the sagas, and checks everything.
    fn finish(
        &mut self,
        arguments: &[String],
        runtime: &tokio::runtime::Runtime,
    ) -> Result<(), String> {
        let child = self.start(arguments);
        // A saga that is lost is found by never ending; one that is not has all the time that a slow machine needs.
        let limit = if self.defect.is_some() { 10 } else { 120 };
        let end = Instant::now() + Duration::from_secs(limit);
        if self.ends(within(child, end)?, runtime)? {
            return Err("it was not killed".to_owned());
        }
        runtime.block_on(check(self.path(), &self.sagas, &self.snapshots))
    }
}

fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

/// Waits until a process has ended; one that does not end has lost a saga.
fn within(mut child: Child, end: Instant) -> Result<Child, String> {
    while Instant::now() < end {
        match child.try_wait() {
            Ok(Some(_)) => return Ok(child),
            Ok(None) => std::thread::sleep(Duration::from_millis(1)),
            Err(error) => return Err(error.to_string()),
        }
    }
    let _ = child.kill();
    Err("some saga never ends".to_owned())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Kills the saga of a case at each of its writes, and the next process at one of its first; says how many kills there were.
fn every_write(number: usize, case: Case, defect: Option<&'static str>) -> Result<usize, String> {
    let runtime = runtime();
    let mut kills = 0;
    for moment in ["--kill-before", "--kill-after"] {
        for write in 1_usize.. {
            let mut crashes = Crashes::new(vec![(number, case)], defect);
            let at = |write: usize| [moment.to_owned(), write.to_string()];
            let about = |error| format!("{moment} {write}: {error}");
            let child = crashes.start(&at(write));
            if !crashes.ends(child, &runtime).map_err(about)? {
                crashes.finish(&[], &runtime).map_err(about)?;
                break;
            }
            kills += 1;
            let child = crashes.start(&at(1 + write % 3));
            kills += usize::from(crashes.ends(child, &runtime).map_err(about)?);
            crashes.finish(&[], &runtime).map_err(about)?;
        }
    }
    Ok(kills)
}

/// Lets another worker take a saga over before each of its writes, which has it cancelled.
fn stolen(number: usize, case: Case, defect: Option<&'static str>) -> Result<(), String> {
    let runtime = runtime();
    for write in 2..=case.plan.steps + 2 {
        let mut crashes = Crashes::new(vec![(number, case)], defect);
        let about = |error| format!("--steal-before {write}: {error}");
        crashes
            .finish(&["--steal-before".to_owned(), write.to_string()], &runtime)
            .map_err(about)?;
    }
    Ok(())
}

/// Sagas whose requests tell the processes apart: one step at a time, and compensations that do not fail.
fn plain_cases() -> impl Iterator<Item = (usize, Case)> {
    let is_plain = |case: &Case| {
        let in_a_row = ["line", "shipping", "doubting"].contains(&case.saga);
        in_a_row && case.plan.stubborn.is_none() && case.plan.steps <= 4
    };
    let cases = cases().into_iter().enumerate();
    cases.filter(move |(_, case)| is_plain(case))
}

/// Two dozen sagas at a time in processes that are killed at random.
fn random(kills: usize) {
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let runtime = runtime();
    let cases = cases();
    let (mut killed, mut sagas, mut resumed) = (0, 0, 0);
    let began = Instant::now();
    while killed < kills {
        let numbers = (0..24).map(|_| random.usize(0..10_000));
        let mut these: Vec<_> = numbers
            .map(|number| (number, cases[number % cases.len()]))
            .collect();
        these.sort_by_key(|(number, _)| *number);
        these.dedup_by_key(|(number, _)| *number);
        sagas += these.len();
        let mut crashes = Crashes::new(these, None);
        for _ in 0..random.usize(1..12) {
            let mut child = crashes.start(&[]);
            std::thread::sleep(Duration::from_micros(random.u64(1_000..40_000)));
            let _ = child.kill();
            let was_killed = crashes.ends(child, &runtime);
            let was_killed = was_killed.unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
            killed += usize::from(was_killed);
            if !was_killed {
                break;
            }
        }
        resumed += crashes.snapshots.len();
        crashes
            .finish(&[], &runtime)
            .unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
    }
    println!(
        "{killed} kills, {resumed} of them with a journal, {sagas} sagas, {:.0} s: nothing lost, nothing left over",
        began.elapsed().as_secs_f64()
    );
}

#[test]
fn a_process_may_be_killed_at_every_write_of_every_saga() {
    let mut kills = 0;
    for (number, case) in cases().into_iter().enumerate() {
        match every_write(number, case, None) {
            Ok(count) => kills += count,
            Err(error) => panic!("{error}"),
        }
    }
    println!("{kills} kills");
    assert!(kills > 200, "{kills}");
}

#[test]
fn a_saga_may_be_taken_over_at_every_write() {
    for (number, case) in plain_cases() {
        if let Err(error) = stolen(number, case, None) {
            panic!("{error}");
        }
    }
}

#[test]
fn processes_may_be_killed_at_random() {
    let kills = std::env::var("KILLS")
        .ok()
        .and_then(|kills| kills.parse().ok());
    random(kills.unwrap_or(500));
}

/// The checks are worth nothing if they find nothing: each of these mistakes is made on purpose, and has to be found.
///
/// `symptom` is a part of the message, so that the defect is found by its consequence.
fn finds(defect: &'static str, symptom: &str) {
    let found = cases()
        .into_iter()
        .enumerate()
        .find_map(|(number, case)| every_write(number, case, Some(defect)).err());
    let found = found.unwrap_or_else(|| panic!("`{defect}` was not found"));
    println!("{found}");
    assert!(found.contains(symptom), "{found}");
}

#[test]
fn it_is_found_if_appends_are_not_awaited() {
    finds("appends-not-awaited", "was asked for before the outcome of");
}

#[test]
fn it_is_found_if_the_tail_of_the_journal_is_lost() {
    finds("tail-lost", "");
}

#[test]
fn it_is_found_if_the_decision_to_compensate_is_not_written() {
    finds("decision-not-written", "before the decision was recorded");
}

#[test]
fn it_is_found_if_the_key_depends_on_the_attempt() {
    finds("key-with-attempt", "");
}

#[test]
fn it_is_found_if_compensations_are_skipped_after_an_error() {
    finds("compensations-skipped", "");
}

#[test]
fn it_is_found_if_a_recovered_saga_begins_anew() {
    finds("begins-anew", "");
}

#[test]
fn it_is_found_if_compensations_run_first_to_last() {
    finds("first-to-last", "");
}

#[test]
fn it_is_found_if_a_fence_is_not_checked() {
    let found = plain_cases()
        .find_map(|(number, case)| stolen(number, case, Some("fence-not-checked")).err());
    println!("{}", found.expect("it is found"));
}
