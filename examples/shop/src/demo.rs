//! `shop demo`: runs the four services as processes, places many orders at once, some of which must fail, kills one
//! process in the middle, and audits what is left of them.

mod audit;
mod balancer;
mod console;
mod engine;
mod fleet;
mod folder;
mod kill;
mod plan;
mod review;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use saga_runtime::SagaId;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use self::audit::Audit;
pub use self::console::Console;
use self::engine::{Engine, On};
use self::fleet::Fleet;
use self::folder::Folder;
use self::kill::CutOff;
use self::plan::PlannedOrder;
use self::review::Reviewer;
use self::table::PlacedOrder;
use crate::address::Address;
use crate::order::{self, Outcome};
use crate::proto::checkout::PlaceOrderRequest;
use crate::proto::checkout::checkout_client::CheckoutClient;
use crate::stop::Stop;

/// How many orders are placed at the same time.
const AT_ONCE: usize = 24;

/// How often the owner of the shop looks which orders wait for an approval.
const GLANCE: Duration = Duration::from_millis(50);

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

    /// Where the sagas are
    #[arg(
        long,
        env = "SHOP_DEMO_ON",
        value_name = "WHERE",
        value_enum,
        default_value_t
    )]
    on: On,

    /// Leave everything running when all orders are answered, to look at it or to order more, until Ctrl-C
    #[arg(long, env = "SHOP_DEMO_KEEP")]
    keep: bool,
}

impl Demo {
    /// Runs the demo. The exit code says whether every order was placed or compensated.
    ///
    /// # Errors
    /// When a service does not start, or the databases can't be read.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self {
            orders,
            folder,
            on,
            keep,
        } = self;
        let mut stop = Stop::listen()?;
        let folder = Folder::open(folder)?;
        let mut engine = tokio::select! {
            engine = Engine::start(on, folder.path()) => engine?,
            () = stop.requested() => return Ok(ExitCode::FAILURE),
        };
        let mut fleet = Fleet::new(folder.path());
        let placed = tokio::select! {
            placed = place_orders(&mut fleet, &mut engine, orders) => Some(placed),
            () = stop.requested() => None,
        };
        let Some(placed) = placed else {
            eprintln!("\ninterrupted: ending the orders under way");
            fleet.stop().await;
            return Ok(ExitCode::FAILURE);
        };
        let is_left_running = keep && placed.is_ok();
        if !is_left_running {
            fleet.stop().await;
        }
        let audit = match placed {
            Ok(placed) => {
                println!("{}", table::render(&placed));
                if let Some(summary) = engine.summary().await? {
                    println!("{summary}");
                }
                Audit::of(folder.path()).await
            }
            Err(error) => Err(error),
        };
        if let Ok(audit) = &audit {
            for orphan in &audit.orphans {
                println!("orphan: {orphan}");
            }
            println!("{audit}");
        }
        if is_left_running {
            eprintln!("everything is left running until Ctrl-C");
            stop.requested().await;
            fleet.stop().await;
        }
        // A server that has the sagas goes after the service that runs them.
        drop(engine);
        if audit.as_ref().is_ok_and(|audit| audit.orphans.is_empty()) {
            return Ok(ExitCode::SUCCESS);
        }
        let folder = folder.keep();
        eprintln!("databases and logs are kept in {}", folder.display());
        audit.map(|_| ExitCode::FAILURE)
    }
}

async fn place_orders(
    fleet: &mut Fleet<'_>,
    engine: &mut Engine,
    count: u16,
) -> anyhow::Result<Vec<PlacedOrder>> {
    let started = start_services(fleet, engine, &[]).await?;
    let reviewer = order::connect(&started.orders).await?;
    let reviewer = Reviewer::of(reviewer, plan::orders(count));

    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    for planned in plan::orders(count) {
        // A customer of its own: the connections are shared out among the orders services, if there are several.
        let checkout = order::connect(&started.orders).await?;
        let slots = Arc::clone(&slots);
        under_way.spawn(async move {
            let _slot = slots.acquire().await;
            let begin = Instant::now();
            let outcome = place_until_answered(checkout, &planned).await;
            PlacedOrder {
                planned,
                outcome,
                time: begin.elapsed(),
                cut_off: None,
            }
        });
    }

    eprint!("{count} orders, {AT_ONCE} at once: ");
    let answers_before_the_kill = usize::from(count).min(AT_ONCE).div_ceil(6);
    let mut cut_off = None;
    let mut placed = Vec::new();
    let mut glances = tokio::time::interval(GLANCE);
    loop {
        tokio::select! {
            answered = under_way.join_next() => {
                let Some(order) = answered else { break };
                let order = order?;
                eprint!("{}", order.mark());
                placed.push(order);
            }
            _ = glances.tick() => {}
        }
        if cut_off.is_some() {
            reviewer.decide(&engine.open().await?).await;
        } else if placed.len() >= answers_before_the_kill {
            let open = engine.open().await?;
            // Nothing else would ever come, whatever the plan has been.
            let at_once = AT_ONCE.min(usize::from(count) - placed.len());
            let all_wait =
                open.len() >= at_once && open.values().all(|now| *now == CutOff::Waiting);
            if reviewer.sees_all_kinds(&open) || all_wait {
                cut_off = Some(engine.disturb(fleet, &started.options).await?);
            }
        }
    }
    eprintln!("\n");
    let cut_off = cut_off.unwrap_or_default();
    for order in &mut placed {
        let id = SagaId::new(order.planned.request_id())?;
        order.cut_off = cut_off.get(&id).copied();
    }
    placed.sort_by_key(|order| order.planned.number);
    Ok(placed)
}

/// The services that run.
struct Started {
    /// Where orders are placed.
    orders: Address,
    /// How the orders services were started.
    options: Vec<(&'static str, String)>,
}

/// Starts the services, orders last: it calls the others. It gets more options.
async fn start_services(
    fleet: &mut Fleet<'_>,
    engine: &mut Engine,
    more: &[(&'static str, String)],
) -> anyhow::Result<Started> {
    let stock = fleet.start("stock", &plan::stock()).await?;
    let payments = fleet.start("payments", &plan::payments()).await?;
    let delivery = fleet.start("delivery", &plan::delivery()).await?;
    let mut options = vec![
        ("--stock", stock.to_string()),
        ("--payments", payments.to_string()),
        ("--delivery", delivery.to_string()),
    ];
    options.extend(plan::orders_options());
    options.extend_from_slice(more);
    let orders = engine.start_orders(fleet, &options).await?;
    Ok(Started { orders, options })
}

/// Places an order; asks again under the same request id if the answer is lost, as a good client does.
async fn place_until_answered(
    checkout: CheckoutClient<Channel>,
    planned: &PlannedOrder,
) -> Outcome {
    let request = PlaceOrderRequest {
        items: planned.items.iter().map(Into::into).collect(),
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
