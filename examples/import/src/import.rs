//! The sagas: a row is read and stored, or set aside; a catalogue is all of its rows, and goes live as a whole.

use saga_runtime::{Context, saga, step, try_join_all};

use crate::shop::{ImportError, Shop};

/// Rows that are read at the same time. The database of the shop takes no more.
pub(crate) const AT_ONCE: usize = 16;

/// With more bad rows than this, the file is wrong as a whole.
const BAD_ROWS: usize = 20;

/// Refuses a bad row. Only the number of the row is in the journal: what is in it is read here.
#[step(compensate = remove_row)]
pub(crate) async fn store_row(cx: Context<'_, Shop>, row: u32) -> Result<u32, ImportError> {
    cx.store(row).await
}

async fn remove_row(cx: Context<'_, Shop>, row: &u32) -> Result<(), ImportError> {
    cx.remove(*row);
    Ok(())
}

/// Until now no customer has seen a row; from now on they have.
#[step(pivot)]
async fn go_live(cx: Context<'_, Shop>) -> Result<(), ImportError> {
    cx.go_live();
    Ok(())
}

saga!(
    /// One row. A bad one is set aside, and does not make the import fail. Returns whether it is stored.
    #[saga(compensatable)]
    pub(crate) async fn import_row(cx: Context<'_, Shop>, row: u32) -> Result<bool, ImportError> {
        Ok(store_row(cx, row).await.is_ok())
    }
);

saga!(
    /// All rows of a catalogue. Returns the rows that were set aside.
    pub(crate) async fn import_catalogue(
        cx: Context<'_, Shop>,
        rows: u32,
    ) -> Result<Vec<u32>, ImportError> {
        // A range comes in the same order at each replay.
        let stored = try_join_all(AT_ONCE, 0..rows, |row| import_row(cx, row)).await?;
        let bad: Vec<_> = (0..rows)
            .zip(stored)
            .filter(|(_, is_stored)| !is_stored)
            .collect();
        if bad.len() > BAD_ROWS {
            return Err(ImportError::TooMany { bad: bad.len() });
        }
        go_live(cx).await?;
        Ok(bad.into_iter().map(|(row, _)| row).collect())
    }
);
