//! Where the demo's databases and logs are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

/// A folder for one demo.
#[derive(Debug)]
pub(super) enum Folder {
    /// Removed at the end, unless it is kept.
    Temporary(TempDir),
    /// The user's.
    Given(PathBuf),
}

impl Folder {
    /// The folder the user gave, made if there is none; or a temporary one.
    ///
    /// # Errors
    /// When it can't be made, or is not empty: the audit is about the orders of this demo only.
    pub(super) fn open(given: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(folder) = given else {
            let temporary = tempfile::Builder::new().prefix("shop-demo-").tempdir();
            return temporary
                .map(Self::Temporary)
                .context("cannot make a temporary folder");
        };
        fs::create_dir_all(&folder)
            .and_then(|()| fs::read_dir(&folder))
            .with_context(|| format!("cannot use the folder {}", folder.display()))
            .and_then(|mut entries| {
                ensure!(
                    entries.next().is_none(),
                    "the folder {} is not empty",
                    folder.display()
                );
                Ok(Self::Given(folder))
            })
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Given(folder) => folder,
        }
    }

    /// Leaves the folder where it is.
    pub(super) fn keep(self) -> PathBuf {
        match self {
            Self::Temporary(folder) => folder.keep(),
            Self::Given(folder) => folder,
        }
    }
}
