//! `shop demo`: runs the three services as processes, places many orders at once, some of which must fail, and audits
//! what is left of them.

mod audit;
mod fleet;
mod folder;
mod plan;
mod table;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use saga_runtime::SagaId;
use saga_runtime::coordinator::Inspector;
use saga_runtime::journal::Sqlite;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use self::audit::Audit;
use self::fleet::Fleet;
use self::folder::Folder;
use self::plan::PlannedOrder;
use self::table::PlacedOrder;
use crate::order::{self, Outcome};
use crate::proto::checkout::PlaceOrderRequest;
use crate::proto::checkout::checkout_client::CheckoutClient;
use crate::stop::Stop;

/// How many orders are placed at the same time.
const AT_ONCE: usize = 24;

/// How long a client waits before it asks again.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it asks.
const PATIENCE: u32 = 300;

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
        let journal = folder.path().join("sagas.db");
        let mut fleet = Fleet::new(folder.path());
        let placed = tokio::select! {
            placed = place_orders(&mut fleet, &journal, self.orders) => Some(placed),
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
            Ok(mut placed) => {
                note_resumed(&mut placed, &journal).await?;
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

async fn place_orders(
    fleet: &mut Fleet<'_>,
    journal: &Path,
    count: u16,
) -> anyhow::Result<Vec<PlacedOrder>> {
    let payments = fleet.start("payments", &plan::payments()).await?;
    let delivery = fleet.start("delivery", &plan::delivery()).await?;
    let participants = [
        ("--payments", payments.to_string()),
        ("--delivery", delivery.to_string()),
    ];
    let journal = ("--journal", journal.to_string_lossy().into_owned());
    let [payments, delivery] = participants;
    let orders = fleet
        .start("orders", &[payments, delivery, journal])
        .await?;
    let checkout = order::connect(&orders).await?;

    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    for planned in plan::orders(count) {
        let (checkout, slots) = (checkout.clone(), Arc::clone(&slots));
        under_way.spawn(async move {
            let _slot = slots.acquire().await;
            let begin = Instant::now();
            let outcome = place_until_answered(checkout, &planned).await;
            PlacedOrder {
                planned,
                outcome,
                time: begin.elapsed(),
                resumed: false,
            }
        });
    }

    eprint!("{count} orders, {AT_ONCE} at once: ");
    let mut placed = Vec::new();
    while let Some(order) = under_way.join_next().await {
        let order = order?;
        eprint!("{}", order.mark());
        placed.push(order);
        if placed.len() == usize::from(count.div_ceil(6)) {
            eprint!(" kill -9 orders … ");
            fleet.kill_and_restart("orders").await?;
        }
    }
    eprintln!("\n");
    placed.sort_by_key(|order| order.planned.number);
    Ok(placed)
}

/// Places an order; asks again under the same request id if the answer is lost, as a good client does.
async fn place_until_answered(
    checkout: CheckoutClient<Channel>,
    planned: &PlannedOrder,
) -> Outcome {
    let request = PlaceOrderRequest {
        amount: planned.amount.minor_units(),
        parcels: planned.parcels,
        request_id: planned.request_id(),
    };
    let mut asked = 0;
    loop {
        let outcome = order::place(checkout.clone(), request.clone()).await;
        asked += 1;
        if !matches!(outcome, Outcome::Error(_)) || asked == PATIENCE {
            return outcome;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Notes which orders the second process has gone on with.
async fn note_resumed(placed: &mut [PlacedOrder], journal: &Path) -> anyhow::Result<()> {
    let inspector = Inspector::new(Sqlite::open_read_only(journal).await?);
    for order in placed {
        let id = SagaId::new(order.planned.request_id())?;
        let saga = inspector.inspect(&id).await?;
        order.resumed = saga.is_some_and(|saga| saga.record.epoch > 1);
    }
    Ok(())
}
