//! The arguments of the command line, with their help.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use saga_runtime::operator::SagaCommand;
use serde_json::Value;

/// See, understand and mend sagas: on a journal, or in a running service.
///
/// Commands on one saga take its id; commands on many take a filter, and only say what they would do until `--yes` is given.
#[derive(Debug, Parser)]
#[command(name = "saga", version, after_help = AFTER)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,

    /// Print JSON: one value, or one line for each saga
    #[arg(long, global = true)]
    pub(crate) json: bool,

    #[command(subcommand)]
    pub(crate) task: Task,
}

const AFTER: &str = "\
Filters are words, in any order:
  state=stuck            waiting, running, compensating, stuck, completed, compensated, abandoned; or, of those,
                         failing, queued, awaits_event, awaits_time, misfit, unregistered
  name=place_order       the definition        version=2    its version
  id=order-              the id begins so      age=2h       started at least so long ago (s, m, h, d)
  step=charge            the step in trouble   code=error   the code of the reason
  text=\"no courier\"      a part of the reason
  from=2026-11-29T03:00:00Z  before=…          started in this time (UTC)
A word without `=` is the id of one saga; `--id` says so of a word that has one: `saga retry --id order=17`.
A command on every saga needs `--all` in place of a filter.

Exit codes:
  0  done, or shown        1  an error, such as a journal that can't be reached
  2  wrong arguments       3  refused: the answer says why, and what helps
  4  there is no such saga 5  of many sagas, some have refused
  6  `check`: some sagas do not fit, or their code is not here

Examples:
  saga --journal shop.db list state=stuck
  saga --journal shop.db show order-17
  saga --journal http://127.0.0.1:8080/sagas retry order-17 --reason \"the bank is open again\"
  saga --journal shop.db pause place_order --reason \"the bank counts money twice\"
  saga --journal postgres://localhost/shop retry code=compensation_failed --reason \"repaired\" --yes";

/// Where the sagas are, and who asks.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The sagas: `shop.db`, `postgres://host/database`, or `http://host/sagas`, the console of a running service
    #[arg(
        long,
        global = true,
        env = "SAGA_JOURNAL",
        hide_env_values = true,
        value_name = "WHERE",
        default_value = ""
    )]
    pub(crate) journal: String,

    /// The schema of the tables in Postgres
    #[arg(long, global = true, env = "SAGA_SCHEMA", value_name = "NAME")]
    pub(crate) schema: Option<String>,

    /// The token that the console of the service asks for
    #[arg(long, global = true, env = "SAGA_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,

    /// Your name, for the history
    #[arg(
        long,
        global = true,
        env = "USER",
        value_name = "NAME",
        default_value = "operator"
    )]
    pub(crate) by: String,
}

impl Place {
    /// The reason with the name of the operator, which a service adds by itself.
    pub(crate) fn signed(&self, reason: &str) -> String {
        if self.journal.starts_with("http://") {
            reason.to_owned()
        } else {
            format!("{reason} (by {})", self.by)
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// List sagas, the newest first
    List {
        /// Which sagas: `state=stuck name=place_order`
        filter: Vec<String>,

        /// At most about so many
        #[arg(long, default_value_t = 50)]
        limit: usize,

        /// All of them, page by page
        #[arg(long)]
        all: bool,
    },

    /// Count the sagas that a filter means
    Count {
        /// Which sagas: `state=stuck code=compensation_failed`
        filter: Vec<String>,
    },

    /// Show one saga: its outline with what has happened, its history, what can be done
    Show {
        /// The id of the saga
        id: String,

        /// Show inputs, outputs and errors as well
        #[arg(long)]
        payloads: bool,
    },

    /// Follow one saga until it ends, or the numbers of all sagas
    Watch {
        /// The id of the saga
        id: Option<String>,
    },

    /// Count sagas by state, name and version; list paused definitions and workers
    Stats,

    /// Check if the open sagas fit the definitions that a running service has registered
    ///
    /// The service replays each open saga, without effects. On a file or a database, the code of the sagas is not here: the answer
    /// then lists the names and versions that the code must register, and says how the code checks a copy of the journal.
    Check,

    /// Pause a definition: no saga of it begins an attempt until it is resumed
    Pause {
        /// The durable name of the definition: `place_order`
        name: String,

        /// Why: the journal keeps it, with your name
        #[arg(long, short)]
        reason: String,
    },

    /// Resume a paused definition
    Resume {
        /// The durable name of the definition
        name: String,
    },

    /// Try again what has failed in stuck sagas
    Retry(Target),

    /// Record that a step of a stuck saga was undone by hand
    Resolve {
        /// The step as `show` has it: `charge`, `charge#1`, `pack/charge`
        #[arg(long)]
        step: String,

        #[command(flatten)]
        target: Target,
    },

    /// Leave the effect of a step of a stuck saga as it is, for ever on record
    Skip {
        /// The step as `show` has it
        #[arg(long)]
        step: String,

        #[command(flatten)]
        target: Target,
    },

    /// Record that a step in doubt was done
    Complete {
        /// The step as `show` has it
        #[arg(long)]
        step: String,

        /// Its output, as JSON
        #[arg(long, value_name = "JSON", value_parser = json)]
        output: Value,

        #[command(flatten)]
        target: Target,
    },

    /// Undo stuck sagas from their records, without their bodies: the code of the service is needed
    Compensate(Target),

    /// End sagas as they are: nothing more is undone
    Abandon(Target),

    /// Undo sagas that go forward
    Cancel(Target),

    /// Send an event to sagas that wait for it
    Send {
        /// The name of the event
        #[arg(long)]
        event: String,

        /// Its value, as JSON
        #[arg(long, value_name = "JSON", value_parser = json, default_value = "null")]
        value: Value,

        #[command(flatten)]
        selection: Selection,
    },

    /// Drop the oldest event of a name that sagas were sent and have not taken yet, so that the right one can be sent
    Drop {
        /// The name of the event
        #[arg(long)]
        event: String,

        #[command(flatten)]
        target: Target,
    },

    /// Remove sagas that have ended
    Purge {
        /// Sagas that ended before this time: `2026-11-29T03:00:00Z`
        #[arg(long, value_name = "TIME", required_unless_present = "older")]
        before: Option<String>,

        /// Sagas that ended at least so long ago: `90d`
        #[arg(long, value_name = "AGE", conflicts_with = "before")]
        older: Option<String>,

        /// Do it: without this, nothing is removed
        #[arg(long)]
        yes: bool,
    },

    /// Print whole sagas with their histories, one line of JSON for each
    ///
    /// Payloads are left out, so that the lines show no input, output, error value or event: ids, steps, times and the messages of errors
    /// stay. In a test of the service, `saga_runtime::testing::replays` checks that its definitions still fit these histories: with
    /// `--payloads` it replays them, and without, it compares their calls with the structure of the definitions.
    Export {
        /// The id of one saga, or a filter: `state=stuck name=place_order`
        #[arg(value_name = "ID|FILTER")]
        filter: Vec<String>,

        /// The word is the id of one saga, even if it has a `=`
        #[arg(long)]
        id: bool,

        /// With inputs, outputs and errors
        #[arg(long)]
        payloads: bool,
    },

    /// Serve the console on this journal
    Console {
        /// The address to listen on. Any other than loopback needs --token
        #[arg(long, default_value = "127.0.0.1:7242")]
        listen: SocketAddr,

        /// Let operators carry out commands: without this it only shows
        #[arg(long)]
        writable: bool,

        /// Let operators unfold payloads
        #[arg(long)]
        payloads: bool,
    },

    /// Print the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Print the manual page
    Man,
}

/// The sagas of a command, and the reason for it.
#[derive(Debug, Args)]
pub(crate) struct Target {
    #[command(flatten)]
    pub(crate) selection: Selection,

    /// Why: the history of each saga gets it, with your name
    #[arg(long, short)]
    pub(crate) reason: String,
}

/// One saga by its id, or many by a filter.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// The id of one saga, or a filter: `state=stuck name=place_order`
    #[arg(required_unless_present = "all", value_name = "ID|FILTER", value_parser = word)]
    pub(crate) sagas: Vec<String>,

    /// The word is the id of one saga, even if it has a `=`
    #[arg(long)]
    pub(crate) id: bool,

    /// All sagas, in place of a filter
    #[arg(long, conflicts_with_all = ["sagas", "id"])]
    pub(crate) all: bool,

    /// With a filter or `--all`: do it. Without this, only say what would happen
    #[arg(long)]
    pub(crate) yes: bool,

    /// With a filter or `--all`: at most so many sagas
    #[arg(long, value_name = "SAGAS")]
    pub(crate) at_most: Option<u64>,
}

impl Task {
    /// The command on sagas, and on which ones. `None` if it is another task.
    pub(crate) fn into_command(self) -> Option<(SagaCommand, Target)> {
        Some(match self {
            Self::Retry(target) => (SagaCommand::Retry, target),
            Self::Resolve { step, target } => (SagaCommand::Resolve { step }, target),
            Self::Skip { step, target } => (SagaCommand::Skip { step }, target),
            Self::Complete {
                step,
                output,
                target,
            } => (SagaCommand::Complete { step, output }, target),
            Self::Compensate(target) => (SagaCommand::Compensate, target),
            Self::Abandon(target) => (SagaCommand::Abandon, target),
            Self::Cancel(target) => (SagaCommand::Cancel, target),
            Self::Send {
                event,
                value,
                selection,
            } => {
                // An event is recorded with its value only.
                let reason = "an event".to_owned();
                let target = Target { selection, reason };
                (SagaCommand::SendEvent { event, value }, target)
            }
            Self::Drop { event, target } => (SagaCommand::DropEvent { event }, target),
            _ => return None,
        })
    }
}

/// The message if a command has no filter.
pub(crate) const NO_FILTER: &str =
    "no filter would mean every saga: give an id or a filter, or say `--all` in place of one";

/// A word of a command. An empty variable of a shell is none.
fn word(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err(NO_FILTER);
    }
    Ok(text.to_owned())
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("this is no JSON ({error}); a text needs quotes: '\"text\"'"))
}

/// The words of a filter as its text. A value with spaces gets the quotes that the shell has taken.
pub(crate) fn filter(words: &[String]) -> String {
    let quoted = words.iter().map(|word| match word.split_once('=') {
        Some((key, value)) if value.contains(char::is_whitespace) && !value.contains('"') => {
            format!("{key}=\"{}\"", value.replace('\\', "\\\\"))
        }
        _ => word.clone(),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_filter_keeps_the_words_that_the_shell_has_kept_together() {
        let words = ["state=stuck", "text=no courier", "age=1h"].map(str::to_owned);
        assert_eq!(filter(&words), r#"state=stuck text="no courier" age=1h"#);
    }
}
