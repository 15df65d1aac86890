//! An append that could not be written with the others: the reason, or the answer that was lost.

use sqlx::{AssertSqlSafe, Row as _};

use crate::journal::postgres::connections::{Connections, RunOn as _};
use crate::journal::postgres::operation::{Append, signed, unavailable};
use crate::journal::postgres::read::row_of;
use crate::journal::postgres::schema::Schema;
use crate::journal::{AppendError, JournalError, Row};

/// Says why these entries could not be added. If the same entries stand there already, all is well: the answer to the
/// first attempt was lost.
pub(super) async fn apart(
    pool: &Connections,
    schema: &Schema,
    append: &Append,
) -> Result<(), AppendError> {
    let fenced = AppendError::Fenced {
        epoch: append.claim.epoch,
    };
    let not_contiguous = AppendError::NotContiguous { seq: append.first };
    let failed = |error: sqlx::Error| AppendError::from(unavailable(&error));
    let sql = schema.sql(
        "SELECT event, step, occurrence, kind, attempts, code, message, payload::text AS payload, seq
         FROM {schema}.entries WHERE saga = $1 ORDER BY seq",
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(append.number)
        .all_on(pool)
        .await
        .map_err(failed)?;
    let sql = schema.sql("SELECT epoch, worker FROM {schema}.open_sagas WHERE number = $1");
    let open = sqlx::query(AssertSqlSafe(sql))
        .bind(append.number)
        .optional_on(pool)
        .await
        .map_err(failed)?;
    let mut entries: Vec<Row> = Vec::new();
    let mut last = None;
    for row in &rows {
        last = Some(row.try_get::<i64, _>("seq").map_err(failed)?);
        if let Some(entry) = row_of(row).map_err(failed)? {
            entries.push(entry);
        }
    }
    let count = signed(entries.len() as u64);
    let (epoch, is_held) = match &open {
        Some(row) => (
            row.try_get("epoch").map_err(failed)?,
            row.try_get::<Option<String>, _>("worker")
                .map_err(failed)?
                .is_some(),
        ),
        None => match last {
            Some(last) => (last - count, false),
            // There is no such saga.
            None => return Err(fenced),
        },
    };
    if epoch != signed(append.claim.epoch) {
        return Err(fenced);
    }
    let written = usize::try_from(append.first.saturating_sub(1)).unwrap_or(usize::MAX);
    if append.first > 0 && written < entries.len() {
        return if entries[written..] == append.rows {
            Ok(())
        } else {
            Err(not_contiguous)
        };
    }
    if is_held && written != entries.len() || append.first == 0 {
        return Err(not_contiguous);
    }
    if is_held {
        // The claim holds. The database gave the statement up for another one, and it can be repeated.
        return Err(AppendError::from(JournalError::Unavailable {
            message: "the entries were not written, and the claim still holds".to_owned(),
            source: None,
        }));
    }
    Err(fenced)
}
