//! Random ways through a saga with branches, random failures of every step and compensation, random cancellations:
//! all that the participant sees, and all that the caller is told, is compared with a model made of plain `Vec`s.

mod case;
mod errand;
mod model;

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

use proptest::prelude::ProptestConfig;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use tokio::runtime::{Builder, Runtime};

use self::case::{Case, Options, case};
use self::errand::{Errand, ErrandHalting, ErrandParallel};
use self::model::{Model, Report};
use crate::engine;
use crate::participant::Participant;

const CASES: u32 = engine::RANDOM_SAGAS;

/// A variable with the seed of a run that failed.
const SEED: &str = "SAGA_TEST_SEED";

#[test]
fn every_saga_does_what_the_model_says() {
    let seed = std::env::var(SEED).ok();
    let seed = seed.and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| RandomState::new().hash_one(()));
    let config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: engine::SMALLER_SAGAS,
        ..ProptestConfig::default()
    };
    let bytes: Vec<_> = seed.to_le_bytes().repeat(4);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    println!("{SEED}={seed}");
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    let counts = RefCell::new(Seen::default());
    let checked = TestRunner::new_with_rng(config, rng).run(&case(), |case| {
        let report = Model::run(&case);
        let actual = actual(&runtime, &case);
        prop_assert_eq!(&actual, &report);
        holds(&report)?;
        counts.borrow_mut().count(&report);
        Ok(())
    });
    if let Err(failure) = checked {
        panic!("run again with {SEED}={seed}\n{failure}");
    }
    counts.into_inner().is_enough();
}

/// Checks the rules for every saga whose participants answer finally per key. They hold without the model.
fn holds(report: &Report) -> Result<(), TestCaseError> {
    match &report.ended {
        Ok(done) => prop_assert_eq!(done, &report.left, "completed, and all of it is there"),
        Err(error) if error.is_compensated => {
            prop_assert!(report.left.is_empty(), "compensated, and nothing is left");
        }
        Err(_) => {}
    }
    Ok(())
}

/// Runs the real thing.
fn actual(runtime: &Runtime, case: &Case) -> Report {
    let mut participant = Participant::new().consistent();
    for (key, answers) in &case.answers {
        participant = participant.answers(key, answers.iter().copied());
    }
    if let Some((what, number)) = &case.cancels_at {
        participant = participant.cancels_at(what, *number);
    }
    let route = case.route.clone();
    let ended = runtime.block_on(async {
        match (case.options, case.cancels_at.is_some()) {
            (Options::Default, false) => participant.run(Errand { route }).await,
            (Options::Default, true) => participant.run_cancellable(Errand { route }).await,
            (Options::Halt, false) => participant.run(ErrandHalting { route }).await,
            (Options::Halt, true) => participant.run_cancellable(ErrandHalting { route }).await,
            (Options::Parallel, false) => participant.run(ErrandParallel { route }).await,
            (Options::Parallel, true) => {
                participant.run_cancellable(ErrandParallel { route }).await
            }
        }
    });
    Report::of(&participant, ended, case.options)
}

/// Counts sagas by their end: a test of the test.
#[derive(Debug, Default)]
struct Seen {
    completed: u32,
    compensated: u32,
    stuck: u32,
    cancelled: u32,
    in_doubt: u32,
}

impl Seen {
    fn count(&mut self, report: &Report) {
        match &report.ended {
            Ok(_) => self.completed += 1,
            Err(error) if error.is_compensated => self.compensated += 1,
            Err(_) => self.stuck += 1,
        }
        if let Err(error) = &report.ended {
            let cause = format!("{:?}", error.cause);
            self.cancelled += u32::from(cause == "Cancelled");
            self.in_doubt += u32::from(cause.starts_with("InDoubt"));
        }
    }

    fn is_enough(&self) {
        let Self {
            completed,
            compensated,
            stuck,
            cancelled,
            in_doubt,
        } = *self;
        if CASES < 1000 {
            return;
        }
        let few = CASES / 100;
        let all = [completed, compensated, stuck, cancelled];
        assert!(all.iter().all(|count| *count > few), "{self:?}");
        assert!(in_doubt > 0, "{self:?}");
    }
}
