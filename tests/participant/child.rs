//! The process that is killed: it carries one request out, or undoes one, and says what it has heard.

#[expect(dead_code, reason = "the tests look into the database")]
mod database;
mod service;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use rustix::process::{Signal, getpid, kill_process};
use saga_participant::Error;
use sqlx::{Postgres, Sqlite};

use database::Bank;
use service::{Course, Moment, Moments, Service};

#[derive(Parser)]
struct Arguments {
    /// The database.
    url: String,
    /// What to do.
    what: What,
    /// The key to do it under.
    key: String,
    /// Ends the process at this moment.
    #[arg(long)]
    killed_at: Option<Moment>,
}

/// The moment at which the process ends, if it does.
struct Killed(Option<Moment>);

impl Moments for Killed {
    async fn at(&self, moment: Moment) {
        if self.0 == Some(moment) {
            let killed = kill_process(getpid(), Signal::KILL);
            unreachable!("the process is gone: {killed:?}");
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    Request,
    Cancel,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if arguments.url.starts_with("sqlite:") {
        run::<Sqlite>(arguments).await
    } else {
        run::<Postgres>(arguments).await
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}: {:?}", std::error::Error::source(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run<DB: Bank>(arguments: Arguments) -> Result<(), Error> {
    let Arguments {
        url,
        what,
        key,
        killed_at,
    } = arguments;
    let service = Service::<DB>::open(&url).await?;
    let moments = Killed(killed_at);
    let heard = match what {
        What::Request => service.request(&key, Course::Take, &moments).await?,
        What::Cancel => service.cancel(&key, true, &moments).await?,
    };
    println!("{heard:?}");
    Ok(())
}
