//! What a saga costs to compile: a crate with fifty steps in one saga against a crate with the same fifty functions
//! called in a row. One line of a step is changed and the crate is built again, the two crates in turn.

mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::cargo;
use crate::nanoseconds::median;

use source::Kind;

/// How long one cargo command takes after the change of a line, in milliseconds, for both crates.
#[derive(Clone, Copy, Debug)]
pub struct Rebuild {
    /// The command: `build` or `check`.
    pub command: &'static str,
    /// The median for the plain functions.
    pub plain: f64,
    /// The median for the saga.
    pub saga: f64,
}

impl Rebuild {
    /// How many times the plain functions' time the saga's is.
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.saga / self.plain
    }
}

/// Writes both crates into the target directory and times `cargo build` and `cargo check` after `changes` changes. The
/// first of the `warm_up` changes before them compiles everything; the others warm the incremental caches.
///
/// # Errors
/// The crates could not be written or did not compile.
pub fn measure(warm_up: usize, changes: usize) -> anyhow::Result<[Rebuild; 2]> {
    let workspace = Workspace::write()?;
    Ok([
        workspace.rebuild("build", warm_up, changes)?,
        workspace.rebuild("check", warm_up, changes)?,
    ])
}

/// The two crates, in a workspace of their own.
struct Workspace {
    // In the target directory, so that the dependencies are compiled once and `cargo clean` removes everything.
    folder: PathBuf,
}

impl Workspace {
    fn write() -> anyhow::Result<Self> {
        let folder = cargo::target_directory()?.join("compile-time");
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("Cargo.toml"), source::WORKSPACE)?;
        fs::copy(ours.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        for kind in [Kind::Plain, Kind::Saga] {
            let package = folder.join(kind.package());
            fs::create_dir_all(package.join("src"))?;
            fs::write(
                package.join("Cargo.toml"),
                kind.manifest(&ours.join("saga-runtime")),
            )?;
            fs::write(package.join("src/main.rs"), kind.source(1))?;
        }
        Ok(Self { folder })
    }

    fn rebuild(
        &self,
        command: &'static str,
        warm_up: usize,
        changes: usize,
    ) -> anyhow::Result<Rebuild> {
        let (mut plain, mut saga) = (Vec::new(), Vec::new());
        for change in 1..=warm_up + changes {
            for (kind, times) in [(Kind::Plain, &mut plain), (Kind::Saga, &mut saga)] {
                let milliseconds = self.time(kind, command, change)?;
                eprintln!(
                    "compile time: `cargo {command}` of {}, change {change}: {milliseconds:.0} ms",
                    kind.package()
                );
                if change > warm_up {
                    times.push(milliseconds);
                }
            }
        }
        Ok(Rebuild {
            command,
            plain: median(plain),
            saga: median(saga),
        })
    }

    fn time(&self, kind: Kind, command: &str, change: usize) -> anyhow::Result<f64> {
        let package = self.folder.join(kind.package());
        fs::write(package.join("src/main.rs"), kind.source(change))?;
        let begin = Instant::now();
        cargo::run(
            cargo::command(command)
                .arg("--target-dir")
                .arg(self.folder.join("target"))
                .env("CARGO_INCREMENTAL", "1")
                .current_dir(package),
        )?;
        Ok(begin.elapsed().as_secs_f64() * 1_000.0)
    }
}
