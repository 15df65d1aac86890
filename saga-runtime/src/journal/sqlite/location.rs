//! The one name of a journal file: absolute, without links, whatever the caller calls the file.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::journal::JournalError;

/// Resolves a path that may be relative, a symbolic link or a `file:` URI. The file need not exist.
///
/// It is resolved once, when the journal is opened: the working directory may change later.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, JournalError> {
    let path = match path.to_str() {
        Some("" | ":memory:") => {
            return Err(unsuitable(
                "a journal needs a file: for one that does not outlive the process, use `journal::Memory`",
            ));
        }
        Some(text) => match text.strip_prefix("file:") {
            Some(uri) => Cow::Owned(from_uri(uri)?),
            None => Cow::Borrowed(path),
        },
        None => Cow::Borrowed(path),
    };
    if let Ok(path) = path.canonicalize() {
        return Ok(path);
    }
    // The file does not exist: its folder has to.
    let absolute = std::path::absolute(&path).map_err(JournalError::unavailable)?;
    let absolute = match std::fs::read_link(&absolute) {
        // A link to a file that is not there yet.
        Ok(target) => match absolute.parent() {
            Some(folder) => folder.join(target),
            None => target,
        },
        Err(_) => absolute,
    };
    match (absolute.parent(), absolute.file_name()) {
        (Some(folder), Some(name)) => {
            let folder = folder.canonicalize().map_err(|error| {
                let message = format!("the folder {}: {error}", folder.display());
                JournalError::Unavailable {
                    message,
                    source: Some(Box::new(error)),
                }
            })?;
            Ok(folder.join(name))
        }
        _ => Err(unsuitable("a folder can't be a journal")),
    }
}

/// Checks that no write-ahead log belongs to this file by another name of it. SQLite finds a log by the name of its file: a
/// journal that is opened by a hard link would miss what was acknowledged, and overwrite it.
///
/// Names in other folders are not looked for.
#[cfg(unix)]
pub(super) fn check_other_names(path: &Path) -> Result<(), JournalError> {
    use std::os::unix::fs::MetadataExt;

    let (Ok(file), Some(folder)) = (path.metadata(), path.parent()) else {
        return Ok(());
    };
    if file.nlink() < 2 {
        return Ok(());
    }
    for other in folder.read_dir().map_err(JournalError::unavailable)? {
        let other = other.map_err(JournalError::unavailable)?.path();
        let is_same =
            |found: std::fs::Metadata| (found.dev(), found.ino()) == (file.dev(), file.ino());
        if other == path || !other.symlink_metadata().is_ok_and(is_same) {
            continue;
        }
        let mut log = other.clone().into_os_string();
        log.push("-wal");
        if Path::new(&log).metadata().is_ok_and(|log| log.len() > 0) {
            let message = format!(
                "the file is a hard link of {}, whose write-ahead log has what was written last: open it by that name",
                other.display()
            );
            return Err(JournalError::Unsuitable { message });
        }
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn check_other_names(_: &Path) -> Result<(), JournalError> {
    Ok(())
}

/// The path in a URI, which stands behind `file:`.
fn from_uri(uri: &str) -> Result<PathBuf, JournalError> {
    if uri.contains(['?', '#']) {
        return Err(unsuitable(
            "a journal takes no parameters in its URI: use `Sqlite::options()`",
        ));
    }
    let path = match uri.strip_prefix("//") {
        None => uri,
        Some(rest) => match rest.strip_prefix("localhost").unwrap_or(rest) {
            path if path.starts_with('/') => path,
            _ => return Err(unsuitable("the URI of a journal names another host")),
        },
    };
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let byte = if byte == b'%' {
            let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
            let code = digit().zip(digit()).map(|(high, low)| high * 16 + low);
            let code = code.and_then(|code| u8::try_from(code).ok());
            code.ok_or_else(|| unsuitable("a `%` in the URI of a journal needs two digits"))?
        } else {
            byte
        };
        bytes.push(byte);
    }
    let path = String::from_utf8(bytes)
        .map_err(|_| unsuitable("the URI of a journal is not the name of a file in UTF-8"))?;
    Ok(path.into())
}

fn unsuitable(message: &str) -> JournalError {
    JournalError::Unsuitable {
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_the_path_that_it_names() {
        let path = |uri| from_uri(uri).map_err(|error| error.to_string());
        assert_eq!(path("shop.db"), Ok("shop.db".into()));
        assert_eq!(path("/var/my%20shop.db"), Ok("/var/my shop.db".into()));
        assert_eq!(path("///var/shop.db"), Ok("/var/shop.db".into()));
        assert_eq!(path("//localhost/shop.db"), Ok("/shop.db".into()));
        for refused in [
            "shop.db?mode=ro",
            "//elsewhere/shop.db",
            "50%",
            "%zz",
            "%ff",
        ] {
            assert!(path(refused).is_err(), "{refused}");
        }
    }
}
