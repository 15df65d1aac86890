//! Stands for rustc while the mistakes are compiled: compiles incrementally, as editors do, and keeps the messages.
//!
//! Rustc leaves out a second error of the same text at the same place, but not if it compiles incrementally. The
//! rendered text of trybuild is without both kinds of repetition.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

fn main() -> io::Result<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let mut rustc = Command::new(arguments.next().unwrap_or_else(|| "rustc".into()));
    let arguments: Vec<_> = arguments.collect();
    rustc.args(&arguments);
    let program = arguments
        .iter()
        .map(Path::new)
        .find(|argument| is_mistake(argument));
    let (Some(program), Some(folder)) = (program, env::var_os("MESSAGES")) else {
        return Ok(code(rustc.status()?.code()));
    };
    let file = file(Path::new(&folder), program);
    let incremental = file.with_extension("incremental");
    let output = rustc
        .arg("-C")
        .arg(format!("incremental={}", incremental.display()))
        .output()?;
    // Nothing was kept if rustc failed before it began.
    fs::remove_dir_all(incremental).ok();
    fs::write(file, &output.stderr)?;
    io::stdout().write_all(&output.stdout)?;
    io::stderr().write_all(&output.stderr)?;
    Ok(code(output.status.code()))
}

fn is_mistake(argument: &Path) -> bool {
    argument
        .extension()
        .is_some_and(|extension| extension == "rs")
        && argument
            .components()
            .any(|folder| folder.as_os_str() == "diagnostics")
}

/// `order/two_pivots.rs` → `order.two_pivots.json`
fn file(folder: &Path, program: &Path) -> PathBuf {
    let last = |path: Option<&Path>| {
        let name = path.and_then(Path::file_stem).unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let name = [
        last(program.parent()),
        last(Some(program)),
        "json".to_owned(),
    ];
    folder.join(name.join("."))
}

fn code(code: Option<i32>) -> ExitCode {
    code.and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from)
}
