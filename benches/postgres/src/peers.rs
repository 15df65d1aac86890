//! The programs of the peers: a package of its own, since they link other versions of what this library links.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// Builds them, and says where they are.
pub(crate) fn build() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe()?;
    let target = this.parent().and_then(std::path::Path::parent);
    let target = target
        .context("this program is in a target directory")?
        .join("postgres-peers");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .status()?;
    ensure!(status.success(), "the peers could not be built: {status}");
    Ok(target.join("release"))
}
