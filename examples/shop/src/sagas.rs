//! `shop sagas` and `shop saga`: what the journal says about the orders, also while the orders service runs.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use saga_runtime::SagaId;
use saga_runtime::coordinator::{Inspector, OpenWait};
use saga_runtime::journal::{Filter, Record, Sqlite, State};

/// Where the journal is.
#[derive(Debug, clap::Args)]
struct JournalFile {
    /// The journal of the orders service
    #[arg(
        long,
        env = "SHOP_JOURNAL",
        value_name = "FILE",
        default_value = "sagas.db"
    )]
    journal: PathBuf,
}

impl JournalFile {
    async fn inspector(&self) -> anyhow::Result<Inspector> {
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
    file: JournalFile,

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
    file: JournalFile,
}

impl Sagas {
    /// Prints the list.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut filter = Filter::default().limit(self.limit);
        filter.state = self.state;
        filter.id_prefix = self.prefix;
        let inspector = self.file.inspector().await?;
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
    /// Prints the history of the saga.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let inspected = self.file.inspector().await?.inspect(&self.id).await?;
        let Some(inspection) = inspected else {
            eprintln!("there is no saga `{}`", self.id);
            return Ok(ExitCode::FAILURE);
        };
        show(&inspection.to_string())?;
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
        let call = match wait.call.event() {
            Some(event) => format!("  waits for {event}"),
            None => format!("  waits in {}", wait.call),
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
