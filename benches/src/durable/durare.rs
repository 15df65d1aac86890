//! The same workflow on durare, in a program of its own: see `durare/Cargo.toml`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::cargo;

/// Builds the program, and says where it is.
pub(super) fn build() -> anyhow::Result<PathBuf> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/durare/Cargo.toml");
    let target = cargo::target_directory()?.join("durare");
    let mut build = cargo::command("build");
    build
        .args(["--release", "--manifest-path", manifest, "--target-dir"])
        .arg(&target);
    cargo::run(&mut build)?;
    Ok(target.join("release/durare-bench"))
}

/// Runs it.
pub(super) fn workflows_per_second(
    program: &Path,
    file: &Path,
    in_flight: usize,
    each: usize,
) -> anyhow::Result<f64> {
    let mut command = Command::new(program);
    let output = command
        .arg(file)
        .args([in_flight.to_string(), each.to_string()])
        .output()
        .context("the program can't be run")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let rate = String::from_utf8_lossy(&output.stdout);
    rate.trim().parse().context("a rate")
}
