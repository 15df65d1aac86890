//! The durable form as text: names of events, states, kinds, tables and columns, fingerprints, paths, keys, entries.

use std::fmt::Write as _;
use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, Row as SqlRow};
use saga_runtime::Saga;
use saga_runtime::coordinator::Inspector;
use saga_runtime::journal::{Row, Sqlite, State};
use tempfile::TempDir;

use super::cases::CASES;
use super::desk::{Desk, key};
use super::events::every_event;
use super::sagas;

/// The ids of the sagas in a journal.
pub(super) fn ids(file: &Path) -> Vec<String> {
    let connection = Connection::open(file).expect("it is a database");
    let rows = rows(&connection, "SELECT id FROM sagas ORDER BY number");
    rows.into_iter().map(|row| row.concat()).collect()
}

/// The whole durable form, of a journal with every case in it.
pub(super) async fn text(file: &Path, desk: &Desk) -> String {
    let mut text = String::new();
    states(&mut text);
    events(&mut text);
    tables(&mut text, file);
    fingerprints(&mut text);
    journal(&mut text, file, desk).await;
    text
}

fn states(text: &mut String) {
    let states = State::ALL.map(|state| state.to_string());
    writeln!(text, "states: {}\n", states.join(", ")).expect("it is a text");
}

/// Every event with the columns that it has.
fn events(text: &mut String) {
    text.push_str("events:\n");
    for event in every_event() {
        let row = Row::from(event);
        assert!(
            row.clone().into_event(1).is_ok(),
            "{row:?} can be read back"
        );
        let mut columns = Vec::new();
        let mut column = |name: &str, value: Option<String>| {
            columns.extend(value.map(|value| format!("{name}={value}")));
        };
        column("step", row.step.map(Into::into));
        column(
            "occurrence",
            row.occurrence.map(|number| number.to_string()),
        );
        column("kind", row.kind.map(Into::into));
        column("attempts", row.attempts.map(|number| number.to_string()));
        column("code", row.code.map(Into::into));
        column("message", row.message);
        column("payload", row.payload);
        writeln!(text, "  {} {}", row.event, columns.join(" ")).expect("it is a text");
    }
    text.push('\n');
}

fn tables(text: &mut String, file: &Path) {
    let connection = Connection::open(file).expect("it is a database");
    for pragma in ["application_id", "user_version"] {
        let value = rows(&connection, &format!("PRAGMA {pragma}"))
            .concat()
            .concat();
        writeln!(text, "{pragma}: {value}").expect("it is a text");
    }
    let all = "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type DESC, name";
    for object in rows(&connection, all) {
        writeln!(text, "{} {}:", object[0], object[1]).expect("it is a text");
        let columns = match &*object[0] {
            "index" => format!("SELECT name, 'desc ' || desc FROM pragma_index_xinfo('{}') WHERE key", object[1]),
            _ => format!(
                "SELECT name, type, CASE WHEN \"notnull\" THEN 'not null' END, 'default ' || dflt_value,
                     CASE WHEN pk THEN 'key ' || pk END FROM pragma_table_info('{}')",
                object[1]
            ),
        };
        for column in rows(&connection, &columns) {
            writeln!(text, "  {}", joined(column)).expect("it is a text");
        }
    }
    text.push('\n');
}

fn fingerprints(text: &mut String) {
    fn one<G: Saga>(text: &mut String) {
        let (saga, shape) = (G::META, G::shape());
        let fingerprint = shape.fingerprint();
        writeln!(text, "  {} {} {fingerprint:016x}", saga.name, saga.version)
            .expect("it is a text");
    }
    text.push_str("fingerprints:\n");
    one::<sagas::Order>(text);
    one::<sagas::Halting>(text);
    one::<sagas::Bulk>(text);
    one::<sagas::Booking>(text);
    one::<sagas::Courier>(text);
    one::<sagas::Parcels>(text);
    one::<sagas::Stamps>(text);
    one::<sagas::Rounds>(text);
    one::<sagas::Prepare>(text);
    one::<sagas::Delivery>(text);
    one::<sagas::Napping>(text);
    one::<sagas::Approval>(text);
    one::<sagas::Request>(text);
    one::<sagas::Urgent>(text);
    one::<sagas::Mailing>(text);
    one::<sagas::Paying>(text);
    text.push('\n');
}

/// The rows of every saga, and the keys of its requests. Times and texts of errors are left out.
async fn journal(text: &mut String, file: &Path, desk: &Desk) {
    let folder = TempDir::new().expect("a folder for the test");
    let copy = folder.path().join("sagas.db");
    std::fs::copy(file, &copy).expect("it can be copied");
    let inspector = Inspector::new(Sqlite::open(&copy).await.expect("it can be opened"));
    let connection = Connection::open(file).expect("it is a database");
    for paused in rows(
        &connection,
        "SELECT name, reason FROM paused_definitions ORDER BY name",
    ) {
        writeln!(text, "paused: {}", joined(paused)).expect("it is a text");
    }
    for case in CASES {
        let inspected = inspector.inspect(case.id).await;
        let inspected = inspected.expect("the journal works").expect("it is there");
        writeln!(text, "saga {:?} {}:", case.id, inspected.record.state).expect("it is a text");
        let saga = format!(
            "SELECT name, version, format('%016x', fingerprint), input, 'recoveries ' || recoveries, 'worker ' || worker,
                 'doubt ' || doubt_seq, 'cancel ' || cancel_reason,
                 'wakes ' || CASE WHEN wake_at > 1e15 THEN 'never'
                     WHEN EXISTS (SELECT 1 FROM entries WHERE saga = number AND event = 'failing') THEN 'for an attempt' ELSE 'in ' || ((wake_at - started_at) / 3600000) || ' h' END
             FROM sagas WHERE number = {}",
            number(&connection, case.id)
        );
        let entries = format!(
            "SELECT event, step, occurrence, kind, 'attempts ' || attempts, code,
                 CASE WHEN event = 'value' OR event = 'waiting' AND payload IS NOT NULL THEN '…'
                 WHEN event = 'failing' THEN json_set(payload, '$.since', '…', '$.until', '…') ELSE payload END
             FROM entries WHERE saga = {} ORDER BY seq",
            number(&connection, case.id)
        );
        let asked = desk.asked(&key(case.id));
        let mut asked: Vec<_> = asked
            .iter()
            .map(|asked| format!("? {}/{asked}", key(case.id)))
            .collect();
        let mut entries: Vec<_> = rows(&connection, &entries)
            .into_iter()
            .map(|entry| format!("- {}", joined(entry)))
            .collect();
        if case.start.has_group() {
            asked.sort();
            entries.sort();
        }
        let saga = rows(&connection, &saga).into_iter().map(joined);
        for line in saga.chain(entries).chain(asked) {
            writeln!(text, "  {line}").expect("it is a text");
        }
    }
}

/// The columns that are not empty.
fn joined(row: Vec<String>) -> String {
    let row: Vec<_> = row
        .into_iter()
        .filter(|column| !column.is_empty())
        .collect();
    row.join(" | ")
}

fn number(connection: &Connection, id: &str) -> i64 {
    let number = connection.query_row("SELECT number FROM sagas WHERE id = ?1", [id], |row| {
        row.get(0)
    });
    number.expect("it is there")
}

/// The rows that a query answers, as texts. A value that is missing is an empty text.
fn rows(connection: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = connection.prepare(sql).expect("it is SQL");
    let count = statement.column_count();
    let texts = |row: &SqlRow<'_>| {
        (0..count)
            .map(|column| row.get(column).map(text_of))
            .collect()
    };
    let rows = statement.query_map([], texts).expect("it can be read");
    rows.collect::<Result<_, _>>().expect("it can be read")
}

fn text_of(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Blob(bytes) => format!("{bytes:?}"),
    }
}
