//! Prints how sagas of three steps do on a Restate server, beside a workflow that is written by hand on its SDK.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use restate_sdk::ingress::{self, RequestTarget};
use restate_sdk::prelude::{
    ContextSideEffects, Endpoint as ByHandEndpoint, HandlerResult, HttpServer, Json, RunFuture,
    WorkflowContext,
};
use saga_benches::figures::figure;
use saga_benches::table::grouped;
use saga_benches::targets::Target;
use saga_restate::testing::Server;
use saga_restate::{Client, Endpoint, Http};
use saga_runtime::{Context, SagaId, saga, step};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Measures sagas on Restate beside a hand-written workflow.
#[derive(Parser)]
struct Arguments {
    /// Few repetitions: shows that everything runs; the numbers mean little.
    #[arg(long)]
    quick: bool,
}

/// Nothing: the steps do none of the work that is measured.
struct Nothing;

/// What each step hands to the next.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Parcel {
    number: u64,
    label: String,
}

/// The work of each step, whoever calls it.
fn work(parcel: &Parcel) -> Parcel {
    Parcel {
        number: parcel.number + 1,
        label: parcel.label.clone(),
    }
}

#[step(compensate = undo)]
async fn first(_cx: Context<'_, Nothing>, parcel: &Parcel) -> Result<Parcel, String> {
    Ok(work(parcel))
}

#[step(compensate = undo)]
async fn second(_cx: Context<'_, Nothing>, parcel: &Parcel) -> Result<Parcel, String> {
    Ok(work(parcel))
}

#[step(compensate = undo)]
async fn third(_cx: Context<'_, Nothing>, parcel: &Parcel) -> Result<Parcel, String> {
    Ok(work(parcel))
}

async fn undo(_cx: Context<'_, Nothing>, _parcel: &Parcel) -> Result<(), String> {
    Ok(())
}

saga!(
    async fn three(cx: Context<'_, Nothing>, parcel: Parcel) -> Result<Parcel, String> {
        let parcel = first(cx, &parcel).await?;
        let parcel = second(cx, &parcel).await?;
        third(cx, &parcel).await
    }
);

/// The same by hand, of which nothing is undone.
struct ByHand;

#[restate_sdk::workflow(name = "by_hand", client_visibility = "pub(crate)")]
impl ByHand {
    #[handler]
    async fn run(
        &self,
        cx: WorkflowContext<'_>,
        Json(saga): Json<Three>,
    ) -> HandlerResult<Json<Parcel>> {
        let parcel = saga.parcel;
        let run = cx.run(|| async { Ok(Json(work(&parcel))) });
        let Json(parcel) = run.name("first").await?;
        let run = cx.run(|| async { Ok(Json(work(&parcel))) });
        let Json(parcel) = run.name("second").await?;
        let run = cx.run(|| async { Ok(Json(work(&parcel))) });
        let Json(parcel) = run.name("third").await?;
        Ok(Json(parcel))
    }
}

/// Who runs the three steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Contestant {
    ByHand,
    Saga,
}

/// Both clients of one server, over the same transport.
#[derive(Clone)]
struct Clients {
    by_hand: ingress::Client<Http>,
    sagas: Client,
    /// The process of the server.
    server: Option<i32>,
}

impl Clients {
    /// Runs one saga to its end, and returns its id.
    async fn run(&self, contestant: Contestant, number: u64) -> anyhow::Result<SagaId> {
        let id = SagaId::generate();
        let label = "a parcel, a payment, or whatever a step returns".to_owned();
        let saga = Three {
            parcel: Parcel { number, label },
        };
        let parcel = match contestant {
            Contestant::Saga => self.sagas.execute(id.clone(), &saga).await?,
            Contestant::ByHand => {
                let target = RequestTarget::Workflow {
                    name: "by_hand".to_owned(),
                    key: id.to_string(),
                    handler: "run".to_owned(),
                };
                let request = self.by_hand.request::<_, Json<Parcel>>(target, Json(saga));
                request.call().await?.into_body()?.0
            }
        };
        ensure!(parcel.number == number + 3, "every step ran once");
        Ok(id)
    }
}

/// What one round showed.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// Sagas per second.
    sagas: f64,
    /// Half of the sagas took no longer, in milliseconds.
    p50: f64,
    /// All but one of a hundred sagas took no longer, in milliseconds.
    p99: f64,
    /// Milliseconds of processor time per saga: in this process, which has the client and the service, and in the server.
    service: f64,
    server: f64,
}

impl Round {
    fn median(rounds: &[Self]) -> anyhow::Result<Self> {
        let of = |of: fn(&Self) -> f64| median(rounds.iter().map(of));
        Ok(Self {
            sagas: of(|round| round.sagas)?,
            p50: of(|round| round.p50)?,
            p99: of(|round| round.p99)?,
            service: of(|round| round.service)?,
            server: of(|round| round.server)?,
        })
    }
}

/// The processor time that this process and the server have used, in seconds.
#[derive(Clone, Copy)]
struct Used {
    service: f64,
    server: f64,
}

impl Used {
    fn now(server: Option<i32>) -> anyhow::Result<Self> {
        let server = server.context("the server runs")?;
        Ok(Self {
            service: processor_time("self")?,
            server: processor_time(&server.to_string())?,
        })
    }
}

/// The processor time of all threads of a process, in seconds.
fn processor_time(process: &str) -> anyhow::Result<f64> {
    /// Ticks of the clock of `/proc` in a second.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name of the program stands in brackets, and may have spaces.
    let (_, fields) = stat.rsplit_once(')').context("a status of a process")?;
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks = times.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS)
}

async fn round(
    clients: &Clients,
    contestant: Contestant,
    in_flight: usize,
    each: usize,
) -> anyhow::Result<Round> {
    let used = Used::now(clients.server)?;
    let began = Instant::now();
    let mut customers = JoinSet::new();
    for _ in 0..in_flight {
        let clients = clients.clone();
        customers.spawn(async move {
            let mut took = Vec::with_capacity(each);
            for number in 0..each as u64 {
                let began = Instant::now();
                clients.run(contestant, number).await?;
                took.push(began.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(customer) = customers.join_next().await {
        took.extend(customer??);
    }
    let elapsed = began.elapsed();
    let now = Used::now(clients.server)?;
    let sagas = f64::from(u32::try_from(took.len())?);
    took.sort_unstable();
    let at = |percent: usize| took.get(took.len() * percent / 100);
    let at = |percent| at(percent).map(Duration::as_secs_f64);
    Ok(Round {
        sagas: sagas / elapsed.as_secs_f64(),
        p50: at(50).context("at least one saga ran")? * 1e3,
        p99: at(99).context("at least one saga ran")? * 1e3,
        service: (now.service - used.service) * 1e3 / sagas,
        server: (now.server - used.server) * 1e3 / sagas,
    })
}

/// How many entries the journal of one saga has.
async fn entries(server: &Server, service: &str, id: &SagaId) -> anyhow::Result<u64> {
    let query = format!(
        "SELECT COUNT(*) AS entries FROM sys_journal j JOIN sys_invocation i ON j.id = i.id \
         WHERE i.target_service_name = '{service}' AND i.target_service_key = '{id}'"
    );
    let query = serde_json::json!({ "query": query }).to_string();
    let rows = server.ask(http::Method::POST, "/query", query).await?;
    let rows: serde_json::Value = serde_json::from_slice(&rows)?;
    rows["rows"][0]["entries"]
        .as_u64()
        .context("the server counts")
}

fn median(values: impl Iterator<Item = f64>) -> anyhow::Result<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let median = values.get(values.len() / 2).copied();
    median.context("at least one round")
}

async fn serve(server: &Server) -> anyhow::Result<()> {
    let ours = TcpListener::bind("127.0.0.1:0").await?;
    let theirs = TcpListener::bind("127.0.0.1:0").await?;
    let addresses = [ours.local_addr()?, theirs.local_addr()?];
    let endpoint = Endpoint::builder(Nothing).register::<Three>();
    tokio::spawn(endpoint.serve_until(ours, std::future::pending()));
    // Our endpoint does so by itself.
    socket2::SockRef::from(&theirs).set_tcp_nodelay(true)?;
    let by_hand = ByHandEndpoint::builder().bind(ByHand).build();
    let by_hand = HttpServer::new(by_hand);
    tokio::spawn(by_hand.serve_with_cancel(theirs, std::future::pending::<()>()));
    for address in addresses {
        server.register(&format!("http://{address}")).await?;
    }
    Ok(())
}

/// What was measured with so many sagas in flight: medians of several rounds.
struct Measured {
    in_flight: usize,
    by_hand: Round,
    saga: Round,
    /// How many times the throughput by hand that of the sagas is, and how many times the p50; medians as well.
    throughput: f64,
    p50: f64,
}

async fn measure(
    clients: &Clients,
    in_flight: usize,
    sagas: usize,
    rounds: usize,
) -> anyhow::Result<Measured> {
    // One at a time is slow, and fewer say as much.
    let each = sagas / in_flight.max(8);
    // What has to warm up is not measured.
    for contestant in [Contestant::ByHand, Contestant::Saga] {
        round(clients, contestant, in_flight, each.div_ceil(4)).await?;
    }
    let (mut by_hand, mut saga) = (Vec::new(), Vec::new());
    for number in 0..rounds {
        if number % 2 == 0 {
            by_hand.push(round(clients, Contestant::ByHand, in_flight, each).await?);
        }
        saga.push(round(clients, Contestant::Saga, in_flight, each).await?);
        if number % 2 == 1 {
            by_hand.push(round(clients, Contestant::ByHand, in_flight, each).await?);
        }
    }
    let ratio = |of: fn(&Round) -> f64| {
        let pairs = saga.iter().zip(&by_hand);
        median(pairs.map(|(saga, by_hand)| of(saga) / of(by_hand)))
    };
    Ok(Measured {
        in_flight,
        by_hand: Round::median(&by_hand)?,
        saga: Round::median(&saga)?,
        throughput: ratio(|round| round.sagas)?,
        p50: ratio(|round| round.p50)?,
    })
}

/// What saga-restate must reach, and whether it does.
fn targets(measured: &[Measured]) -> impl Iterator<Item = Target> {
    let at_least = |one: &Measured| Target {
        met: one.throughput >= 0.9,
        text: format!(
            "at least 0.90× the sagas a second by hand, {} in flight: {:.2}×",
            one.in_flight, one.throughput
        ),
    };
    let at_most = |one: &Measured| Target {
        met: one.p50 <= 1.1,
        text: format!(
            "at most 1.10× the p50 by hand, {} in flight: {:.2}×",
            one.in_flight, one.p50
        ),
    };
    measured
        .iter()
        .map(at_least)
        .chain(measured.iter().map(at_most))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { quick } = Arguments::parse();
    let (rounds, sagas) = if quick { (1, 64) } else { (15, 960) };
    let server = Server::start().await?;
    serve(&server).await?;
    let clients = Clients {
        by_hand: ingress::Client::new(server.ingress().parse()?, Http::default())?,
        sagas: Client::connect(&server.ingress())?,
        server: server.process_id(),
    };
    println!(
        "Sagas of three steps that succeed, and a workflow with the same three `ctx.run` that is written by hand, in turn on one Restate server. Medians of {rounds} rounds; `service` and `server` are the processor time per saga, in this process with the client, and in the server.\n"
    );
    println!(
        "{:>10}{:>12}{:>8}{:>16}{:>8}{:>16}{:>8}{:>18}{:>8}{:>18}{:>8}",
        "in flight",
        "by hand",
        "saga",
        "p50: by hand",
        "saga",
        "p99: by hand",
        "saga",
        "service: by hand",
        "saga",
        "server: by hand",
        "saga"
    );
    let mut measured = Vec::new();
    for in_flight in [1, 16, 64] {
        let one = measure(&clients, in_flight, sagas, rounds).await?;
        println!(
            "{in_flight:>10}{:>10.0}/s{:>6.0}/s{:>13.2} ms{:>5.2} ms{:>13.2} ms{:>5.2} ms{:>15.2} ms{:>5.2} ms{:>15.2} ms{:>5.2} ms",
            one.by_hand.sagas,
            one.saga.sagas,
            one.by_hand.p50,
            one.saga.p50,
            one.by_hand.p99,
            one.saga.p99,
            one.by_hand.service,
            one.saga.service,
            one.by_hand.server,
            one.saga.server,
        );
        if in_flight == 64 {
            for (row, round) in [
                ("by hand on Restate", one.by_hand),
                ("saga-restate", one.saga),
            ] {
                figure(row, "sagas/s", grouped(round.sagas))?;
                figure(row, "p50", format!("{:.2}", round.p50))?;
                figure(row, "p99", format!("{:.2}", round.p99))?;
            }
        }
        measured.push(one);
    }
    let by_hand = clients.run(Contestant::ByHand, 0).await?;
    let saga = clients.run(Contestant::Saga, 0).await?;
    println!(
        "\nEntries in Restate's journal: {} by hand, {} of the saga.",
        entries(&server, "by_hand", &by_hand).await?,
        entries(&server, "three", &saga).await?
    );
    println!("\nTargets for saga-restate, by the median of the rounds' ratios:");
    for target in targets(&measured) {
        println!("  {target}");
    }
    Ok(())
}
