//! Records a journal of every case.

use std::path::Path;

use rusqlite::Connection;
use saga_runtime::journal::Sqlite;
use tempfile::TempDir;

use super::cases::CASES;
use super::desk::{Desk, key};
use super::script::{run, started, submitted};

/// The time at which a recorded journal begins, in milliseconds since 1970: 14 November 2023.
const BEGIN: i64 = 1_700_000_000_000;

/// A definition that is paused in each journal of the present form, and the reason.
pub(super) const PAUSED: (&str, &str) = ("retired", "of no use");

/// Runs every case up to its moment, and writes the journal as a kill of the process would leave it.
pub(super) async fn record(desk: &Desk, recorded: &Path) {
    let folder = TempDir::new().expect("a folder for the test");
    let file = folder.path().join("sagas.db");
    let journal = Sqlite::open(&file).await.expect("it is new");
    let coordinator = started(desk, journal).await;
    for case in CASES {
        for (step, answers) in case.answers {
            desk.answers(format!("{}/{step}", key(case.id)), answers);
        }
        submitted(&coordinator, case).await;
        run(&coordinator, desk, case, case.recorded).await;
    }
    let paused = coordinator.pause(PAUSED.0, PAUSED.1).await;
    paused.expect("the journal works");
    copy(&file, recorded);
    normalize(recorded);
}

/// Copies a database that is in use, without free pages.
fn copy(file: &Path, to: &Path) {
    let connection = Connection::open(file).expect("it can be read beside its coordinator");
    let to = to.to_str().expect("it is UTF-8");
    let copied = connection.execute("VACUUM INTO ?1", [to]);
    copied.expect("nothing is written meanwhile");
}

/// Moves all times to the past, so that each wait of an hour is over, and gives the worker a name that is always the same.
fn normalize(file: &Path) {
    let connection = Connection::open(file).expect("it is a database");
    let began: i64 = connection
        .query_row("SELECT min(started_at) FROM sagas", [], |row| row.get(0))
        .expect("there are sagas");
    let later = began - BEGIN;
    let normalized = connection.execute_batch(&format!(
        "UPDATE sagas SET started_at = started_at - {later}, cancel_at = cancel_at - {later},
             wake_at = CASE WHEN wake_at < {began} * 2 THEN wake_at - {later} ELSE wake_at END,
             worker = CASE WHEN worker IS NULL THEN NULL ELSE 'recorded' END, checksum = NULL;
         UPDATE entries SET at = at - {later}, checksum = NULL;
         UPDATE entries SET payload = CAST(CAST(payload AS INTEGER) - {later} AS TEXT)
             WHERE event = 'waiting' AND payload IS NOT NULL;
         UPDATE entries SET payload = json_set(payload, '$.since', json_extract(payload, '$.since') - {later},
                 '$.until', json_extract(payload, '$.until') - {later})
             WHERE event = 'failing';
         UPDATE paused_definitions SET at = at - {later};
         VACUUM;"
    ));
    normalized.expect("the columns are there");
}
