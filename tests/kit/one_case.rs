//! One case of a matrix alone, as the report of a failing one says: `SAGA_CASE='…' cargo test …`.

use std::env;
use std::process::{Command, Output};

/// Runs a test of the matrix in a process of its own, with this case.
fn alone(case: &str) -> Output {
    let itself = env::current_exe().expect("a test knows its program");
    Command::new(itself)
        .args(["--exact", "--nocapture"])
        .arg("matrix::the_matrix_of_a_sound_saga_is_a_document")
        .env("SAGA_CASE", case)
        .output()
        .expect("a test can start its program")
}

#[test]
fn a_case_is_reported_alone_and_the_document_stays() {
    let output = alone("by_train: refused");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("travel: 1 case: 1 completed"), "{printed}");
}

#[test]
fn a_case_that_does_not_exist_is_an_error() {
    let output = alone("by_train: refusde");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    let message = "SAGA_CASE names no case of `travel`: by_train: refusde";
    assert!(said.contains(message), "{said}");
}
