//! Heap allocations per saga, and their bytes, counted by an allocator that only the binary `count-allocations`
//! contains: in the other measurements it would slow down whoever allocates.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, bail};

use crate::cargo;
use crate::cell::Cell;

/// What one saga takes from the heap. A buffer that grows counts again, with its new size.
#[derive(Clone, Copy, Debug)]
pub struct Allocations {
    /// The number of allocations.
    pub count: f64,
    /// The sum of their sizes.
    pub bytes: f64,
}

impl fmt::Display for Allocations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.count, self.bytes)
    }
}

impl FromStr for Allocations {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let (count, bytes) = line
            .trim()
            .split_once(' ')
            .context("expected two numbers")?;
        Ok(Self {
            count: count.parse()?,
            bytes: bytes.parse()?,
        })
    }
}

/// The binary with the counting allocator.
#[derive(Debug)]
pub struct Counter(PathBuf);

impl Counter {
    /// Builds the binary, where this one stands.
    ///
    /// # Errors
    /// It did not compile.
    pub fn build() -> anyhow::Result<Self> {
        let name = "count-allocations";
        let this = std::env::current_exe()?;
        cargo::run(
            cargo::command("build")
                .args(["--release", "--quiet", "--bin", name, "--manifest-path"])
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
                .arg("--target-dir")
                .arg(cargo::target_directory()?),
        )?;
        Ok(Self(this.with_file_name(name)))
    }

    /// What one saga of this cell takes from the heap, from runs of `sagas` and of twice as many.
    ///
    /// # Errors
    /// The cell could not be run.
    pub fn count(&self, cell: Cell, sagas: u32) -> anyhow::Result<Allocations> {
        let output = Command::new(&self.0)
            .args(cell.arguments())
            .arg(sagas.to_string())
            .output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr));
        }
        String::from_utf8_lossy(&output.stdout).parse()
    }
}
