//! A file that an older version has written is brought up to date.

use rusqlite::Connection;
use saga_runtime::SagaId;
use saga_runtime::journal::{
    ClaimedOne, Filter, Journal, JournalError, SagaVersion, Sqlite, State,
};

use super::file::{folder, lease};

/// The migrations up to each version before the newest one.
const VERSIONS: [&str; 3] = [
    include_str!("../../../saga-runtime/src/journal/sqlite/migrations/0001_sagas_and_entries.sql"),
    include_str!("../../../saga-runtime/src/journal/sqlite/migrations/0002_sleeping_sagas.sql"),
    include_str!("../../../saga-runtime/src/journal/sqlite/migrations/0003_awake_sagas.sql"),
];

#[tokio::test]
async fn a_journal_of_an_older_version_is_brought_up_to_date_and_nothing_is_lost() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let connection = Connection::open(&path).expect("a new database");
    let written = connection.execute_batch(&format!(
        "{}
         INSERT INTO sagas (id, name, version, fingerprint, input, started_at, epoch) VALUES ('old', 'order', 1, 17, '{{}}', 5, 1);
         INSERT INTO entries (saga, seq, at, event, step, occurrence, kind, attempts, payload)
         VALUES (1, 1, 6, 'step_done', 'charge', 0, 'compensatable', 1, '7');
         PRAGMA application_id = {}; PRAGMA user_version = 1;",
        VERSIONS[0],
        0x7361_6761,
    ));
    written.expect("it is valid");
    drop(connection);

    let journal = Sqlite::open(&path).await.expect("it can be migrated");
    let claimed = journal
        .claim(&lease(), &[SagaVersion::new("order", 1)], 10)
        .await;
    let claimed = claimed.expect("it can be claimed");
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].claim.id.as_str(), "old");
    assert_eq!(claimed[0].next, 2, "its entry is still there");
}

#[tokio::test]
async fn of_an_older_journal_exactly_what_is_open_goes_on() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let connection = Connection::open(&path).expect("a new database");
    let written = connection.execute_batch(&format!(
        "{}
         INSERT INTO sagas (id, name, version, fingerprint, input, started_at, epoch, worker, closed, wake_at) VALUES
             ('open', 'order', 1, 17, '{{}}', 5, 1, 'gone', NULL, NULL),
             ('ended', 'order', 1, 17, '{{}}', 5, 1, NULL, 'completed', NULL),
             ('ended a moment ago', 'order', 1, 17, '{{}}', 5, 1, 'gone', NULL, NULL),
             ('stuck', 'order', 1, 17, '{{}}', 5, 1, NULL, 'stuck', NULL),
             ('asleep', 'order', 1, 17, '{{}}', 5, 1, NULL, NULL, {}),
             ('back', 'order', 1, 17, '{{}}', 5, 1, 'gone', NULL, NULL),
             ('back a while ago', 'order', 1, 17, '{{}}', 5, 1, NULL, 'compensated', NULL);
         INSERT INTO entries (saga, seq, at, event, code, message, payload) VALUES
             (2, 1, 6, 'completed', NULL, NULL, '7'),
             (3, 1, 6, 'completed', NULL, NULL, '7'),
             (4, 1, 6, 'stuck', 'panicked', 'panicked', NULL),
             (6, 1, 6, 'compensated', NULL, NULL, NULL),
             (7, 1, 6, 'compensated', NULL, NULL, NULL);
         PRAGMA application_id = {}; PRAGMA user_version = 2;",
        VERSIONS[..2].concat(),
        i64::MAX,
        0x7361_6761,
    ));
    written.expect("it is valid");
    drop(connection);

    let journal = Sqlite::open(&path).await.expect("it can be migrated");
    let claimed = journal
        .claim(&lease(), &[SagaVersion::new("order", 1)], 10)
        .await;
    let claimed = claimed.expect("they can be claimed");
    let ids: Vec<_> = claimed.iter().map(|one| one.claim.id.as_str()).collect();
    assert_eq!(ids, ["open"]);
    for (state, ids) in [
        (State::Running, vec!["open"]),
        (State::Waiting, vec!["asleep"]),
        (State::Stuck, vec!["stuck"]),
        (State::Completed, vec!["ended a moment ago", "ended"]),
        (State::Compensated, vec!["back a while ago", "back"]),
    ] {
        let listed = journal.list(&Filter::default().state(state)).await;
        let listed = listed.expect("the journal works").sagas;
        let listed: Vec<_> = listed.iter().map(|one| one.saga.id.as_str()).collect();
        assert_eq!(listed, ids, "{state}");
    }
    let claimed = journal
        .claim_one(&lease(), &SagaId::new("asleep").expect("a valid id"))
        .await;
    assert!(matches!(claimed, Ok(ClaimedOne::Claimed(_))), "{claimed:?}");
}

#[tokio::test]
async fn compensated_sagas_are_found_in_an_older_journal() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let connection = Connection::open(&path).expect("a new database");
    let written = connection.execute_batch(&format!(
        "{}
         INSERT INTO sagas (id, name, version, fingerprint, input, started_at, epoch, worker) VALUES
             ('back', 'order', 1, 17, '{{}}', 5, 1, 'gone'), ('done', 'order', 1, 17, '{{}}', 5, 1, 'gone');
         INSERT INTO entries (saga, seq, at, event) VALUES (1, 1, 6, 'compensated'), (2, 1, 6, 'completed');
         UPDATE listed SET through = 2;
         PRAGMA application_id = {}; PRAGMA user_version = 3;",
        VERSIONS[..3].concat(),
        0x7361_6761,
    ));
    written.expect("it is valid");
    drop(connection);

    let journal = Sqlite::open(&path).await.expect("it can be migrated");
    let filter = Filter::default().state(State::Compensated);
    let listed = journal.list(&filter).await.expect("the journal works");
    let listed: Vec<_> = listed
        .sagas
        .iter()
        .map(|one| one.saga.id.as_str())
        .collect();
    assert_eq!(listed, ["back"]);
}

#[tokio::test]
async fn an_older_journal_that_is_only_read_says_what_to_do() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let connection = Connection::open(&path).expect("a new database");
    let written = connection.execute_batch(&format!(
        "{} PRAGMA application_id = {}; PRAGMA user_version = 2;",
        VERSIONS[..2].concat(),
        0x7361_6761,
    ));
    written.expect("it is valid");
    drop(connection);
    match Sqlite::open_read_only(&path).await {
        Err(JournalError::Unsuitable { message }) => {
            assert!(message.contains("version 2"), "{message}");
            assert!(
                message.contains("open it once with `Sqlite::open`"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    drop(Sqlite::open(&path).await.expect("it can be migrated"));
    Sqlite::open_read_only(&path)
        .await
        .expect("it is of this version");
}
