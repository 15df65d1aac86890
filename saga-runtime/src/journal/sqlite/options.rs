//! The settings of a journal in a file.

use std::path::Path;

use crate::journal::{JournalError, Sqlite};

/// The settings with which a [`Sqlite`] journal is opened: [`Sqlite::options`].
///
/// ```no_run
/// # async fn open() -> Result<(), saga_runtime::journal::JournalError> {
/// use saga_runtime::journal::Sqlite;
///
/// let journal = Sqlite::options().must_exist(true).open("shop.db").await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "nothing is opened until `open` is called"]
pub struct SqliteOptions {
    pub(super) must_exist: bool,
    pub(super) max_pages: Option<u32>,
}

impl SqliteOptions {
    /// Refuses a file that does not exist or is empty, with [`JournalError::Missing`]: a wrong path, or a volume that is not
    /// mounted, is then no new journal. `false` if nothing is said.
    pub fn must_exist(self, must_exist: bool) -> Self {
        Self { must_exist, ..self }
    }

    /// Limits the file to this many pages of 4 KiB. When it is full, nothing more is written until the journal is opened with
    /// room: like a full disk, but for this file only. No limit if nothing is said.
    pub fn max_pages(self, pages: u32) -> Self {
        Self {
            max_pages: Some(pages),
            ..self
        }
    }

    /// Opens the journal in this file like [`Sqlite::open`], with these settings.
    ///
    /// # Errors
    /// Like [`Sqlite::open`]; [`JournalError::Missing`] if the file [has to exist](Self::must_exist) and does not.
    pub async fn open(self, path: impl AsRef<Path>) -> Result<Sqlite, JournalError> {
        Sqlite::open_with(path.as_ref(), &self).await
    }
}
