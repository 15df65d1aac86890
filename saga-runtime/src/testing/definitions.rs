//! The file of all registered sagas, and the changes since it was written: seen in a test, before they are deployed.

mod change;
mod outline;

use std::path::{Path, PathBuf};
use std::{env, fmt, fs};

use crate::coordinator::Builder;

pub use change::{ChangeVerdict, DefinitionChange};
pub use outline::LockError;

/// The variable that lets the file be written.
const UPDATE: &str = "SAGA_UPDATE";

/// Compares the registered sagas with this file, whose path begins at the package: their names, versions, steps, kinds and structure.
/// Policies, such as timeouts and retries, don't count. With `SAGA_UPDATE=1` the file is written instead.
///
/// ```no_run
/// # use saga_runtime::{Context, Coordinator, saga, step};
/// # #[step(compensate = ())] async fn quote(_: Context<'_, ()>) -> Result<(), String> { Ok(()) }
/// # saga!(async fn order(cx: Context<'_, ()>) -> Result<(), String> { quote(cx).await?; Ok(()) });
/// // In a `#[test]`, with the function that your service builds its coordinator with:
/// saga_runtime::testing::locked_sagas("sagas.lock", &Coordinator::builder(()).register::<Order>());
/// ```
///
/// # Panics
/// If something has changed, with a paragraph for each change: whether it is safe, needs a new version, or strands sagas in flight. Also if
/// the file can't be read or written, or two registered sagas have one name and version.
pub fn locked_sagas<S: ?Sized + Send + Sync + 'static, J>(
    path: impl AsRef<Path>,
    sagas: &Builder<S, J>,
) {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let path = package.unwrap_or_default().join(path);
    let text = lock_of(sagas).unwrap_or_else(|error| panic!("{error}"));
    if env::var_os(UPDATE).is_some() {
        if let Err(error) = fs::write(&path, text) {
            panic!("{} can't be written: {error}", path.display());
        }
        return;
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    let changes = changes_since(&known, sagas);
    let changes = changes.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        changes.is_empty() && known.replace("\r\n", "\n") == text,
        "the sagas differ from {}.{}\n\nIf that is intended, run the test with {UPDATE}=1 and read the difference.",
        path.display(),
        Review(&changes)
    );
}

/// The text of the file for these sagas.
///
/// # Errors
/// If two of them have one name and version, or two different steps of one have the same name.
pub fn lock_of<S: ?Sized + Send + Sync + 'static, J>(
    sagas: &Builder<S, J>,
) -> Result<String, LockError> {
    let shapes = sagas.shapes().map_err(|error| LockError::new(0, error))?;
    Ok(outline::text(&outline::of_shapes(&shapes)))
}

/// The changes of the registered sagas since this text of the file.
///
/// # Errors
/// If the text is not that of such a file, or the sagas can't be registered together.
pub fn changes_since<S: ?Sized + Send + Sync + 'static, J>(
    lock: &str,
    sagas: &Builder<S, J>,
) -> Result<Vec<DefinitionChange>, LockError> {
    let known = outline::read(lock)?;
    let shapes = sagas.shapes().map_err(|error| LockError::new(0, error))?;
    Ok(change::changes(&known, &outline::of_shapes(&shapes)))
}

/// The changes, as a reviewer writes them below each other.
struct Review<'a>(&'a [DefinitionChange]);

impl fmt::Display for Review<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f
                .write_str("\n\nOnly words differ, which no saga in flight is concerned with.");
        }
        self.0
            .iter()
            .try_for_each(|change| write!(f, "\n\n{change}"))
    }
}
