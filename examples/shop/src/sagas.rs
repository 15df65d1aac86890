//! `shop sagas` and `shop saga`: what the journal says about the orders, also while the orders service runs; and what can be
//! said of those on Restate, which shows them itself.

mod restate;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use saga_runtime::SagaId;
use saga_runtime::coordinator::{Inspector, OpenWait};
use saga_runtime::journal::{Filter, Postgres, Record, Sqlite, State};

use crate::address::Address;

/// Where the sagas of the orders service are: in a file, or on a Restate server.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Sagas")]
pub(crate) struct SagasAt {
    /// The journal of the sagas; the orders service makes it if there is none
    #[arg(
        long,
        env = "SHOP_JOURNAL",
        value_name = "FILE",
        default_value = "sagas.db"
    )]
    pub(crate) journal: PathBuf,

    /// A Postgres database, like `postgres://user@host/database`, which has the sagas of several orders services instead of a file
    #[arg(
        long,
        env = "SHOP_DATABASE_URL",
        value_name = "URL",
        conflicts_with = "journal"
    )]
    pub(crate) database_url: Option<String>,

    /// The ingress of a Restate server, like `http://127.0.0.1:8080`, which has the sagas instead of a journal
    #[arg(
        long,
        env = "SHOP_RESTATE",
        value_name = "URL",
        conflicts_with_all = ["journal", "database_url"]
    )]
    pub(crate) restate: Option<Address>,
}

impl SagasAt {
    /// Opens the journal in this database.
    pub(crate) async fn postgres(&self, url: &str) -> anyhow::Result<Postgres> {
        let journal = Postgres::connect(url).await;
        journal.context("cannot open the journal in the database")
    }

    async fn inspector(&self) -> anyhow::Result<Inspector> {
        if let Some(url) = &self.database_url {
            return Ok(Inspector::new(self.postgres(url).await?));
        }
        let journal = Sqlite::open_read_only(&self.journal).await;
        let journal = journal
            .with_context(|| format!("cannot read the journal {}", self.journal.display()))?;
        Ok(Inspector::new(journal))
    }
}

/// Which sagas to list.
#[derive(Debug, clap::Args)]
pub struct Sagas {
    #[command(flatten)]
    at: SagasAt,

    /// Only those in this state: waiting, running, compensating, stuck, completed, compensated
    #[arg(long)]
    state: Option<State>,

    /// Only those whose id begins with this
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,

    /// At most so many, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    limit: usize,
}

/// Which saga to show.
#[derive(Debug, clap::Args)]
pub struct Saga {
    /// Its id: the request id of the order
    id: SagaId,

    #[command(flatten)]
    at: SagasAt,
}

impl Sagas {
    /// Prints the list.
    ///
    /// # Errors
    /// When the journal can't be read, or there is none.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        if self.at.restate.is_some() {
            bail!("{}", restate::LISTED_THERE);
        }
        let mut filter = Filter::default().limit(self.limit);
        filter.state = self.state;
        filter.id_prefix = self.prefix;
        let inspector = self.at.inspector().await?;
        let page = inspector.list(&filter).await?;
        let mut lines = Vec::new();
        for record in &page.sagas {
            let waits = if record.state.is_final() {
                None
            } else {
                inspector.inspect(&record.saga.id).await?
            };
            let waits = waits.map_or(Vec::new(), |inspected| inspected.waits);
            lines.push(line(record) + &waiting(&waits) + "\n");
        }
        if page.next.is_some() {
            lines.push("… and more: raise --limit\n".to_owned());
        }
        show(&lines.concat())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Saga {
    /// Prints the history of the saga, or how it has ended on Restate.
    ///
    /// # Errors
    /// When the journal can't be read, or Restate can't be reached.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let history = match &self.at.restate {
            None => {
                let inspected = self.at.inspector().await?.inspect(&self.id).await?;
                inspected.map(|saga| saga.to_string())
            }
            Some(ingress) => restate::saga(ingress, &self.id).await?,
        };
        let Some(history) = history else {
            eprintln!("there is no saga `{}`", self.id);
            return Ok(ExitCode::FAILURE);
        };
        show(&history)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Prints a text. Whoever reads it may stop in the middle, as `head` does.
fn show(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        shown => shown,
    }
}

fn line(record: &Record) -> String {
    let ago = |time: SystemTime| {
        let seconds = time.elapsed().unwrap_or_default().as_secs();
        humantime::format_duration(Duration::from_secs(seconds)).to_string()
    };
    let taken_up = match record.epoch {
        0 | 1 => String::new(),
        epoch => format!("  taken up {epoch} times"),
    };
    format!(
        "{:<13} {:<36} {:<12} {} ago{taken_up}",
        record.state,
        record.saga.id.as_str(),
        record.saga.name,
        ago(record.changed_at)
    )
}

/// What it waits for, and how long it still does.
fn waiting(waits: &[OpenWait]) -> String {
    let wait = |wait: &OpenWait| {
        let events: Vec<_> = wait.call.events().collect();
        let call = if events.is_empty() {
            format!("  waits in {}", wait.call)
        } else {
            format!("  waits for {}", events.join(" or "))
        };
        let left = wait.until.map(|until| {
            let left = until.duration_since(SystemTime::now()).unwrap_or_default();
            let left = Duration::from_secs(left.as_secs());
            format!(", {} more", humantime::format_duration(left))
        });
        call + &left.unwrap_or_default()
    };
    waits.iter().map(wait).collect()
}
