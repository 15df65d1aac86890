//! Descriptors of journal files, one for each file in the process.
//!
//! When a process closes any descriptor of a file, it loses all POSIX locks on that file, and SQLite's are such locks: a
//! second connection could then remove the write-ahead log of the first. So a descriptor of a journal is opened once, shared
//! by all journals on that file, and kept open while a connection may use the file.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::lock::lock;

/// The identity of a file: equal for all names of one file.
#[cfg(unix)]
pub(super) type Identity = (u64, u64);
#[cfg(not(unix))]
pub(super) type Identity = std::path::PathBuf;

/// The identity of the file that has this path and these metadata.
#[cfg(unix)]
pub(super) fn identity(_: &Path, file: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    (file.dev(), file.ino())
}

#[cfg(not(unix))]
pub(super) fn identity(path: &Path, _: &Metadata) -> Identity {
    path.to_owned()
}

/// Returns whether the file has no name any more.
#[cfg(unix)]
fn is_deleted(file: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.nlink() == 0
}

#[cfg(not(unix))]
fn is_deleted(_: &Metadata) -> bool {
    false
}

/// The descriptor of a journal file.
#[derive(Debug)]
pub(super) struct Descriptor {
    pub(super) identity: Identity,
    pub(super) file: File,
    /// The name of this process, and since when it owns the journal, if it does.
    pub(super) owner: Mutex<Option<(String, Instant)>>,
}

/// The most descriptors of files that no journal of this process uses any more. Connections other than the library's may
/// use these files, so only the oldest are closed, when there are very many.
const IDLE: usize = 256;

static DESCRIPTORS: Mutex<Vec<Arc<Descriptor>>> = Mutex::new(Vec::new());

/// The descriptor of the file at this path. It creates an empty file if there is none and `is_created` says so.
pub(super) fn of(path: &Path, is_created: bool) -> io::Result<Arc<Descriptor>> {
    let mut all = lock(&DESCRIPTORS);
    close_idle(&mut all);
    if let Ok(file) = path.metadata() {
        let identity = identity(path, &file);
        if let Some(known) = all.iter().find(|one| one.identity == identity) {
            return Ok(Arc::clone(known));
        }
    }
    let mut options = File::options();
    options.read(true).write(is_created).create(is_created);
    let file = options.truncate(false).open(path)?;
    let identity = identity(path, &file.metadata()?);
    let descriptor = Arc::new(Descriptor {
        identity,
        file,
        owner: Mutex::default(),
    });
    all.push(Arc::clone(&descriptor));
    Ok(descriptor)
}

/// Closes descriptors that do no harm: of deleted files, and the oldest of very many.
fn close_idle(all: &mut Vec<Arc<Descriptor>>) {
    let is_idle = |one: &Arc<Descriptor>| Arc::strong_count(one) == 1;
    all.retain(|one| !(is_idle(one) && one.file.metadata().is_ok_and(|file| is_deleted(&file))));
    let mut surplus = all.iter().filter(|one| is_idle(one)).count();
    surplus = surplus.saturating_sub(IDLE);
    all.retain(|one| {
        let is_closed = surplus > 0 && is_idle(one);
        surplus -= usize::from(is_closed);
        !is_closed
    });
}
