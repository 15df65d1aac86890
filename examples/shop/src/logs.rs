//! What the processes log: to standard error, as text or as JSON, a line whenever a call, a saga, a step or a
//! compensation has ended. Amounts, keys and other payloads never are.

use std::io::IsTerminal as _;
use std::panic::{self, PanicHookInfo};

use anyhow::bail;
use observed::traces::layer;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How to log.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Logs")]
pub struct Logs {
    /// How log lines look
    #[arg(long, env = "SHOP_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// What is logged, as `level` or `module=level,…`
    #[arg(long, env = "SHOP_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One object per line, for machines
    Json,
}

/// Restate's library, which at some levels says what is in its messages.
const SILENT: &str = "restate_sdk=off";

impl Logs {
    /// Logs from now on, panics as well. Spans are traces, too, if there is a place for them.
    ///
    /// # Errors
    /// When the filter can't be read, or this process logs already.
    pub fn start(&self, traces: Option<&SdkTracerProvider>) -> anyhow::Result<()> {
        let Ok(filter) = self.log.parse::<EnvFilter>() else {
            bail!(
                "`{}` is no log filter: write `info` or `shop=debug,info`",
                self.log
            );
        };
        let filter = filter.add_directive(SILENT.parse()?);
        let lines = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(std::io::stderr);
        let started = match self.log_format {
            LogFormat::Text => lines
                .with_ansi(std::io::stderr().is_terminal())
                .finish()
                .with(traces.map(layer))
                .try_init(),
            LogFormat::Json => lines
                .json()
                .flatten_event(true)
                .finish()
                .with(traces.map(layer))
                .try_init(),
        };
        started?;
        panic::set_hook(Box::new(log_panic));
        Ok(())
    }
}

/// Says where, not what: the message of a panic can carry a payload.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, "panicked");
}
