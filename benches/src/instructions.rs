//! Instructions per saga, counted by callgrind. A cell runs in a process of its own, once with a number of sagas and
//! once with twice as many: in the difference, the start of the process cancels out.

use std::io::ErrorKind;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::cell::Cell;
use crate::readings::per_saga;

/// Checks that valgrind can be run.
///
/// # Errors
/// It is not installed; the message says what to do.
pub fn require_valgrind() -> anyhow::Result<()> {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    match version {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => bail!("`valgrind --version` ended with {status}"),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "instructions are counted by valgrind, which is not installed (Debian and Ubuntu: `apt-get install valgrind`)"
        ),
        Err(error) => Err(error).context("valgrind cannot be run"),
    }
}

/// Instructions per saga of one cell, from runs of `sagas` and of twice as many.
///
/// # Errors
/// The cell could not be run under callgrind.
pub fn count(cell: Cell, sagas: u32) -> anyhow::Result<f64> {
    let once = of_process(cell, sagas)?;
    let twice = of_process(cell, 2 * sagas)?;
    Ok(per_saga(once, twice, sagas))
}

fn of_process(cell: Cell, sagas: u32) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .arg("repeat")
        .args(cell.arguments())
        .arg(sagas.to_string())
        .output()?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!(
            "callgrind of {cell} ended with {}:\n{report}",
            output.status
        );
    }
    let (_, collected) = report
        .split_once("Collected : ")
        .with_context(|| format!("callgrind of {cell} printed no total:\n{report}"))?;
    let total = collected.split_whitespace().next().unwrap_or_default();
    total
        .parse()
        .with_context(|| format!("`{total}` is no number of instructions"))
}
