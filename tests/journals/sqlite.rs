//! The journal in a file.

mod damage;
mod file;
mod many;
mod older;
mod owner;
mod people;
mod removed;

use saga_runtime::journal::Sqlite;
use saga_runtime::journal_suite;
use saga_runtime::testing::Factory;
use tempfile::TempDir;

struct InFile(TempDir);

impl InFile {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder for the test"))
    }

    async fn open_file(&self) -> Sqlite {
        let opened = Sqlite::open(self.0.path().join("sagas.db")).await;
        opened.expect("no other process uses it")
    }
}

impl Factory for InFile {
    type Journal = Sqlite;

    async fn open(&mut self) -> Sqlite {
        self.open_file().await
    }

    async fn reopen(&mut self, journal: Sqlite) -> Sqlite {
        drop(journal);
        self.open_file().await
    }
}

journal_suite!(InFile::new());
