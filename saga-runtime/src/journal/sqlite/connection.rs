//! Connections with the settings on which the promise of the journal rests.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::journal::JournalError;
use crate::journal::sqlite::integrity::{self, failed};
use crate::journal::sqlite::{room, schema};

/// The time that a connection waits for another one, for example for one that an operator has opened.
const BUSY: Duration = Duration::from_secs(5);

/// Statements are prepared once.
const STATEMENTS: usize = 64;

/// The size of a file: a small one is looked at as a whole when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Small,
    Large,
}

/// A connection that writes, to a file of at most so many pages.
pub(super) fn to_write(
    path: &Path,
    pages: Option<u32>,
) -> Result<(Connection, Size), JournalError> {
    // The file exists, and its name is no URI.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        Connection::open_with_flags(path, flags).map_err(JournalError::unavailable)?;
    connection
        .busy_timeout(BUSY)
        .map_err(JournalError::unavailable)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    schema::check(&connection)?;
    set(&connection, "journal_mode", "WAL", "wal")?;
    set(&connection, "synchronous", "FULL", "2")?;
    // On macOS a plain `fsync` leaves writes in the disk's cache. Elsewhere these do nothing.
    set(&connection, "fullfsync", "ON", "1")?;
    set(&connection, "checkpoint_fullfsync", "ON", "1")?;
    room::limit_log(&connection, path)?;
    if let Some(pages) = pages {
        let pages = pages.to_string();
        set(&connection, "max_page_count", &pages, &pages)?;
    }
    let is_checked = integrity::check(&connection)?;
    schema::migrate(&mut connection)?;
    schema::compare(&connection)?;
    let size = if is_checked {
        integrity::check_entries(&connection)?;
        Size::Small
    } else {
        Size::Large
    };
    Ok((connection, size))
}

/// A connection that reads, also while another process writes.
pub(super) fn to_read(path: &Path) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(JournalError::unavailable)?;
    connection
        .busy_timeout(BUSY)
        .map_err(JournalError::unavailable)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    schema::check_newest(&connection)?;
    Ok(connection)
}

/// Changes a setting, and checks that it has taken hold.
fn set(
    connection: &Connection,
    name: &str,
    value: &str,
    expected: &str,
) -> Result<(), JournalError> {
    let ignore = |_: &rusqlite::Row<'_>| Ok(());
    connection
        .pragma_update_and_check(None, name, value, ignore)
        .or_else(|error| match error {
            // Settings that answer nothing.
            rusqlite::Error::QueryReturnedNoRows => Ok(()),
            error => Err(failed(error)),
        })?;
    let actual = connection
        .pragma_query_value(None, name, |row| {
            row.get_ref(0).map(|value| match value {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                other => other.as_str().unwrap_or_default().to_owned(),
            })
        })
        .map_err(failed)?;
    if actual == expected {
        return Ok(());
    }
    Err(JournalError::Unsuitable {
        message: format!(
            "the file can't be opened with `{name}={value}`, without which nothing is durable; it says `{actual}`"
        ),
    })
}
