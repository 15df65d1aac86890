//! Operations on many sagas at once. They hold up no single saga.

use std::time::{Duration, SystemTime};

use futures_util::future::{join_all, poll_immediate};
use rusqlite::Connection;
use saga_runtime::journal::{Event, Filter, Journal, Sqlite, State};

use super::file::{folder, started};

/// More than are removed at once.
const MANY: usize = 1500;

/// Starts a saga, and ends it.
async fn ended(journal: &Sqlite, id: &str, end: Event) {
    let claim = started(journal, id).await;
    let appended = journal.append(&claim, 1, vec![end]).await;
    appended.expect("it is held");
}

fn completed() -> Event {
    Event::Completed {
        output: "1".to_owned(),
    }
}

#[tokio::test]
async fn no_caller_waits_until_all_ended_sagas_are_removed() {
    let folder = folder();
    let journal = Sqlite::open(folder.path().join("sagas.db")).await;
    let journal = journal.expect("a new file");
    let ids: Vec<_> = (0..MANY).map(|number| format!("ended-{number}")).collect();
    join_all(ids.iter().map(|id| ended(&journal, id, completed()))).await;
    let claim = started(&journal, "open").await;

    let mut purge = journal.purge(SystemTime::now() + Duration::from_hours(1));
    assert!(poll_immediate(&mut purge).await.is_none());
    let appended = journal.append(&claim, 1, vec![completed()]).await;
    appended.expect("it is held");
    let completed = Filter::default().state(State::Completed).limit(MANY);
    let there = journal.list(&completed).await.expect("the journal works");
    assert!(there.sagas.len() > MANY / 2, "few are removed by then");

    purge.await.expect("the journal works");
    let left = journal.list(&completed).await.expect("the journal works");
    assert!(left.sagas.len() <= 1, "the one that has ended meanwhile");
}

#[tokio::test]
async fn compensated_sagas_are_found_among_many_that_are_not() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open(&path).await.expect("a new file");
    let filter = Filter::default().state(State::Compensated);
    for round in 0..3 {
        let ids: Vec<_> = (0..MANY)
            .map(|number| format!("{round}-{number}"))
            .collect();
        join_all(ids.iter().map(|id| ended(&journal, id, completed()))).await;
        ended(&journal, &format!("{round}-back"), Event::Compensated).await;
        let listed = journal.list(&filter).await.expect("the journal works");
        let listed: Vec<_> = listed
            .sagas
            .iter()
            .map(|one| one.saga.id.as_str())
            .collect();
        let all: Vec<_> = (0..=round)
            .rev()
            .map(|round| format!("{round}-back"))
            .collect();
        assert_eq!(listed, all);
    }
    // Of each of them its row says so, at the latest when the journal is closed.
    drop(journal);
    let file = Connection::open(&path).expect("no other process uses it");
    let count: i64 = file
        .query_row(
            "SELECT count(*) FROM sagas WHERE closed = 'compensated'",
            [],
            |row| row.get(0),
        )
        .expect("it is a journal");
    assert_eq!(count, 3);
}
