//! The check of a file when it is opened. A damaged row is set aside by itself; damage to the structure of the file, by which
//! rows are found, could hide rows, and such a file is refused.

use rusqlite::Connection;

use crate::journal::JournalError;

/// The largest file that is checked, in bytes: that takes a tenth of a second. In a larger one, damage shows when SQLite
/// meets it.
const LARGEST: i64 = 8 * 1024 * 1024;

/// The most problems that are looked at.
const PROBLEMS: u32 = 10_000;

/// Checks a small file, and repairs what can be repaired. Returns whether it was checked.
pub(super) fn check(connection: &Connection) -> Result<bool, JournalError> {
    // Each page is looked at when it is read, whatever the size of the file.
    pragma(connection, "cell_size_check = ON")?;
    let size = number(connection, "page_count")? * number(connection, "page_size")?;
    if size > LARGEST {
        return Ok(false);
    }
    let found = problems(connection)?;
    if found.iter().any(|problem| is_of_index(problem)) {
        connection
            .execute_batch("REINDEX")
            .map_err(|error| damaged(&error.to_string()))?;
        if let Some(problem) = problems(connection)?.iter().find(|one| is_of_index(one)) {
            return Err(damaged(problem));
        }
    }
    match found.iter().find(|problem| is_structural(problem)) {
        Some(problem) => Err(damaged(problem)),
        None => Ok(true),
    }
}

fn problems(connection: &Connection) -> Result<Vec<String>, JournalError> {
    let sql = format!("PRAGMA integrity_check({PROBLEMS})");
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let problems = statement.query_map([], |row| {
        let text = row.get_ref(0)?.as_bytes()?;
        Ok(String::from_utf8_lossy(text).into_owned())
    });
    let problems = problems.map_err(failed)?.collect::<Result<Vec<_>, _>>();
    let mut problems = problems.map_err(failed)?;
    problems.retain(|problem| problem != "ok");
    Ok(problems)
}

/// Checks that each entry belongs to a saga and has a number there: some saga would be without it.
pub(super) fn check_entries(connection: &Connection) -> Result<(), JournalError> {
    // A number of another type is found when its saga is read. One that is NULL is not. `typeof`, because SQLite takes
    // it for granted that a column of a key is not NULL.
    let sql = "SELECT count(*) FROM entries WHERE saga NOT IN (SELECT number FROM sagas)
                   OR typeof(saga) = 'null' OR typeof(seq) = 'null'";
    let orphans: i64 = connection
        .query_row(sql, [], |row| row.get(0))
        .map_err(failed)?;
    match orphans {
        0 => Ok(()),
        orphans => Err(damaged(&format!("{orphans} entries belong to no saga"))),
    }
}

/// Problems that disappear when the indices are made anew from the rows.
fn is_of_index(problem: &str) -> bool {
    problem.contains(" index ")
}

/// Problems of the file, and not of a row: a row may have a column of a wrong type, or none where one is needed.
fn is_structural(problem: &str) -> bool {
    let is_of_row = [" value in ", "NULL value", "CHECK constraint"];
    !is_of_index(problem) && !is_of_row.iter().any(|row| problem.contains(row))
}

/// The error of an opening that SQLite has failed.
pub(super) fn failed(error: rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => JournalError::Unsuitable {
            message: "the file is not an SQLite database: choose another one".to_owned(),
        },
        Some(rusqlite::ErrorCode::DatabaseCorrupt) => damaged(&error.to_string()),
        _ => JournalError::unavailable(error),
    }
}

/// The error of a file whose structure is damaged.
pub(super) fn damaged(problem: &str) -> JournalError {
    let problem = problem.lines().next().unwrap_or_default();
    JournalError::Unsuitable {
        message: format!(
            "the file is damaged ({problem}): restore a copy of it, or save what can be read with the command `.recover` of \
             `sqlite3`"
        ),
    }
}

fn pragma(connection: &Connection, pragma: &str) -> Result<(), JournalError> {
    let sql = format!("PRAGMA {pragma}");
    connection.execute_batch(&sql).map_err(failed)
}

fn number(connection: &Connection, pragma: &str) -> Result<i64, JournalError> {
    let value = connection.pragma_query_value(None, pragma, |row| row.get(0));
    value.map_err(failed)
}
