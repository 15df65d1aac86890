//! The operator of the place that was given: a file, a database, a service.

use anyhow::{Context, bail};
use saga_console::Remote;
use saga_runtime::journal::{JournalError, Sqlite};
use saga_runtime::operator::Operator;

use crate::arguments::Place;

/// Opens the place. If the sagas are only read, a file is opened so that no service notices.
pub(crate) async fn open(place: &Place, is_read: bool) -> anyhow::Result<Operator> {
    let journal = &*place.journal;
    if journal.is_empty() {
        bail!(
            "say where the sagas are: `--journal shop.db`, `--journal postgres://…`, `--journal http://…`, or set SAGA_JOURNAL"
        );
    }
    if journal.starts_with("http://") || journal.starts_with("https://") {
        let mut remote = Remote::new(journal, &place.by)?;
        if let Some(token) = &place.token {
            remote = remote.token(token)?;
        }
        return Ok(Operator::over(remote));
    }
    if journal.starts_with("postgres://") || journal.starts_with("postgresql://") {
        return postgres(journal, place, is_read).await;
    }
    let path = journal.strip_prefix("sqlite:").unwrap_or(journal);
    if is_read {
        return file_to_read(path, "the file is opened to be read only").await;
    }
    match Sqlite::options().must_exist(true).open(path).await {
        Ok(journal) => Ok(Operator::on(journal).await?),
        Err(JournalError::InUse { .. }) => {
            file_to_read(
                path,
                &format!(
                    "{path} belongs to a running service, and commands go through it: give the address of its console in place of the \
                     file (`--journal http://127.0.0.1:8080/sagas`), or stop the service first"
                ),
            )
            .await
        }
        Err(error) => Err(error).with_context(|| format!("{path} can't be opened")),
    }
}

async fn file_to_read(path: &str, why: &str) -> anyhow::Result<Operator> {
    let journal = Sqlite::open_read_only(path).await;
    let journal = journal.with_context(|| format!("{path} can't be read"))?;
    Ok(Operator::read_only(journal, why))
}

#[cfg(feature = "postgres")]
async fn postgres(url: &str, place: &Place, is_read: bool) -> anyhow::Result<Operator> {
    use saga_runtime::journal::Postgres;

    let mut options = Postgres::options();
    if let Some(schema) = &place.schema {
        options = options.schema(schema);
    }
    // The address may have a password, so that no error shows it.
    let journal = options
        .connect(url)
        .await
        .context("the database can't be reached")?;
    Ok(if is_read {
        Operator::read_only(journal, "the journal is only read")
    } else {
        Operator::on(journal).await?
    })
}

#[cfg(not(feature = "postgres"))]
async fn postgres(_: &str, _: &Place, _: bool) -> anyhow::Result<Operator> {
    bail!("this `saga` was built without the feature `postgres`")
}
