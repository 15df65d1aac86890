//! A saga that can't be read is set aside by itself: claims, lists and commands go on, and no outcome is wrong.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use saga_runtime::SagaId;
use saga_runtime::journal::{
    Claimed, ClaimedOne, Entry, Event, Filter, Journal, JournalError, NewSaga, Reason, SagaVersion,
    Sqlite, Started, State, Wakeup,
};

use super::file::{done, folder, lease_of, saga, started};

async fn claimed(journal: &Sqlite) -> Vec<Claimed> {
    let claimed = journal
        .claim(&lease_of("b"), &[SagaVersion::new("order", 1)], 100)
        .await;
    claimed.expect("the journal works")
}

/// Harms one of three sagas with this SQL, and sees that the others go on and that it is set aside.
async fn is_set_aside(harm: &str) {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open(&path).await.expect("nobody uses it");
    for id in ["before", "harmed", "after"] {
        let claim = started(&journal, id).await;
        let appended = journal.append(&claim, 1, done("1".to_owned())).await;
        appended.expect("the claim holds");
    }
    journal.close().await;
    let connection = Connection::open(&path).expect("it is a database");
    let changed = connection.execute(harm, []).expect("it is valid");
    assert_eq!(changed, 1, "{harm}");
    drop(connection);

    let journal = Sqlite::open(&path).await.expect("nobody uses it");
    let listed = journal
        .list(&Filter::default())
        .await
        .expect("it goes on")
        .sagas;
    assert_eq!(listed.len(), 3, "{harm}");
    let harmed = listed.iter().find(|one| one.damage.is_some());
    let harmed = harmed.unwrap_or_else(|| panic!("{harm}: {listed:?}"));
    let id = harmed.saga.id.clone();
    let claimed = claimed(&journal).await;
    assert_eq!(claimed.len(), 3, "{harm}");
    for one in claimed {
        if one.claim.id != id {
            assert_eq!(one.entries.expect("it is sound").len(), 1);
            continue;
        }
        let damage = one.entries.expect_err("it is damaged").to_string();
        assert!(damage.starts_with("the record can't be read: "), "{damage}");
        let reason = Reason::new("damaged", damage);
        let parked = journal.append(&one.claim, one.next, vec![Event::Stuck { reason }]);
        parked.await.expect("the claim holds");
    }
    // Commands reach it by the id that lists show.
    let stuck = journal.list(&Filter::default().state(State::Stuck)).await;
    let stuck: Vec<_> = stuck.expect("it goes on").sagas;
    assert_eq!(stuck.len(), 1, "{harm}");
    assert_eq!(stuck[0].saga.id, id);
    let loaded = journal.load(&id).await.expect("it goes on");
    let loaded = loaded.expect("it is there").record.damage;
    // These are written anew with each claim.
    let is_mended = ["epoch", "worker"]
        .iter()
        .any(|column| harm.contains(column));
    assert_eq!(loaded.is_none(), is_mended, "{harm}: {loaded:?}");
    match journal.claim_one(&lease_of("b"), &id).await {
        Ok(ClaimedOne::Claimed(claimed)) => assert_eq!(claimed.entries.is_ok(), is_mended),
        other => panic!("{other:?}"),
    }
    assert!(journal.request_cancel(&id, "no").await.expect("it goes on"));
    assert!(journal.next_rest().await.is_ok());
    let purged = journal
        .purge(SystemTime::now() + Duration::from_hours(1))
        .await;
    assert_eq!(purged.expect("it goes on"), 0);
}

#[tokio::test]
async fn a_row_is_damaged_by_itself_whichever_column_it_is() {
    let (no_text, blob) = ("CAST(x'FF41' AS TEXT)", "x'00'");
    let columns = [
        ("id", &[no_text, blob, "''", "'other'"][..]),
        ("name", &[no_text, blob, "'other'"]),
        ("version", &[blob, "-1", "1.5", "'text'", "1 << 40"]),
        ("fingerprint", &[blob, "1.5", "'text'", "-1"]),
        ("input", &[no_text, blob, "'{ }'"]),
        ("started_at", &[blob, "-1", "'text'", "started_at - 1"]),
        ("epoch", &[blob, "-1", "'text'"]),
        ("worker", &[no_text, blob]),
        ("cancel_reason", &[no_text, blob]),
    ];
    for (column, values) in columns {
        for value in values {
            is_set_aside(&format!(
                "UPDATE sagas SET {column} = {value} WHERE id = 'harmed'"
            ))
            .await;
        }
    }
    is_set_aside("UPDATE sagas SET cancel_at = -1 WHERE id = 'harmed'").await;
    is_set_aside("UPDATE sagas SET checksum = checksum + 1 WHERE id = 'harmed'").await;
}

#[tokio::test]
async fn a_count_that_can_not_be_read_counts_as_none_and_in_doubt() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open(&path).await.expect("nobody uses it");
    assert!(matches!(
        journal.start(saga("order-1", "{}"), None).await,
        Ok(Started::New(None))
    ));
    journal.close().await;
    let connection = Connection::open(&path).expect("it is a database");
    connection
        .execute(
            "UPDATE sagas SET recoveries = -1, doubt_seq = 'x', claimed_seq = x'00'",
            [],
        )
        .expect("it is valid");
    drop(connection);
    let journal = Sqlite::open(&path).await.expect("nobody uses it");
    let claimed = claimed(&journal).await;
    assert_eq!(claimed.len(), 1);
    assert!(!claimed[0].orderly);
}

#[tokio::test]
async fn entries_that_are_lost_since_the_last_claim_are_missed() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open(&path).await.expect("nobody uses it");
    let claim = started(&journal, "order-1").await;
    let appended = journal.append(&claim, 1, done("1".to_owned())).await;
    appended.expect("the claim holds");
    journal.close().await;
    let journal = Sqlite::open(&path).await.expect("nobody uses it");
    assert!(claimed(&journal).await[0].entries.is_ok());
    journal.close().await;
    let connection = Connection::open(&path).expect("it is a database");
    let deleted = connection.execute("DELETE FROM entries", []);
    assert_eq!(deleted, Ok(1));
    drop(connection);
    let journal = Sqlite::open(&path).await.expect("nobody uses it");
    let damage = claimed(&journal).await.remove(0).entries;
    assert_eq!(
        damage.expect_err("it is damaged").to_string(),
        "entry 1 can't be read: it is missing; there were 1 when the saga was claimed last"
    );
}

#[tokio::test]
async fn an_entry_of_a_wrong_type_is_damaged_by_itself() {
    for harm in [
        "event = CAST(x'FF41' AS TEXT)",
        "event = 'completed'",
        "payload = '2'",
        "payload = x'00'",
        "step = CAST(x'FF41' AS TEXT)",
        "occurrence = -1",
        "attempts = 'x'",
        "kind = 'pivot'",
        "checksum = -1",
        "seq = 'x'",
        "seq = -1",
        "seq = 1 << 40",
    ] {
        let folder = folder();
        let path = folder.path().join("sagas.db");
        let journal = Sqlite::open(&path).await.expect("nobody uses it");
        for id in ["before", "harmed", "after"] {
            let claim = started(&journal, id).await;
            let appended = journal.append(&claim, 1, done("1".to_owned())).await;
            appended.expect("the claim holds");
        }
        journal.close().await;
        let connection = Connection::open(&path).expect("it is a database");
        let changed = connection.execute(&format!("UPDATE entries SET {harm} WHERE saga = 2"), []);
        assert_eq!(changed, Ok(1), "{harm}");
        drop(connection);
        let journal = Sqlite::open(&path).await.expect("nobody uses it");
        for one in claimed(&journal).await {
            assert_eq!(
                one.entries.is_err(),
                one.claim.id.as_str() == "harmed",
                "{harm}"
            );
            if one.entries.is_err() {
                let reason = Reason::new("damaged", "it is damaged");
                let parked = journal.append(&one.claim, one.next, vec![Event::Stuck { reason }]);
                parked.await.expect("the claim holds");
            }
        }
        assert_eq!(
            journal
                .list(&Filter::default())
                .await
                .expect("it goes on")
                .sagas
                .len(),
            3
        );
    }
}

/// What a saga is, as far as a journal may not change it.
type Sound = (NewSaga, bool, Result<Vec<Entry>, String>);

/// All sagas of a journal as they are read, and which of them can be claimed.
type Seen = (BTreeMap<SagaId, Sound>, Vec<SagaId>);

async fn seen(journal: &Sqlite) -> Result<Seen, JournalError> {
    let mut sagas = BTreeMap::new();
    for record in journal.list(&Filter::default()).await?.sagas {
        let history = journal.load(&record.saga.id).await?;
        let history = history.unwrap_or_else(|| panic!("{} is listed", record.saga.id));
        let entries = match &record.damage {
            Some(damage) => Err(damage.to_string()),
            None => history.entries.map_err(|damage| damage.to_string()),
        };
        let sound = (record.saga.clone(), record.state.is_final(), entries);
        assert!(sagas.insert(record.saga.id, sound).is_none(), "ids differ");
    }
    let claimed = journal
        .claim(&lease_of("b"), &[SagaVersion::new("order", 1)], 100)
        .await?;
    let claimed = claimed.into_iter().map(|one| one.claim.id).collect();
    Ok((sagas, claimed))
}

/// A small file with sagas in all states, in pages as small as they can be.
async fn small_file(path: &Path) -> Vec<u8> {
    let journal = Sqlite::open(path).await.expect("nobody uses it");
    for id in ["completed", "back", "stuck", "cut off", "asleep", "waiting"] {
        if id == "waiting" {
            let started = journal.start(saga(id, "{\"item\":\"tea\"}"), None).await;
            assert!(matches!(started, Ok(Started::New(None))));
            continue;
        }
        let claim = started(&journal, id).await;
        let mut events = done("{\"order\":3}".to_owned());
        let reason = Reason::new("error", "it was refused");
        match id {
            "completed" => events.push(Event::Completed {
                output: "3".to_owned(),
            }),
            "back" => events.extend([
                Event::Compensating { step: None, reason },
                Event::Compensated,
            ]),
            "stuck" => events.push(Event::Stuck { reason }),
            _ => {}
        }
        let appended = journal.append(&claim, 1, events).await;
        appended.expect("the claim holds");
        if id == "asleep" {
            let later = SystemTime::now() + Duration::from_hours(1);
            let released = journal.release(&claim, false, Wakeup::At(later)).await;
            released.expect("the claim holds");
        }
    }
    journal.close().await;
    let connection = Connection::open(path).expect("it is a database");
    connection
        .execute_batch("PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM;")
        .expect("it can be written");
    drop(connection);
    std::fs::read(path).expect("it can be read")
}

/// Opens a file with this in it. Returns what is wrong, if anything is.
async fn wrong(content: &[u8], sound: &Seen) -> Option<String> {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    std::fs::write(&path, content).expect("the folder can be written");
    // Damage that is not one saga's, but the file's, is said at once.
    let opened = Sqlite::options().must_exist(true).open(&path).await;
    let Ok(journal) = opened else { return None };
    let (sagas, claimed) = match seen(&journal).await {
        Ok(seen) => seen,
        Err(error) => return Some(format!("it is opened, but {error}")),
    };
    if sagas.len() != sound.0.len() {
        return Some(format!("{:?} are there", sagas.keys()));
    }
    let mut others = 0;
    for (id, one) in &sound.0 {
        let is_claimed = claimed.contains(id) == sound.1.contains(id);
        match sagas.get(id) {
            Some(found) if found == one => others += usize::from(!is_claimed),
            Some((_, _, Err(_))) | None => others += 1,
            Some(found) => return Some(format!("{one:?} is {found:?}")),
        }
    }
    (others > 1).then(|| format!("{others} sagas are held up"))
}

/// With `EACH_BYTE` set it is each byte, and takes minutes.
#[tokio::test]
async fn whichever_byte_is_flipped_no_outcome_is_wrong_and_no_other_saga_is_held_up() {
    let source = folder();
    let path = source.path().join("sagas.db");
    let content = small_file(&path).await;
    let journal = Sqlite::open(&path).await.expect("nobody uses it");
    let sound = seen(&journal).await.expect("it is sound");
    drop(journal);
    let seed = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}, {} bytes", content.len());
    let mut random = fastrand::Rng::with_seed(seed);
    let is_each = std::env::var_os("EACH_BYTE").is_some();
    let count = if is_each { content.len() } else { 150 };
    let mut failures = Vec::new();
    for index in 0..count {
        let offset = if is_each {
            index
        } else {
            random.usize(..content.len())
        };
        let mut flipped = content.clone();
        flipped[offset] ^= if random.bool() {
            0xFF
        } else {
            1 << random.u8(..8)
        };
        let what = format!(
            "byte {offset} is {:#x} and was {:#x}",
            flipped[offset], content[offset]
        );
        failures.extend(
            wrong(&flipped, &sound)
                .await
                .map(|wrong| format!("{what}: {wrong}")),
        );
        if index % 4 == 0 {
            let cut = wrong(&content[..offset], &sound).await;
            failures.extend(cut.map(|wrong| format!("cut at {offset}: {wrong}")));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {count}:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
