//! Which process uses the file: a lock that the operating system lets go of when the process ends.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::journal::{JournalError, Worker};

/// The lock on a journal, until it is dropped.
#[derive(Debug)]
pub(super) struct FileLock {
    _lock: File,
}

impl FileLock {
    /// Takes the journal at `path` for this process.
    pub(super) fn take(path: &Path) -> Result<Self, JournalError> {
        let mut lock_path = OsString::from(path);
        lock_path.push(".owner");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(lock_path)
            .map_err(JournalError::unavailable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Its owner may be about to write its name.
                let _ = file.read_to_string(&mut owner);
                let owner = match owner.trim() {
                    "" => "another process",
                    owner => owner,
                };
                let began = file.metadata().and_then(|file| file.modified());
                let since = began.ok().and_then(|began| began.elapsed().ok());
                let since = since.map_or(0, |since| since.as_secs());
                return Err(JournalError::InUse {
                    journal: path.display().to_string(),
                    owner: Worker::new(format!("{owner}, for {since} s")),
                });
            }
            Err(TryLockError::Error(error)) => return Err(JournalError::unavailable(error)),
        }
        write_name(&mut file).map_err(JournalError::unavailable)?;
        Ok(Self { _lock: file })
    }
}

/// Who this process is, for the one who finds the journal in use.
fn write_name(file: &mut File) -> std::io::Result<()> {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default();
    let host = match host.trim() {
        "" => "this host",
        host => host,
    };
    file.set_len(0)?;
    file.rewind()?;
    let process = std::process::id();
    writeln!(file, "process {process} on {host}")
}
