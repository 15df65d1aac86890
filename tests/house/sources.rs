//! The sources of the repository as text, for tests that compile none of them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The crates that users depend on.
pub const CRATES: [&str; 6] = [
    "saga-runtime",
    "saga-macros",
    "saga-restate",
    "saga-participant",
    "saga-console",
    "saga-cli",
];

/// One file, read whole.
#[derive(Debug)]
pub struct Source {
    /// Its path from the root of the repository.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The root of the repository.
///
/// # Panics
/// If this package has moved.
#[must_use]
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().expect("the repository is there")
}

/// Reads the file at `path` from the root.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn read(path: &str) -> Source {
    let text = fs::read_to_string(root().join(path));
    Source {
        text: text.unwrap_or_else(|error| panic!("{path}: {error}")),
        path: path.to_owned(),
    }
}

/// Reads all files below `folder` that end in `.extension`, in order of their paths.
///
/// # Panics
/// If the folder can't be read.
#[must_use]
pub fn below(folder: &str, extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("the folder is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some(OsStr::new(extension)) {
                found.push(path);
            }
        }
    }
    found.sort();
    let root = root();
    let relative = |path: PathBuf| {
        path.strip_prefix(&root)
            .map(|path| path.display().to_string())
    };
    let paths = found.into_iter().map(relative);
    paths
        .map(|path| read(&path.expect("the path is below the root")))
        .collect()
}

/// The text without its comments, line for line. A `//` in a literal ends the line as well, which no guard minds.
#[must_use]
pub fn without_comments(text: &str) -> String {
    let code = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}
