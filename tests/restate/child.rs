//! A process that runs sagas for Restate, and kills itself, the server, or both, at a given moment of a request.

#[path = "../crash/participant.rs"]
#[expect(dead_code, reason = "what is asked is read by the test")]
mod participant;
#[path = "../crash/sagas.rs"]
#[expect(dead_code, reason = "the test says which sagas are run")]
mod sagas;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Parser;
use rustix::process::{Pid, Signal, getpid, kill_process};
use saga_restate::Endpoint;

use participant::{Moments, Participant};
use sagas::{Doubting, Grouped, Line, Shipping, Spread};

#[derive(Parser)]
struct Arguments {
    /// The participant's database.
    participant: PathBuf,
    /// The address at which Restate finds the sagas.
    address: SocketAddr,
    /// At which moment something is killed, counted from 1.
    #[arg(long)]
    kill_at: Option<u64>,
    /// Kills this process of the server as well, then.
    #[arg(long)]
    server: Option<i32>,
    /// Is not killed itself, then.
    #[arg(long)]
    survives: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let participant = Participant::open(&arguments.participant, None)?;
    let address = arguments.address;
    let participant = participant.at_each_moment(moments(&arguments));
    Endpoint::builder(participant)
        .register::<Line>()
        .register::<Shipping>()
        .register::<Doubting>()
        .register::<Grouped>()
        .register::<Spread>()
        .serve(address)
        .await?;
    Ok(())
}

fn moments(arguments: &Arguments) -> Moments {
    let (kill_at, server, survives) = (arguments.kill_at, arguments.server, arguments.survives);
    let count = AtomicU64::new(0);
    Box::new(move || {
        let moment = count.fetch_add(1, Ordering::SeqCst) + 1;
        if kill_at != Some(moment) {
            return;
        }
        // A process that is gone already need not be killed.
        if let Some(server) = server.and_then(Pid::from_raw) {
            let _ = kill_process(server, Signal::KILL);
        }
        if !survives {
            let _ = kill_process(getpid(), Signal::KILL);
        }
    })
}
