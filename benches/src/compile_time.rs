//! The cost of compiling sagas: a crate with sagas against a crate with the same functions called in a row. One line of
//! a step is changed and the crate is built again, the two crates in turn.

mod source;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;

use crate::cargo;
use crate::nanoseconds::median;

use source::{Kind, SIZES};

pub use source::Size;

/// The time of one cargo command after the change of a line, in milliseconds, for both crates.
#[derive(Clone, Copy, Debug)]
pub struct Rebuild {
    /// The command: `build` or `check`.
    pub command: &'static str,
    /// The sagas of the crate.
    pub size: Size,
    /// The median for the plain functions.
    pub plain: f64,
    /// The median for the sagas.
    pub saga: f64,
}

impl Rebuild {
    /// The sagas' time, as a multiple of the plain functions' time.
    #[must_use]
    pub fn ratio(self) -> f64 {
        self.saga / self.plain
    }
}

/// Writes the crates into the target directory and times `cargo check` and `cargo build` after `changes` changes. The
/// first of the `warm_up` changes before them compiles everything; the others warm the incremental caches.
///
/// # Errors
/// The crates could not be written or did not compile.
pub fn measure(warm_up: usize, changes: usize) -> anyhow::Result<Vec<Rebuild>> {
    let workspace = Workspace::write()?;
    let mut rebuilds = Vec::new();
    for size in SIZES {
        for command in ["check", "build"] {
            rebuilds.push(workspace.rebuild(command, size, warm_up, changes)?);
        }
    }
    Ok(rebuilds)
}

/// The crates, in a workspace of their own.
struct Workspace {
    // In the target directory, so that the dependencies are compiled once and `cargo clean` removes everything.
    folder: PathBuf,
}

impl Workspace {
    fn write() -> anyhow::Result<Self> {
        let folder = cargo::target_directory()?.join("compile-time");
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("Cargo.toml"), source::workspace())?;
        fs::copy(ours.join("Cargo.lock"), folder.join("Cargo.lock"))?;
        for size in SIZES {
            for kind in [Kind::Plain, Kind::Saga] {
                let package = folder.join(kind.package(size));
                fs::create_dir_all(package.join("src"))?;
                fs::write(
                    package.join("Cargo.toml"),
                    kind.manifest(size, &ours.join("saga-runtime")),
                )?;
                fs::write(package.join("src/main.rs"), kind.source(size, 1))?;
            }
        }
        Ok(Self { folder })
    }

    fn rebuild(
        &self,
        command: &'static str,
        size: Size,
        warm_up: usize,
        changes: usize,
    ) -> anyhow::Result<Rebuild> {
        let (mut plain, mut saga) = (Vec::new(), Vec::new());
        for change in 1..=warm_up + changes {
            for (kind, times) in [(Kind::Plain, &mut plain), (Kind::Saga, &mut saga)] {
                let milliseconds = self.time(kind, size, command, change)?;
                eprintln!(
                    "compile time: `cargo {command}` of {}, change {change}: {milliseconds:.0} ms",
                    kind.package(size)
                );
                if change > warm_up {
                    times.push(milliseconds);
                }
            }
        }
        Ok(Rebuild {
            command,
            size,
            plain: median(plain),
            saga: median(saga),
        })
    }

    fn time(&self, kind: Kind, size: Size, command: &str, change: usize) -> anyhow::Result<f64> {
        let package = self.folder.join(kind.package(size));
        fs::write(package.join("src/main.rs"), kind.source(size, change))?;
        let begin = Spent::until_now()?;
        cargo::run(
            cargo::command(command)
                .arg("--target-dir")
                .arg(self.folder.join("target"))
                .env("CARGO_INCREMENTAL", "1")
                .current_dir(package),
        )?;
        Ok(begin.milliseconds(&Spent::until_now()?))
    }
}

/// The processor time of the ended child processes. Where the system does not tell it, the time by the clock.
enum Spent {
    Processor(u64),
    Clock(Instant),
}

impl Spent {
    fn until_now() -> anyhow::Result<Self> {
        let Ok(status) = fs::read_to_string("/proc/self/stat") else {
            return Ok(Self::Clock(Instant::now()));
        };
        // Behind the name of the process, which may have spaces: user and system time of the children, in ticks.
        let rest = status.rsplit(')').next().unwrap_or_default();
        let ticks = rest.split_whitespace().skip(13).take(2);
        let ticks: Result<Vec<u64>, _> = ticks.map(str::parse).collect();
        Ok(Self::Processor(
            ticks.context("/proc/self/stat has no times")?.iter().sum(),
        ))
    }

    fn milliseconds(&self, end: &Self) -> f64 {
        /// Linux counts it in hundredths of a second for every program.
        const TICK: u32 = 10;
        match (self, end) {
            (Self::Processor(begin), Self::Processor(end)) => {
                let ticks = u32::try_from(end.saturating_sub(*begin)).unwrap_or(u32::MAX);
                f64::from(ticks) * f64::from(TICK)
            }
            (Self::Clock(begin), Self::Clock(end)) => {
                end.duration_since(*begin).as_secs_f64() * 1_000.0
            }
            _ => f64::NAN,
        }
    }
}
