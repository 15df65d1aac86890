//! Notices that the journal was removed, replaced or emptied while it is open: what is written to such a file is lost.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::journal::JournalError;
use crate::journal::sqlite::descriptor::{Descriptor, Identity, identity};

/// The files of an open journal.
#[derive(Debug)]
pub(super) struct Presence {
    path: PathBuf,
    descriptor: Arc<Descriptor>,
    wal_path: PathBuf,
    /// The write-ahead log, once the writer has opened it. It stays the same file while a connection is open.
    wal: OnceLock<Identity>,
    /// The file had no content when it was opened.
    was_empty: bool,
    is_gone: AtomicBool,
}

impl Presence {
    pub(super) fn new(path: &Path, descriptor: Arc<Descriptor>) -> Self {
        let mut wal_path = OsString::from(path);
        wal_path.push("-wal");
        Self {
            path: path.to_owned(),
            descriptor,
            wal_path: wal_path.into(),
            wal: OnceLock::new(),
            was_empty: path.metadata().is_ok_and(|file| file.len() == 0),
            is_gone: AtomicBool::new(false),
        }
    }

    /// The path of the journal.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes the write-ahead log that the writer has opened.
    pub(super) fn note_wal(&self) {
        if let Some(found) = found(&self.wal_path) {
            let _ = self.wal.set(found);
        }
    }

    /// Checks that the open files are still there. Once one is not, this never succeeds again.
    ///
    /// Two calls of the operating system, a microsecond each: it can be asked for every commit.
    pub(super) fn check(&self) -> Result<(), JournalError> {
        if !self.is_gone.load(Ordering::Relaxed) {
            let is_there = self.path.metadata().is_ok_and(|file| {
                identity(&self.path, &file) == self.descriptor.identity
                    && (self.was_empty || file.len() > 0)
            });
            let wal = self.wal.get();
            if is_there && wal.is_none_or(|wal| found(&self.wal_path).as_ref() == Some(wal)) {
                return Ok(());
            }
            self.is_gone.store(true, Ordering::Relaxed);
        }
        Err(JournalError::Gone {
            journal: self.path.display().to_string(),
        })
    }
}

fn found(path: &Path) -> Option<Identity> {
    path.metadata().ok().map(|file| identity(path, &file))
}
