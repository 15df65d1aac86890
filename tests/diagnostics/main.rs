//! The errors that users see. Each program in the folders beside this file makes one mistake. The messages of the
//! compiler stand next to it.
//!
//! To accept changed messages: `make bless`, or `TRYBUILD=overwrite cargo test -p saga-tests --test diagnostics`.

mod gate;
mod readme;

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The folder that gets the messages of the compiler, as JSON: one file for each program.
const MESSAGES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/diagnostics");

/// Compiles all programs, in a process of its own: there our stand-in for rustc is in the environment.
#[test]
fn mistakes_are_explained() {
    if env::var_os("MESSAGES").is_some() {
        return trybuild::TestCases::new().compile_fail("diagnostics/*/*.rs");
    }
    if Path::new(MESSAGES).exists() {
        fs::remove_dir_all(MESSAGES).expect("the messages of the last run can be removed");
    }
    fs::create_dir_all(MESSAGES).expect("a folder for messages can be made");
    let itself = env::current_exe().expect("a test knows its program");
    let outcome = Command::new(itself)
        .args(["--exact", "mistakes_are_explained", "--nocapture"])
        .args(env::args().filter(|argument| argument.starts_with("trybuild=")))
        .env("MESSAGES", MESSAGES)
        .env(
            "RUSTC_WORKSPACE_WRAPPER",
            env!("CARGO_BIN_EXE_diagnostics-rustc"),
        )
        .status()
        .expect("a test can start its program");
    assert!(outcome.success(), "messages have changed");
    gate::no_tool_gets_a_mistake_twice(Path::new(MESSAGES));
}
