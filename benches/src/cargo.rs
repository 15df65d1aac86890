//! Runs cargo: for the binary that counts allocations, and for the crates whose rebuilds are timed.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// `cargo` with one of its commands: the cargo that runs this benchmark, if one does.
#[must_use]
pub fn command(name: &str) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(name);
    command
}

/// Runs a command; its output is shown only if it fails.
///
/// # Errors
/// The command could not be started or failed.
pub fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().context("cargo cannot be run")?;
    if !output.status.success() {
        bail!(
            "cargo ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// The target directory in which this binary was built.
///
/// # Errors
/// The binary was moved out of one.
pub fn target_directory() -> anyhow::Result<PathBuf> {
    let this = env::current_exe()?;
    let directory = this.parent().and_then(Path::parent);
    Ok(directory
        .context("this binary is not in a target directory")?
        .to_owned())
}
