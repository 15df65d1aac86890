//! The lock by which one process owns a journal. It is on the file itself, so that all names of the file have the same
//! owner, and the operating system releases it when the process ends.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::journal::sqlite::descriptor::Descriptor;
use crate::journal::{JournalError, Worker};
use crate::lock::lock;

/// On these systems, a lock on the whole file leaves SQLite's own locks on parts of it alone. Elsewhere a file beside the
/// journal is locked.
const LOCKS_ITSELF: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The lock on a journal, until it is dropped.
#[derive(Debug)]
pub(super) struct FileLock {
    descriptor: Arc<Descriptor>,
    /// The file beside the journal, if that is locked.
    beside: Option<File>,
    /// The file beside the journal that says for people which process owns it.
    name_path: PathBuf,
}

impl FileLock {
    /// Takes the journal at `path`, which this is the descriptor of, for this process.
    pub(super) fn take(path: &Path, descriptor: &Arc<Descriptor>) -> Result<Self, JournalError> {
        let mut name_path = OsString::from(path);
        name_path.push(".owner");
        let name_path = PathBuf::from(name_path);
        let in_use = |owner: &str, since: Option<Duration>| {
            let since = since.map_or(0, |since| since.as_secs());
            JournalError::InUse {
                journal: path.display().to_string(),
                owner: Worker::new(format!("{owner}, for {since} s")),
            }
        };
        let mut owner = lock(&descriptor.owner);
        // The lock belongs to the descriptor: the operating system would give it to this process a second time.
        if let Some((name, since)) = &*owner {
            return Err(in_use(name, Some(since.elapsed())));
        }
        let beside = if LOCKS_ITSELF {
            None
        } else {
            Some(open(&name_path).map_err(JournalError::unavailable)?)
        };
        match beside.as_ref().unwrap_or(&descriptor.file).try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                // The owner may be about to write its name, or the file with the name may be gone.
                let name = std::fs::read_to_string(&name_path).unwrap_or_default();
                let name = match name.trim() {
                    "" => "another process",
                    name => name,
                };
                let began = name_path.metadata().and_then(|file| file.modified());
                let since = began.ok().and_then(|began| began.elapsed().ok());
                return Err(in_use(name, since));
            }
            Err(TryLockError::Error(error)) => return Err(JournalError::unavailable(error)),
        }
        let name = process_name();
        // For people only: the journal can be used without it, also when the disk is full.
        let _ = std::fs::write(&name_path, format!("{name}\n"));
        *owner = Some((name, Instant::now()));
        drop(owner);
        Ok(Self {
            descriptor: Arc::clone(descriptor),
            beside,
            name_path,
        })
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        let mut owner = lock(&self.descriptor.owner);
        *owner = None;
        if LOCKS_ITSELF {
            let _ = std::fs::remove_file(&self.name_path);
        }
        // The descriptor stays open: see `descriptor.rs`.
        let _ = match &self.beside {
            Some(beside) => beside.unlock(),
            None => self.descriptor.file.unlock(),
        };
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

/// The name of this process, for people who find the journal in use.
fn process_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let host = match host.trim() {
        "" => "this host",
        host => host,
    };
    format!("process {} on {host}", std::process::id())
}
