//! Runs the benchmarks and prints what they found.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum as _};
use saga_benches::allocations::Counter;
use saga_benches::cell::{Cell, Ending, Length};
use saga_benches::compile_time::{self, Size};
use saga_benches::contestants::Contestant;
use saga_benches::figures::figure;
use saga_benches::readings::Readings;
use saga_benches::table::{Table, grouped, times};
use saga_benches::{cargo, durable, instructions, long, nanoseconds, recovery, structure, targets};

/// Measures the same sagas, of 3, 10 and 50 steps, written by hand, on this library and on its peers; then how long the
/// compiler takes for fifty steps, for ten sagas of five, and for three steps. Prints what must be reached and whether it is.
#[derive(Parser)]
struct Arguments {
    /// Few repetitions: shows that everything runs; the nanoseconds and compile times mean little.
    #[arg(long, global = true)]
    quick: bool,
    /// Measures only this; by default, all.
    #[command(subcommand)]
    only: Option<Only>,
}

#[derive(Subcommand)]
enum Only {
    /// Instructions, nanoseconds and heap allocations of one saga.
    RunTime,
    /// Sagas per second on the SQLite journal.
    Durable,
    /// The time of a fan-out per item, and what sagas cost that sleep.
    Structure,
    /// The time of a saga with 16,000 calls, beside one with 1,000.
    Long,
    /// Sagas per second on a Restate server, beside a workflow that is written by hand.
    Restate,
    /// Sagas per second on the Postgres journal beside peers, takeovers, memory and tables; `postgres --help` lists the parts.
    #[command(disable_help_flag = true)]
    Postgres {
        /// The arguments of that benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs sagas on the SQLite journal once and prints nothing: what the waits for the disk are counted of.
    #[command(hide = true)]
    Once { in_flight: usize, each: usize },
    /// Runs the bare loop once and prints nothing: what its instructions are counted of.
    #[command(hide = true)]
    Bare { in_flight: usize, each: usize },
    /// Leaves sagas open in a file: what the next two look at.
    #[command(hide = true)]
    Leave { file: PathBuf, sagas: usize },
    /// Loads all sagas of a file with plain SQL, and prints the milliseconds and the peak memory in KiB.
    #[command(hide = true)]
    Load { file: PathBuf },
    /// Recovers all sagas of a file, and prints the same.
    #[command(hide = true)]
    Recover {
        file: PathBuf,
        sagas: usize,
        in_flight: usize,
    },
    /// Checks all open sagas of a file against their definition, and prints the same.
    #[command(hide = true)]
    Check { file: PathBuf },
    /// The time to rebuild a crate after one line has changed.
    CompileTime,
    /// Runs one saga again and again and prints nothing: what the instructions are counted of.
    #[command(hide = true)]
    Repeat {
        #[command(flatten)]
        cell: Cell,
        sagas: u32,
    },
}

/// How often everything is repeated.
struct Repetitions {
    /// Sagas per count of instructions or allocations, before they are divided by the contestant's weight.
    sagas: u32,
    batches: usize,
    warm_up: usize,
    changes: usize,
    /// Durable sagas per saga in flight.
    durable: usize,
    /// Sagas that sleep.
    sleeping: usize,
    /// How often that is measured.
    rounds: usize,
    /// Whether durare is built and measured beside it.
    durare: bool,
}

const THOROUGH: Repetitions = Repetitions {
    sagas: 20_000,
    batches: 301,
    warm_up: 2,
    changes: 9,
    durable: 100,
    sleeping: 100_000,
    rounds: 7,
    durare: true,
};

const QUICK: Repetitions = Repetitions {
    sagas: 1_000,
    batches: 5,
    warm_up: 1,
    changes: 1,
    durable: 10,
    sleeping: 2_000,
    rounds: 1,
    durare: false,
};

fn main() -> anyhow::Result<()> {
    let Arguments { quick, only } = Arguments::parse();
    let repetitions = if quick { QUICK } else { THOROUGH };
    match only {
        None => {
            run_time(&repetitions)?;
            println!();
            compile_time(&repetitions)?;
            println!();
            durable(&repetitions)?;
            println!();
            structure(&repetitions)?;
            println!();
            long(&repetitions)?;
            println!();
            restate(quick)?;
            println!();
            postgres(quick, &[])
        }
        Some(Only::Restate) => restate(quick),
        Some(Only::Postgres { arguments }) => postgres(quick, &arguments),
        Some(Only::Durable) => durable(&repetitions),
        Some(Only::Structure) => structure(&repetitions),
        Some(Only::Long) => long(&repetitions),
        Some(Only::Once { in_flight, each }) => {
            let folder = tempfile::tempdir_in(cargo::target_directory()?)?;
            durable::once(folder.path(), in_flight, each)
        }
        Some(Only::Bare { in_flight, each }) => {
            let folder = tempfile::tempdir_in(cargo::target_directory()?)?;
            durable::bare_once(folder.path(), in_flight, each)
        }
        Some(Only::Leave { file, sagas }) => recovery::leave_behind(&file, sagas),
        Some(Only::Check { file }) => recovery::print_check(&file),
        Some(Only::Load { file }) => recovery::print_load(&file),
        Some(Only::Recover {
            file,
            sagas,
            in_flight,
        }) => recovery::print_recovery(&file, sagas, in_flight),
        Some(Only::RunTime) => run_time(&repetitions),
        Some(Only::CompileTime) => compile_time(&repetitions),
        Some(Only::Repeat { cell, sagas }) => cell.repeat(sagas).map(drop),
    }
}

fn run_time(repetitions: &Repetitions) -> anyhow::Result<()> {
    instructions::require_valgrind()?;
    let counter = Counter::build()?;
    let sagas = |cell: Cell| repetitions.sagas / cell.contestant.weight();

    let mut bytes = Readings::default();
    let allocations = Readings::take("allocations", |cell| {
        let allocations = counter.count(cell, sagas(cell))?;
        bytes.push(cell, allocations.bytes);
        Ok(allocations.count)
    })?;
    let instructions = Readings::take("instructions", |cell| {
        instructions::count(cell, sagas(cell))
    })?;
    let nanoseconds = nanoseconds::measure(repetitions.batches)?;

    println!("One saga; beside each number, how many times the hand-written one's it is.\n");
    print!(
        "{}",
        Table(&[
            ("instructions", &instructions),
            ("nanoseconds", &nanoseconds),
            ("allocations", &allocations),
            ("bytes", &bytes),
        ])
    );
    for &contestant in Contestant::value_variants() {
        let cell = Cell {
            contestant,
            length: Length::Three,
            ending: Ending::Success,
        };
        for (column, readings) in [
            ("instructions", &instructions),
            ("allocations", &allocations),
        ] {
            if let Some(value) = readings.get(cell) {
                figure(&contestant.to_string(), column, grouped(value))?;
            }
        }
    }
    println!("\nTargets for saga-runtime:");
    for target in [
        targets::allocations(&allocations),
        targets::instructions(&instructions),
    ]
    .concat()
    {
        println!("  {target}");
    }
    Ok(())
}

fn durable(repetitions: &Repetitions) -> anyhow::Result<()> {
    // In the target directory: a temporary one may be in memory, and wait for no disk.
    let folder = tempfile::tempdir_in(cargo::target_directory()?)?;
    let all = durable::measure(
        folder.path(),
        repetitions.durable,
        repetitions.rounds,
        repetitions.durare,
    )?;
    println!(
        "Sagas of three steps on the SQLite journal (synchronous=FULL); a bare loop that commits the same rows; durare with the same setting. Sagas a second.\n"
    );
    println!(
        "{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}{:>12}{:>15}{:>12}",
        "in flight",
        "bare",
        "ours",
        "share",
        "durare",
        "median",
        "99 %",
        "fsyncs/saga",
        "bytes/saga"
    );
    let some = |value: Option<f64>, digits| {
        value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
    };
    for one in all {
        if one.in_flight == 64 {
            for (row, column, value) in [
                ("bare loop, SQLite", "sagas/s", Some(grouped(one.bare))),
                ("durare, SQLite", "sagas/s", one.durare.map(grouped)),
                ("saga-runtime, SQLite", "sagas/s", Some(grouped(one.sagas))),
                (
                    "saga-runtime, SQLite",
                    "p50",
                    Some(format!("{:.2}", one.median)),
                ),
                (
                    "saga-runtime, SQLite",
                    "p99",
                    Some(format!("{:.2}", one.p99)),
                ),
                (
                    "saga-runtime, SQLite",
                    "disk waits",
                    one.fsyncs.map(|fsyncs| format!("{fsyncs:.3}")),
                ),
                ("saga-runtime, SQLite", "bytes", Some(grouped(one.bytes))),
            ] {
                if let Some(value) = value {
                    figure(row, column, value)?;
                }
            }
        }
        println!(
            "{:>10}{:>10.0}{:>10.0}{:>9.0}%{:>10}{:>9.2} ms{:>9.2} ms{:>15}{:>12.0}",
            one.in_flight,
            one.bare,
            one.sagas,
            100.0 * one.sagas / one.bare,
            some(one.durare, 0),
            one.median,
            one.p99,
            some(one.fsyncs, 3),
            one.bytes,
        );
    }
    let sagas = repetitions.durable * 100;
    let recovery::Measured {
        plain,
        recovery,
        at_once,
    } = recovery::measure(folder.path(), sagas)?;
    println!(
        "\n{sagas} sagas that a process has left open; plain SQL loads their rows in {:.0} ms, with {} MiB at most. Each one's next step is requested after",
        plain.took,
        some(plain.peak, 1),
    );
    for (what, reading) in [("1000", recovery), ("all", at_once)] {
        println!(
            "  {:.0} ms ({:.1} times) with {what} in flight, and {} MiB",
            reading.took,
            reading.took / plain.took,
            some(reading.peak, 1),
        );
    }
    Ok(())
}

fn structure(repetitions: &Repetitions) -> anyhow::Result<()> {
    println!("A fan-out with a limit of 16: each item's share of the saga.\n");
    println!(
        "{:>10}{:>16}{:>26}",
        "items", "in process", "on a journal in memory"
    );
    for one in structure::fan_outs(repetitions.batches.min(9))? {
        println!(
            "{:>10}{:>13} ns{:>23} ns",
            one.items,
            one.in_process.as_nanos(),
            one.journaled.as_nanos()
        );
    }
    let folder = tempfile::tempdir_in(cargo::target_directory()?)?;
    println!();
    for (what, waiting) in [
        (
            "sleep",
            structure::sleeping(folder.path(), repetitions.sleeping)?,
        ),
        (
            "wait for an attempt",
            structure::backing_off(folder.path(), repetitions.sleeping)?,
        ),
    ] {
        println!(
            "{} sagas {what} on the SQLite journal after {:.1} s: {} tasks, {} bytes of memory each",
            waiting.sagas,
            waiting.took.as_secs_f64(),
            waiting.tasks,
            waiting.memory / waiting.sagas as u64
        );
    }
    Ok(())
}

fn long(repetitions: &Repetitions) -> anyhow::Result<()> {
    let folder = tempfile::tempdir_in(cargo::target_directory()?)?;
    println!(
        "One saga with 1,000 calls, and one with 16,000. Milliseconds, and the time of an entry.\n"
    );
    println!(
        "{:40}{:>12}{:>12}{:>8}{:>12}",
        "", "1,000", "16,000", "", "an entry"
    );
    for one in long::measure(folder.path(), repetitions.rounds)? {
        let [few, many] = one.took.map(|took| took.as_secs_f64() * 1e3);
        println!(
            "{:40}{few:>12.2}{many:>12.2}{:>8}{:>9.2} µs",
            one.what,
            times(many / few),
            many * 1e3 / 16_000.0,
        );
    }
    Ok(())
}

/// In a binary of its own: the SDK of Restate is in no other measurement.
fn restate(quick: bool) -> anyhow::Result<()> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    program("restate", manifest, quick, &[])
}

/// In a package of its own: the client of Postgres is in no other measurement.
fn postgres(quick: bool, arguments: &[String]) -> anyhow::Result<()> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/postgres/Cargo.toml");
    program("postgres", manifest, quick, arguments)
}

/// Builds and runs another program.
fn program(name: &str, manifest: &str, quick: bool, arguments: &[String]) -> anyhow::Result<()> {
    let mut command = cargo::command("run");
    command
        .args(["--release", "--quiet", "--bin", name])
        .args(["--manifest-path", manifest])
        .arg("--target-dir")
        .arg(cargo::target_directory()?)
        .arg("--")
        .args(quick.then_some("--quick"))
        .args(arguments);
    let status = command.status()?;
    anyhow::ensure!(
        status.success(),
        "the benchmark `{name}` ended with {status}"
    );
    Ok(())
}

fn compile_time(repetitions: &Repetitions) -> anyhow::Result<()> {
    let rebuilds = compile_time::measure(repetitions.warm_up, repetitions.changes)?;
    println!(
        "One line changed in one step; processor time, median of {}.\n",
        repetitions.changes
    );
    println!("{:34}{:>18}{:>18}", "", "plain functions", "sagas");
    for rebuild in &rebuilds {
        let Size { sagas, steps } = rebuild.size;
        println!(
            "{:34}{:>15.0} ms{:>15.0} ms{:>10}",
            format!("cargo {}, {sagas} × {steps} steps", rebuild.command),
            rebuild.plain,
            rebuild.saga,
            times(rebuild.ratio()),
        );
        if (rebuild.command, sagas, steps) == ("build", 1, 50) {
            figure("hand-written", "rebuild, ms", grouped(rebuild.plain))?;
            figure("saga-runtime", "rebuild, ms", grouped(rebuild.saga))?;
        }
    }
    println!("\nTargets for saga-runtime:");
    for target in targets::rebuilds(&rebuilds) {
        println!("  {target}");
    }
    Ok(())
}
