//! A file that is removed or replaced while it is open acknowledges nothing more.

use std::fs;
use std::path::Path;

use saga_runtime::SagaId;
use saga_runtime::journal::{AppendError, Filter, Journal, JournalError, SagaVersion, Sqlite};

use super::file::{done, folder, lease, saga, started};

/// Opens a journal, does this to the folder that it is in, and sees that it refuses everything from then on.
async fn is_refused_after(harm: impl FnOnce(&Path)) {
    let folder = folder();
    let path = folder.path().join("sagas.db");
    let journal = Sqlite::open(&path).await.expect("no other process uses it");
    let looking = Sqlite::open_read_only(&path).await.expect("it is there");
    let claim = started(&journal, "order-1").await;
    harm(folder.path());
    let appended = journal.append(&claim, 1, done("1".to_owned())).await;
    assert!(
        matches!(
            appended,
            Err(AppendError::Journal(JournalError::Gone { .. }))
        ),
        "{appended:?}"
    );
    let gone = |error: JournalError| {
        assert!(!error.is_transient());
        assert!(
            error.to_string().contains("was removed or replaced"),
            "{error}"
        );
    };
    gone(
        journal
            .start(saga("order-2", "{}"), None)
            .await
            .expect_err("it is gone"),
    );
    gone(
        journal
            .claim(&lease(), &[SagaVersion::new("order", 1)], 9)
            .await
            .expect_err("it is gone"),
    );
    gone(
        journal
            .list(&Filter::default())
            .await
            .expect_err("it is gone"),
    );
    let id = SagaId::new("order-1").expect("a valid id");
    gone(journal.load(&id).await.expect_err("it is gone"));
    if !path.exists() {
        gone(looking.load(&id).await.expect_err("it is gone"));
    }
}

#[tokio::test]
async fn a_file_that_was_removed_is_refused() {
    is_refused_after(|folder| fs::remove_file(folder.join("sagas.db")).expect("it is there")).await;
}

#[tokio::test]
async fn a_file_that_was_moved_is_refused() {
    is_refused_after(|folder| {
        fs::rename(folder.join("sagas.db"), folder.join("old.db")).expect("it is there");
    })
    .await;
}

#[tokio::test]
async fn a_file_that_was_replaced_is_refused() {
    is_refused_after(|folder| {
        let backup = folder.join("backup.db");
        rusqlite::Connection::open(&backup).expect("a new database");
        fs::rename(backup, folder.join("sagas.db")).expect("it is there");
    })
    .await;
}

#[tokio::test]
async fn a_file_that_was_emptied_is_refused() {
    is_refused_after(|folder| {
        fs::File::create(folder.join("sagas.db")).expect("it is there");
    })
    .await;
}

#[tokio::test]
async fn a_file_whose_log_was_removed_is_refused() {
    is_refused_after(|folder| fs::remove_file(folder.join("sagas.db-wal")).expect("it is there"))
        .await;
}
