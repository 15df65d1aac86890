//! `shop console`: the services with the console of their sagas, on orders that never end. Every now and then payments is
//! down for a while, so that some orders get stuck.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use super::engine::{Engine, On};
use super::fleet::Fleet;
use super::folder::Folder;
use super::{place_until_answered, plan, start_services};
use crate::order;
use crate::stop::Stop;

/// The pause between two orders.
const PAUSE: Duration = Duration::from_millis(400);
/// The number of orders between two outages of payments, and how many orders long each is.
const BETWEEN: u16 = 50;
const OUTAGE: u16 = 15;

/// Where the console is, and where the metrics are.
#[derive(Debug, clap::Args)]
pub struct Console {
    /// Where the console listens
    #[arg(
        long,
        env = "SHOP_CONSOLE",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:7242"
    )]
    listen: SocketAddr,

    /// Where Prometheus finds the metrics
    #[arg(
        long,
        env = "SHOP_METRICS",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9464"
    )]
    metrics: SocketAddr,
}

impl Console {
    /// Runs the services until Ctrl-C.
    ///
    /// # Errors
    /// When a service does not start.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut stop = Stop::listen()?;
        let folder = Folder::open(None)?;
        let mut engine = Engine::start(On::default(), folder.path()).await?;
        let mut fleet = Fleet::new(folder.path());
        let ended = tokio::select! {
            ended = order_for_ever(&mut fleet, &mut engine, &self) => ended,
            () = stop.requested() => Ok(()),
        };
        eprintln!("\nending the orders under way");
        fleet.stop().await;
        ended.map(|()| ExitCode::SUCCESS)
    }
}

async fn order_for_ever(
    fleet: &mut Fleet<'_>,
    engine: &mut Engine,
    at: &Console,
) -> anyhow::Result<()> {
    let options = [
        ("--console", at.listen.to_string()),
        ("--metrics", at.metrics.to_string()),
    ];
    let started = start_services(fleet, engine, &options).await?;
    let checkout = order::connect(&started.orders).await?;
    println!(
        "The console is at http://{}, the metrics are at http://{}/metrics, until Ctrl-C.",
        at.listen, at.metrics
    );
    let mut down = None;
    let mut ticks = tokio::time::interval(PAUSE);
    for planned in plan::orders(u16::MAX) {
        ticks.tick().await;
        match planned.number % BETWEEN {
            0 => down = Some(fleet.kill("payments").await?),
            OUTAGE => {
                if let Some(killed) = down.take() {
                    fleet.restart(killed).await?;
                }
            }
            _ => {}
        }
        let checkout = checkout.clone();
        tokio::spawn(async move { place_until_answered(checkout, &planned).await });
    }
    Ok(())
}
