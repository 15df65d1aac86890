//! The figures of the table at the top of `docs/performance.md`.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

/// Adds a figure to the file that `FIGURES` names, if it names one: `benches/page` puts it where its row and its column meet.
///
/// # Errors
/// When the file can't be written.
pub fn figure(row: &str, column: &str, value: impl AsRef<str>) -> io::Result<()> {
    let Some(file) = std::env::var_os("FIGURES") else {
        return Ok(());
    };
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    writeln!(file, "{row}|{column}|{}", value.as_ref())
}
