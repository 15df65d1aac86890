//! `shop demo`: runs the three services as processes, places many orders at once, some of which must fail, and audits
//! what is left of them.

mod audit;
mod fleet;
mod folder;
mod plan;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::audit::Audit;
use self::fleet::Fleet;
use self::folder::Folder;
use self::table::PlacedOrder;
use crate::order;
use crate::stop::Stop;

/// How many orders are placed at the same time.
const AT_ONCE: usize = 24;

/// How large a demo to run, and where.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// How many orders to place
    #[arg(
        long,
        env = "SHOP_DEMO_ORDERS",
        value_name = "COUNT",
        default_value_t = 24,
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    orders: u16,

    /// An empty folder that keeps the databases and logs [default: a temporary one, kept when something goes wrong]
    #[arg(long, env = "SHOP_DEMO_FOLDER")]
    folder: Option<PathBuf>,
}

impl Demo {
    /// Runs the demo. The exit code says whether every order was placed or compensated.
    ///
    /// # Errors
    /// When a service does not start, or the databases can't be read.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut stop = Stop::listen()?;
        let folder = Folder::open(self.folder)?;
        let mut fleet = Fleet::new(folder.path());
        let placed = tokio::select! {
            placed = place_orders(&mut fleet, self.orders) => Some(placed),
            () = stop.requested() => None,
        };
        if placed.is_none() {
            eprintln!("\ninterrupted: ending the orders under way");
        }
        fleet.stop().await;

        let Some(placed) = placed else {
            return Ok(ExitCode::FAILURE);
        };
        let audit = match placed {
            Ok(placed) => {
                println!("{}", table::render(&placed));
                Audit::of(folder.path()).await
            }
            Err(error) => Err(error),
        };
        if !audit.as_ref().is_ok_and(|audit| audit.orphans.is_empty()) {
            let folder = folder.keep();
            eprintln!("databases and logs are kept in {}", folder.display());
        }
        let audit = audit?;
        for orphan in &audit.orphans {
            println!("orphan: {orphan}");
        }
        println!("{audit}");
        Ok(if audit.orphans.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

async fn place_orders(fleet: &mut Fleet<'_>, count: u16) -> anyhow::Result<Vec<PlacedOrder>> {
    let payments = fleet.start("payments", &plan::payments()).await?;
    let delivery = fleet.start("delivery", &plan::delivery()).await?;
    let participants = [
        ("--payments", payments.to_string()),
        ("--delivery", delivery.to_string()),
    ];
    let orders = fleet.start("orders", &participants).await?;
    let checkout = order::connect(&orders).await?;

    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    for planned in plan::orders(count) {
        let (checkout, slots) = (checkout.clone(), Arc::clone(&slots));
        under_way.spawn(async move {
            let _slot = slots.acquire().await;
            let begin = Instant::now();
            let outcome = order::place(checkout, planned.amount, planned.parcels).await;
            PlacedOrder {
                planned,
                outcome,
                time: begin.elapsed(),
            }
        });
    }

    eprint!("{count} orders, {AT_ONCE} at once: ");
    let mut placed = Vec::new();
    while let Some(order) = under_way.join_next().await {
        let order = order?;
        eprint!("{}", order.mark());
        placed.push(order);
    }
    eprintln!("\n");
    placed.sort_by_key(|order| order.planned.number);
    Ok(placed)
}
