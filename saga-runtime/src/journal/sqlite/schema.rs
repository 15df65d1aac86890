//! The tables, and how a file gets from one version of them to the next.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::journal::JournalError;
use crate::journal::sqlite::integrity::{damaged, failed};

/// "saga", so that `file` and others can tell what it is.
const APPLICATION_ID: i32 = 0x7361_6761;

/// One step from a version of the tables to the next, by its name.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: [Migration; 10] = [
    Migration {
        name: "0001_sagas_and_entries",
        sql: include_str!("migrations/0001_sagas_and_entries.sql"),
    },
    Migration {
        name: "0002_sleeping_sagas",
        sql: include_str!("migrations/0002_sleeping_sagas.sql"),
    },
    Migration {
        name: "0003_awake_sagas",
        sql: include_str!("migrations/0003_awake_sagas.sql"),
    },
    Migration {
        name: "0004_compensated_sagas",
        sql: include_str!("migrations/0004_compensated_sagas.sql"),
    },
    Migration {
        name: "0005_checksums",
        sql: include_str!("migrations/0005_checksums.sql"),
    },
    Migration {
        name: "0006_abandoned_sagas",
        sql: include_str!("migrations/0006_abandoned_sagas.sql"),
    },
    Migration {
        name: "0007_failing_sagas",
        sql: include_str!("migrations/0007_failing_sagas.sql"),
    },
    Migration {
        name: "0008_paused_definitions",
        sql: include_str!("migrations/0008_paused_definitions.sql"),
    },
    Migration {
        name: "0009_traces",
        sql: include_str!("migrations/0009_traces.sql"),
    },
    Migration {
        name: "0010_undone_sagas",
        sql: include_str!("migrations/0010_undone_sagas.sql"),
    },
];

/// Checks that the file is a journal of this version or an older one.
pub(super) fn check(connection: &Connection) -> Result<usize, JournalError> {
    let application = number(connection, "application_id")?;
    let version = number(connection, "user_version")?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(failed)?;
    let is_new = application == 0 && version == 0 && tables == 0;
    if !is_new && application != i64::from(APPLICATION_ID) {
        return Err(JournalError::Unsuitable {
            message:
                "the file is an SQLite database, but not a journal of sagas: choose another one"
                    .to_owned(),
        });
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(version),
        _ => Err(JournalError::Unsuitable {
            message: format!(
                "the journal has version {version} of its tables, and this library knows up to {}: use a newer one",
                MIGRATIONS.len()
            ),
        }),
    }
}

/// Checks that the file is a journal of this version, for a connection that can't change it.
pub(super) fn check_newest(connection: &Connection) -> Result<(), JournalError> {
    let message = match check(connection)? {
        0 => "the file is empty: no coordinator has used it as its journal".to_owned(),
        version if version < MIGRATIONS.len() => format!(
            "the journal has version {version} of its tables, and this library reads version {}: open it once with \
             `Sqlite::open`, which brings it up to date",
            MIGRATIONS.len()
        ),
        _ => return Ok(()),
    };
    Err(JournalError::Unsuitable { message })
}

/// Brings the tables to the newest version.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), JournalError> {
    let version = check(connection)?;
    for (migration, version) in MIGRATIONS.iter().zip(1_i64..).skip(version) {
        let failed = |error: rusqlite::Error| JournalError::Unavailable {
            message: format!("migration {}: {error}", migration.name),
            source: Some(Box::new(error)),
        };
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(migration.sql).map_err(failed)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION_ID)
            .and_then(|()| transaction.pragma_update(None, "user_version", version))
            .and_then(|()| transaction.commit())
            .map_err(failed)?;
    }
    Ok(())
}

/// Checks that the tables, indices and views of this version are there as they were made. Others may be there as well.
///
/// The SQL of a migration is stored with all comments inside of a statement, so it never changes.
pub(super) fn compare(connection: &Connection) -> Result<(), JournalError> {
    let mut sound = Connection::open_in_memory().map_err(failed)?;
    migrate(&mut sound)?;
    let found = definitions(connection)?;
    for one in definitions(&sound)? {
        if !found.contains(&one) {
            let name = String::from_utf8_lossy(&one.0).into_owned();
            return Err(damaged(&format!(
                "the definition of `{name}` is another one"
            )));
        }
    }
    Ok(())
}

/// The name of a table, an index or a view, and its SQL. A damaged file may have any bytes there.
type TableDefinition = (Vec<u8>, Vec<u8>);

/// All that is defined in the file.
fn definitions(connection: &Connection) -> Result<Vec<TableDefinition>, JournalError> {
    let bytes = |value: ValueRef<'_>| value.as_bytes_or_null().ok().flatten().map(<[u8]>::to_vec);
    let mut statement = connection
        .prepare("SELECT name, sql FROM sqlite_schema")
        .map_err(failed)?;
    let found = statement.query_map([], |row| {
        let name = bytes(row.get_ref(0)?).unwrap_or_default();
        Ok((name, bytes(row.get_ref(1)?).unwrap_or_default()))
    });
    found
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)
}

fn number(connection: &Connection, pragma: &str) -> Result<i64, JournalError> {
    connection
        .pragma_query_value(None, pragma, |row| row.get(0))
        .map_err(failed)
}
