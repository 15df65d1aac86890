//! The room that the write-ahead log may take: as much as is good for speed, and not more than the disk can spare.

use std::path::Path;

use rusqlite::Connection;

use crate::journal::JournalError;
use crate::journal::sqlite::integrity::failed;

/// The most pages of the log: larger pieces go to the main file than by SQLite's default.
const MOST_PAGES: u64 = 4000;

/// The fewest, a few commits.
const FEWEST_PAGES: u64 = 32;

/// The bytes of a page.
const PAGE: u64 = 4096;

/// The pages that the log may have before they go to the main file, if so many bytes of the disk are free: a quarter of
/// them, since the main file needs room for what is new as well.
fn pages(free: u64) -> u64 {
    (free / PAGE / 4).clamp(FEWEST_PAGES, MOST_PAGES)
}

/// The bytes that are free on the disk of this file.
#[cfg(unix)]
fn free(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

/// Limits the log of this file by what is free on its disk now.
pub(super) fn limit_log(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let pages = free(path).map_or(MOST_PAGES, pages);
    // The log is cut to this size when it begins anew.
    let bytes = pages * PAGE;
    let sql = format!("PRAGMA wal_autocheckpoint = {pages}; PRAGMA journal_size_limit = {bytes};");
    connection.execute_batch(&sql).map_err(failed)
}

/// Moves the log to the main file, and gives its room back. Returns whether that could be done.
pub(super) fn empty_log(connection: &Connection) -> bool {
    let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        row.get::<_, i64>(0)
    });
    is_busy == Ok(0)
}

/// Returns whether there was no room on the disk.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_takes_no_more_than_a_quarter_of_what_is_free() {
        assert_eq!(pages(0), FEWEST_PAGES);
        assert_eq!(pages(2 * 1024 * 1024), 128);
        assert_eq!(pages(u64::MAX), MOST_PAGES);
    }
}
