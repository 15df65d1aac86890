//! One owner of one file, by whatever name it is opened.

use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use saga_runtime::journal::{Filter, Journal, JournalError, Sqlite};

use super::file::{done, folder, saga, started};

#[tokio::test]
async fn the_second_who_opens_it_is_told_who_uses_it() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let first = Sqlite::open(&path).await.expect("no other process uses it");
    match Sqlite::open(&path).await {
        Err(JournalError::InUse { journal, owner }) => {
            assert_eq!(journal, path.display().to_string());
            let process = format!("process {} on ", std::process::id());
            assert!(owner.as_str().starts_with(&process), "{owner}");
            assert!(owner.as_str().contains(", for "), "{owner}");
        }
        other => panic!("{other:?}"),
    }
    drop(first);
    Sqlite::open(&path).await.expect("it is free again");
}

/// Names of one file.
fn names(folder: &Path) -> Vec<PathBuf> {
    let path = folder.join("sagas.db");
    let (symbolic, hard) = (folder.join("symbolic.db"), folder.join("hard.db"));
    std::os::unix::fs::symlink(&path, &symbolic).expect("the folder can be written");
    std::fs::hard_link(&path, &hard).expect("the folder can be written");
    let roundabout = folder
        .join("..")
        .join(folder.file_name().expect("it has a name"));
    vec![
        PathBuf::from(format!("file:{}", path.display())),
        PathBuf::from(format!("file://{}", path.display()).replace("sagas", "%73agas")),
        roundabout.join("sagas.db"),
        symbolic,
        hard,
        path,
    ]
}

/// Runs one of the functions of this file that are called in another process, in another process.
fn in_another_process(function: &str, paths: &[PathBuf]) -> String {
    let paths = std::env::join_paths(paths).expect("no path has a colon");
    let child = Command::new(std::env::current_exe().expect("the test is a program"))
        .args(["--exact", "--nocapture"])
        .arg(format!("sqlite::owner::{function}"))
        .env("JOURNALS", paths)
        .output()
        .expect("the test can be run");
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{output}");
    output
}

/// The paths that another process is asked about; none in the test's own process.
fn asked() -> Vec<PathBuf> {
    let paths = std::env::var_os("JOURNALS");
    let paths = paths.map(|paths| std::env::split_paths(&paths).collect());
    paths.unwrap_or_default()
}

async fn is_in_use(path: &Path) -> bool {
    match Sqlite::open(path).await {
        Err(JournalError::InUse { .. }) => true,
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[tokio::test]
async fn all_names_of_a_file_have_one_owner() {
    let folder = folder();
    let journal = Sqlite::open(folder.path().join("sagas.db")).await;
    let journal = journal.expect("no other process uses it");
    for path in names(folder.path()) {
        assert!(is_in_use(&path).await);
    }
    drop(journal);
    for path in names_again(folder.path()) {
        let journal = Sqlite::open(&path).await.expect("it is free again");
        started(&journal, &path.display().to_string()).await;
    }
}

/// The names of [`names`] that SQLite itself knows as the same file.
fn names_again(folder: &Path) -> Vec<PathBuf> {
    vec![
        PathBuf::from(format!("file:{}", folder.join("sagas.db").display())),
        folder.join("symbolic.db"),
        folder.join("sagas.db"),
    ]
}

/// SQLite finds the write-ahead log of a file by its name, and a process that ends without a word leaves one.
#[tokio::test]
async fn after_a_crash_a_hard_link_of_the_file_is_refused() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open(&path).await.expect("no other process uses it");
    started(&journal, "order-1").await;
    let crashed = folder.path().join("crashed");
    std::fs::create_dir(&crashed).expect("it is new");
    for name in ["sagas.db", "sagas.db-wal"] {
        std::fs::copy(folder.path().join(name), crashed.join(name)).expect("it is there");
    }
    let (path, hard) = (crashed.join("sagas.db"), crashed.join("hard.db"));
    std::fs::hard_link(&path, &hard).expect("the folder can be written");
    for refused in [
        Sqlite::open(&hard).await,
        Sqlite::open_read_only(&hard).await,
    ] {
        let Err(JournalError::Unsuitable { message }) = refused else {
            panic!("{refused:?}");
        };
        assert!(message.contains("sagas.db"), "{message}");
    }
    let journal = Sqlite::open(&path).await.expect("no other process uses it");
    let listed = journal.list(&Filter::default()).await;
    assert_eq!(listed.expect("it can be read").sagas.len(), 1);
    drop(journal);
    // Its log is in the file now.
    let journal = Sqlite::open(&hard).await.expect("no other process uses it");
    let listed = journal.list(&Filter::default()).await;
    assert_eq!(listed.expect("it can be read").sagas.len(), 1);
}

#[tokio::test]
async fn another_process_is_refused_by_any_name_and_without_the_file_beside() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let _journal = Sqlite::open(&path).await.expect("no other process uses it");
    let mut names = names(folder.path());
    // A list of paths is separated by colons, and URIs have one.
    names.retain(|name| !name.display().to_string().contains(':'));
    let refused = in_another_process("refused_in_another_process", &names);
    assert_eq!(
        refused.matches("refused").count(),
        names.len() + 1,
        "{refused}"
    );
    let process = format!("process {} on ", std::process::id());
    assert!(refused.contains(&process), "{refused}");
    std::fs::remove_file(folder.path().join("sagas.db.owner")).expect("it is there");
    let refused = in_another_process("refused_in_another_process", &names);
    assert!(refused.contains("another process"), "{refused}");
}

#[tokio::test]
async fn refused_in_another_process() {
    for path in asked() {
        assert!(is_in_use(&path).await);
        let error = Sqlite::open(&path).await.map(drop);
        println!("refused: {}", error.expect_err("it is in use"));
    }
}

/// A process that closes any descriptor of a file loses its POSIX locks on the file, and SQLite's are such locks.
#[tokio::test]
async fn a_refused_open_costs_sqlite_no_lock() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open(&path).await.expect("no other process uses it");
    let looking = Sqlite::open_read_only(&path).await.expect("it is there");
    let claim = started(&journal, "order-1").await;
    for name in names(folder.path()) {
        assert!(is_in_use(&name).await);
    }
    drop(looking);
    drop(Sqlite::open_read_only(&path).await.expect("it is there"));
    // The last connection to a file removes the write-ahead log. This one must not take itself for the last.
    in_another_process("looked_at_by_another_process", std::slice::from_ref(&path));
    assert!(folder.path().join("sagas.db-wal").exists());
    let appended = journal.append(&claim, 1, done("1".to_owned())).await;
    appended.expect("the claim holds");
}

#[tokio::test]
async fn looked_at_by_another_process() {
    for path in asked() {
        let connection = Connection::open(&path).expect("it is a database");
        let count: i64 = connection
            .query_row("SELECT count(*) FROM sagas", [], |row| row.get(0))
            .expect("it can be read");
        assert_eq!(count, 1);
    }
}

#[tokio::test]
async fn a_relative_path_is_resolved_when_it_is_opened() {
    let folder = folder();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    for folder in [&one, &other] {
        std::fs::create_dir(folder).expect("it is new");
    }
    in_another_process("moves_to_another_folder", &[one, other]);
}

#[tokio::test]
async fn moves_to_another_folder() {
    let [one, other] = &*asked() else { return };
    std::env::set_current_dir(one).expect("it is there");
    let journal = Sqlite::open("sagas.db")
        .await
        .expect("no other process uses it");
    started(&journal, "order-1").await;
    std::env::set_current_dir(other).expect("it is there");
    drop(
        Sqlite::open("sagas.db")
            .await
            .expect("no other process uses it"),
    );
    let listed = journal.list(&Filter::default()).await;
    assert_eq!(listed.expect("it can be read").sagas.len(), 1);
}

#[tokio::test]
async fn a_journal_that_must_exist_is_not_created() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let must_exist = || Sqlite::options().must_exist(true);
    let missing = must_exist().open(&path).await;
    assert!(
        matches!(missing, Err(JournalError::Missing { .. })),
        "{missing:?}"
    );
    assert!(!path.exists());
    std::fs::write(&path, "").expect("the folder can be written");
    let empty = must_exist().open(&path).await;
    assert!(
        matches!(empty, Err(JournalError::Missing { .. })),
        "{empty:?}"
    );
    drop(Sqlite::open(&path).await.expect("no other process uses it"));
    must_exist().open(&path).await.expect("it is there");
}

#[tokio::test]
async fn a_journal_that_is_created_is_an_event() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let log = in_another_process("opens_a_journal_twice", &[path]);
    assert_eq!(
        log.matches("INFO saga: journal created").count(),
        1,
        "{log}"
    );
    assert!(log.contains("sagas.db"), "{log}");
}

/// In a process of its own, because the subscriber is the process's.
#[tokio::test]
async fn opens_a_journal_twice() {
    for path in asked() {
        tracing_subscriber::fmt().with_ansi(false).init();
        for _ in 0..2 {
            drop(Sqlite::open(&path).await.expect("no other process uses it"));
        }
    }
}

#[tokio::test]
async fn the_file_is_free_when_the_last_handle_is_closed() {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let first = Sqlite::open(&path).await.expect("no other process uses it");
    let second = first.clone();
    first.close().await;
    first.close().await;
    let refused = first.start(saga("order-1", "{}"), None).await;
    assert!(matches!(refused, Err(JournalError::Closed)), "{refused:?}");
    let refused = first.list(&Filter::default()).await;
    assert!(matches!(refused, Err(JournalError::Closed)), "{refused:?}");
    assert!(is_in_use(&path).await);
    started(&second, "order-1").await;
    second.close().await;
    let again = Sqlite::open(&path).await.expect("it is free again");
    assert!(first.clone().load(&saga("order-1", "{}").id).await.is_err());
    let listed = again.list(&Filter::default()).await;
    assert_eq!(listed.expect("it can be read").sagas.len(), 1);
}

#[tokio::test]
async fn a_journal_has_a_file() {
    for path in ["", ":memory:", "file:sagas.db?mode=memory"] {
        let refused = Sqlite::open(path).await;
        assert!(
            matches!(refused, Err(JournalError::Unsuitable { .. })),
            "{refused:?}"
        );
    }
}
