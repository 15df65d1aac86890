//! Texts and rows that are changed at random, and findings of libFuzzer: none of them makes the library panic.

mod targets;

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use fastrand::Rng;

use crate::replays::{exported, shop};
use crate::seed::{SEED, number, seed};

/// A variable that multiplies the cases.
const TIMES: &str = "FUZZ_TIMES";

/// Runs a target on its corpus, on the inputs of `fuzz/corpus`, and on as many random changes of them.
fn run(name: &str, target: fn(&[u8]), mut corpus: Vec<Vec<u8>>, cases: u32) {
    let seed = seed();
    let times = number(TIMES).unwrap_or(1);
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    for entry in fs::read_dir(found.join(name)).into_iter().flatten() {
        let path = entry.expect("the folder can be read").path();
        corpus.push(fs::read(path).expect("it can be read"));
    }
    let is_fine = |input: &[u8]| {
        let text = String::from_utf8_lossy(input);
        let ran = catch_unwind(|| target(input));
        assert!(ran.is_ok(), "{SEED}={seed}: {text:?} is {input:?}");
    };
    for input in &corpus {
        is_fine(input);
    }
    let mut dice = Rng::with_seed(seed);
    for _ in 0..u64::from(cases) * times {
        is_fine(&changed(&corpus, &mut dice));
    }
}

/// An input of the corpus, changed in some places.
fn changed(corpus: &[Vec<u8>], dice: &mut Rng) -> Vec<u8> {
    let mut input = corpus[dice.usize(..corpus.len())].clone();
    for _ in 0..=dice.usize(..4) {
        let at = dice.usize(..=input.len());
        let end = (at + dice.usize(..16)).min(input.len());
        match dice.u8(..6) {
            0 => drop(input.drain(at..end)),
            1 => {
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            2 => input.insert(at, dice.u8(..)),
            3 => {
                let other = &corpus[dice.usize(..corpus.len())];
                let from = dice.usize(..=other.len());
                let to = (from + dice.usize(..40)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            _ => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = dice.u8(..);
                }
            }
        }
    }
    input
}

/// Bytes without any form.
fn noise() -> Vec<Vec<u8>> {
    let mut dice = Rng::with_seed(17);
    let one = |length| {
        std::iter::repeat_with(|| dice.u8(..))
            .take(length)
            .collect()
    };
    [0, 9, 18, 45, 90, 216].map(one).to_vec()
}

#[test]
fn any_text_is_a_lock_or_is_refused() {
    let lock = targets::lock_text();
    let lines = lock.lines().map(|line| format!("{line}\n").into_bytes());
    let mut corpus: Vec<_> = lines.collect();
    corpus.extend([Vec::new(), lock.into_bytes()]);
    run("lock", targets::lock, corpus, 3_000);
}

#[test]
fn any_row_is_an_event_or_a_damage() {
    run("rows", targets::rows, noise(), 20_000);
}

#[test]
fn any_history_is_recovered_or_stuck() {
    run("recovery", targets::recovery, noise(), 1_000);
}

#[test]
fn any_text_is_a_history_or_is_refused() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build();
    let lines = runtime
        .expect("it needs nothing")
        .block_on(async { exported(&shop().await, true).await });
    // The names are those of the sagas of the target.
    let lines = lines.replace("\"sale\"", "\"everything\"");
    let lines = lines
        .replace("\"reserve\"", "\"a\"")
        .replace("\"charge\"", "\"b\"");
    let lines = lines.replace(
        r#"{\"items\":[\"a secret\",\"a cup\"]}"#,
        r#"{\"value\":2}"#,
    );
    let corpus = lines.lines().map(|line| line.as_bytes().to_vec()).collect();
    run("histories", targets::histories, corpus, 2_000);
}
