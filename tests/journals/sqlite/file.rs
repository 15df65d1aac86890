//! The file of a journal: its format, and its failures.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use saga_runtime::Kind;
use saga_runtime::SagaId;
use saga_runtime::coordinator::Inspector;
use saga_runtime::journal::{
    AppendError, Claim, Event, Journal, JournalError, Lease, NewSaga, SagaVersion, Sqlite, Started,
    StepCall, Worker,
};
use tempfile::TempDir;

pub(super) fn folder() -> TempDir {
    TempDir::new().expect("a folder for the test")
}

pub(super) fn lease() -> Lease {
    lease_of("a")
}

pub(super) fn lease_of(worker: &str) -> Lease {
    Lease {
        worker: Worker::new(worker),
        duration: Duration::from_hours(1),
    }
}

pub(super) fn saga(id: &str, input: &str) -> NewSaga {
    NewSaga {
        id: SagaId::new(id).expect("a valid id"),
        name: "order".to_owned(),
        version: 1,
        fingerprint: 17,
        input: input.to_owned(),
        trace: None,
    }
}

pub(super) fn done(output: String) -> Vec<Event> {
    let step = StepCall {
        name: "charge".into(),
        occurrence: 0,
        kind: Kind::Compensatable,
    };
    vec![Event::StepDone {
        step,
        attempts: 1,
        output,
        inputs: None,
    }]
}

pub(super) async fn started(journal: &Sqlite, id: &str) -> Claim {
    match journal.start(saga(id, "{}"), Some(&lease())).await {
        Ok(Started::New(Some(claim))) => claim,
        other => panic!("{other:?}"),
    }
}

async fn unsuitable(path: &Path) -> String {
    match Sqlite::open(path).await {
        Err(JournalError::Unsuitable { message }) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn it_can_be_looked_at_while_it_is_used() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open(&path).await.expect("no other process uses it");
    let claim = started(&journal, "order-1").await;
    let looking = Sqlite::open_read_only(&path).await.expect("it is there");
    let appended = journal.append(&claim, 1, done("1".to_owned())).await;
    appended.expect("the claim holds");
    let history = looking.load(&claim.id).await.expect("it can be read");
    let history = history.expect("it is there");
    assert_eq!(history.entries.map(|entries| entries.len()), Ok(1));
    let refused = looking.start(saga("order-2", "{}"), None).await;
    assert!(
        matches!(refused, Err(JournalError::Unsuitable { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_journal_is_left_alone() {
    let folder = folder();
    let text = folder.path().join("text");
    std::fs::write(
        &text,
        "not a database, but long enough to look like one. ".repeat(40),
    )
    .expect("the folder can be written");
    assert_eq!(
        unsuitable(&text).await,
        "the file is not an SQLite database: choose another one"
    );

    let other = folder.path().join("other.db");
    let connection = Connection::open(&other).expect("a new database");
    connection
        .execute_batch("CREATE TABLE orders (id)")
        .expect("it is valid");
    let message = unsuitable(&other).await;
    assert!(message.contains("not a journal of sagas"), "{message}");
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .expect("it is valid");
    assert_eq!(tables, 1, "nothing was added");
}

#[tokio::test]
async fn a_journal_of_a_newer_version_is_left_alone() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    drop(Sqlite::open(&path).await.expect("no other process uses it"));
    let connection = Connection::open(&path).expect("it is a database");
    connection
        .pragma_update(None, "user_version", 99)
        .expect("it can be written");
    drop(connection);
    let message = unsuitable(&path).await;
    assert!(message.contains("version 99"), "{message}");
}

#[tokio::test]
async fn nothing_is_there_to_be_looked_at_in_an_empty_file() {
    let folder = folder();
    let missing = Sqlite::open_read_only(folder.path().join("missing.db")).await;
    assert!(
        matches!(missing, Err(JournalError::Unavailable { .. })),
        "{missing:?}"
    );
}

#[tokio::test]
async fn a_damaged_saga_harms_no_other() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open(&path).await.expect("no other process uses it");
    for id in ["gap", "unknown", "sound"] {
        let claim = started(&journal, id).await;
        for seq in 1..4 {
            let appended = journal.append(&claim, seq, done(seq.to_string())).await;
            appended.expect("the claim holds");
        }
    }
    drop(journal);
    let connection = Connection::open(&path).expect("it is a database");
    connection
        .execute_batch(
            "DELETE FROM entries WHERE seq = 2 AND saga = (SELECT number FROM sagas WHERE id = 'gap');
             UPDATE entries SET event = 'boiled' WHERE seq = 3 AND saga = (SELECT number FROM sagas WHERE id = 'unknown');",
        )
        .expect("it can be written");
    drop(connection);
    let journal = Sqlite::open(&path).await.expect("no other process uses it");
    let claimed = journal
        .claim(&lease_of("b"), &[SagaVersion::new("order", 1)], 9)
        .await;
    let claimed = claimed.expect("the journal works");
    let entries: Vec<_> = claimed
        .iter()
        .map(|one| match &one.entries {
            Ok(entries) => format!("{} entries", entries.len()),
            Err(damage) => damage.to_string(),
        })
        .collect();
    assert_eq!(
        entries,
        [
            "entry 2 can't be read: it is missing; the next one is 3",
            "entry 3 can't be read: there is no event `boiled`",
            "3 entries",
        ]
    );
    // A damaged saga can be set aside.
    for one in &claimed {
        assert_eq!(one.next, 4);
    }
}

#[tokio::test]
async fn what_can_be_read_of_a_damaged_saga_is_shown() {
    for (harm, readable, damaged) in [
        (
            "UPDATE entries SET event = 'boiled' WHERE seq = 3",
            &[1, 2][..],
            "entry 3",
        ),
        (
            "UPDATE entries SET payload = 'x' WHERE seq = 2",
            &[1, 3],
            "entry 2",
        ),
        ("DELETE FROM entries WHERE seq = 1", &[2, 3], "entry 1"),
        ("UPDATE sagas SET input = x'00'", &[1, 2, 3], "the record"),
    ] {
        let folder = folder();
        let path = folder.path().join("sagas.db");
        let journal = Sqlite::open(&path).await.expect("no other process uses it");
        let claim = started(&journal, "order-1").await;
        for occurrence in 0..3 {
            let step = StepCall {
                name: "charge".into(),
                occurrence,
                kind: Kind::Compensatable,
            };
            let done = Event::StepDone {
                step,
                attempts: 1,
                output: "1".to_owned(),
                inputs: None,
            };
            let appended = journal.append(&claim, u64::from(occurrence) + 1, vec![done]);
            appended.await.expect("the claim holds");
        }
        journal.close().await;
        let connection = Connection::open(&path).expect("it is a database");
        assert_eq!(connection.execute(harm, []), Ok(1), "{harm}");
        drop(connection);
        let journal = Sqlite::open(&path).await.expect("no other process uses it");
        let shown = Inspector::new(journal).inspect("order-1").await;
        let shown = shown.expect("it goes on").expect("it is there");
        let numbers: Vec<_> = shown.entries.iter().map(|entry| entry.seq).collect();
        assert_eq!(numbers, readable, "{harm}");
        let text = shown.to_string();
        assert_eq!(text.matches(" done").count(), readable.len(), "{text}");
        let expected = format!("DAMAGED: {damaged} can't be read: ");
        assert!(text.contains(&expected), "{harm}: {text}");
    }
}

#[tokio::test]
async fn what_waits_together_is_committed_together() {
    let folder = folder();
    let journal = Sqlite::open(folder.path().join("sagas.db")).await;
    let journal = journal.expect("no other process uses it");
    let before = journal.commits();
    let lease = lease();
    let starts = (0..500).map(|saga_number| {
        let saga = saga(&saga_number.to_string(), "{}");
        journal.start(saga, Some(&lease))
    });
    let started = futures_util::future::join_all(starts).await;
    assert!(started.iter().all(Result::is_ok));
    let commits = journal.commits() - before;
    assert!(commits < 100, "{commits} commits for 500 sagas");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_does_not_look_for_the_answer_holds_up_nobody() {
    let folder = folder();
    let journal = Sqlite::open(folder.path().join("sagas.db")).await;
    let journal = journal.expect("it is new");
    for round in 0..10 {
        let mut starts = Vec::new();
        for number in 0..40 {
            let saga = saga(&format!("order-{round}-{number}"), "{}");
            let mut start = journal.start(saga, None);
            // It has asked, and is never polled again.
            if futures_util::poll!(&mut start).is_pending() {
                starts.push(start);
            }
        }
        let mut is_deaf = false;
        let (deaf, listening): (Vec<_>, Vec<_>) = starts.into_iter().partition(|_| {
            is_deaf = !is_deaf;
            is_deaf
        });
        for start in listening {
            let started = tokio::time::timeout(Duration::from_mins(1), start).await;
            let started = started.expect("it is answered").expect("it is written");
            assert!(matches!(started, Started::New(None)));
        }
        drop(deaf);
    }
}

#[tokio::test]
async fn a_saga_of_three_steps_is_committed_four_times() {
    let folder = folder();
    let journal = Sqlite::open(folder.path().join("sagas.db")).await;
    let journal = journal.expect("no other process uses it");
    let before = journal.commits();
    let claim = started(&journal, "order-1").await;
    for seq in 1..3 {
        let appended = journal.append(&claim, seq, done("1".to_owned())).await;
        appended.expect("the claim holds");
    }
    let mut last = done("1".to_owned());
    last.push(Event::Completed {
        output: "1".to_owned(),
    });
    journal
        .append(&claim, 3, last)
        .await
        .expect("the claim holds");
    assert_eq!(journal.commits() - before, 4);
}

/// The file may not grow any more: like a full disk, but for this file only.
#[tokio::test]
async fn on_a_full_disk_nothing_is_lost_and_it_goes_on_when_there_is_space() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open_with_limit(&path, 40).await;
    let journal = journal.expect("no other process uses it");
    let claim = started(&journal, "order-1").await;
    let large = || done(format!("\"{}\"", "x".repeat(1024 * 1024)));
    let appended = journal.append(&claim, 1, large()).await;
    assert!(
        matches!(
            appended,
            Err(AppendError::Journal(JournalError::Unavailable { .. }))
        ),
        "{appended:?}"
    );
    let appended = journal.append(&claim, 1, done("1".to_owned())).await;
    appended.expect("a small one still fits");
    drop(journal);
    let journal = Sqlite::open(&path).await.expect("no other process uses it");
    let claimed = journal
        .claim(&lease_of("b"), &[SagaVersion::new("order", 1)], 9)
        .await;
    let claimed = claimed.expect("the journal works").remove(0);
    assert_eq!(claimed.next, 2);
    let appended = journal.append(&claimed.claim, 2, large()).await;
    appended.expect("there is space");
}

#[tokio::test]
async fn one_that_can_not_be_written_harms_no_other() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open_with_limit(&path, 60).await;
    let journal = journal.expect("no other process uses it");
    let mut claims = Vec::new();
    for id in 0..8 {
        claims.push(started(&journal, &id.to_string()).await);
    }
    let appends = claims.iter().enumerate().map(|(index, claim)| {
        let size = if index == 3 { 1024 * 1024 } else { 8 };
        journal.append(claim, 1, done(format!("\"{}\"", "x".repeat(size))))
    });
    let appended = futures_util::future::join_all(appends).await;
    let failed: Vec<_> = (0..8).filter(|index| appended[*index].is_err()).collect();
    assert_eq!(failed, [3]);
}

/// With `VOLUME` set to a small volume, the journal fills it, and has to go on when there is a little more room: the test then
/// waits for a line on its input. Without it, only the log is looked at.
#[tokio::test]
async fn the_log_is_bounded_and_a_full_disk_is_left_as_soon_as_there_is_room() {
    let folder = folder();
    let volume = std::env::var_os("VOLUME").map(std::path::PathBuf::from);
    let path = volume.as_deref().unwrap_or(folder.path()).join("sagas.db");
    let log = path.with_extension("db-wal");
    let size = |path: &Path| path.metadata().map_or(0, |file| file.len());
    let journal = Sqlite::open(&path).await.expect("nobody uses it");
    let count = if volume.is_some() { 100_000 } else { 3000 };
    let mut written = 0;
    for number in 0..count {
        let id = number.to_string();
        let started = journal.start(saga(&id, "{}"), Some(&lease())).await;
        let Ok(Started::New(Some(claim))) = started else {
            break;
        };
        let appended = journal.append(&claim, 1, done("1".to_owned())).await;
        if appended.is_err() {
            break;
        }
        written += 1;
        assert!(size(&log) < 20 * 1024 * 1024, "{}", size(&log));
    }
    println!("{written} sagas: {} bytes, log {}", size(&path), size(&log));
    journal.close().await;
    println!("closed: {} bytes, log {}", size(&path), size(&log));
    if volume.is_some() {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).expect("it is there");
    }
    let journal = Sqlite::open(&path).await.expect("it can be opened");
    let claimed = journal
        .claim(&lease_of("b"), &[SagaVersion::new("order", 1)], 10)
        .await;
    let claimed = claimed.expect("there is room");
    assert_eq!(claimed.len(), 10);
    for one in claimed {
        let output = "1".to_owned();
        let ended = Event::Completed { output };
        let ended = journal.append(&one.claim, one.next, vec![ended]).await;
        ended.expect("there is room");
    }
}
