//! People can read the file, with SQL.

use rusqlite::Connection;
use saga_runtime::journal::{Filter, Journal, Sqlite, State};

use super::file::{done, folder, started};

#[tokio::test]
async fn people_can_read_it() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open(&path).await.expect("no other process uses it");
    let claim = started(&journal, "order-1").await;
    let appended = journal
        .append(&claim, 1, done("{\"id\":3}".to_owned()))
        .await;
    appended.expect("the claim holds");
    let connection = Connection::open(&path).expect("it is a database");
    let seen: (String, String) = connection
        .query_row(
            "SELECT id, last FROM saga_states WHERE id = 'order-1'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .expect("the view is there");
    assert_eq!(seen, ("order-1".to_owned(), "step_done".to_owned()));
    let id: i64 = connection
        .query_row("SELECT payload ->> 'id' FROM entries", [], |row| row.get(0))
        .expect("payloads are JSON");
    assert_eq!(id, 3);
    let listed = journal.list(&Filter::default().state(State::Running)).await;
    assert_eq!(listed.expect("the journal works").sagas.len(), 1);
}

#[tokio::test]
async fn what_the_guide_for_operators_asks_is_answered() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open(&path).await.expect("no other process uses it");
    let claim = started(&journal, "order-17").await;
    let appended = journal.append(&claim, 1, done("3".to_owned())).await;
    appended.expect("the claim holds");
    let guide = std::fs::read_to_string("../docs/guide/operating.md").expect("the guide is there");
    let commands = guide
        .lines()
        .filter_map(|line| line.strip_prefix("sqlite3 shop.db \"")?.strip_suffix('"'));
    let connection = Connection::open(&path).expect("it is a database");
    let mut count = 0;
    for sql in commands {
        let mut statement = connection.prepare(sql).expect(sql);
        assert!(statement.exists([]).expect(sql), "{sql}");
        count += 1;
    }
    assert_eq!(count, 2);
}
