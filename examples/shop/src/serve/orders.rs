//! `shop serve orders`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use saga_console::Console;
use saga_runtime::journal::Sqlite;
use tokio::net::TcpListener;
use tracing::info;

use super::process::Process;
use crate::address::Address;
use crate::checkout::{Addresses, ApprovalRules, CheckoutService, Deployed, Engine, Shop};
use crate::database;
use crate::orders::{MIGRATIONS, OrderStore, OrdersService};
use crate::proto::checkout::checkout_server::CheckoutServer;
use crate::proto::orders::orders_server::OrdersServer;
use crate::sagas::SagasAt;
use crate::server::Server;

#[derive(Debug, clap::Args)]
pub(super) struct Orders {
    /// Where to listen; port 0 takes a free one, and the first line of the output names it
    #[arg(
        long,
        env = "SHOP_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:50051"
    )]
    listen: SocketAddr,

    /// The database file; made if there is none
    #[arg(
        long,
        env = "SHOP_DATABASE",
        value_name = "FILE",
        default_value = "orders.db"
    )]
    database: PathBuf,

    #[command(flatten)]
    sagas: SagasAt,

    /// How long the other processes on the same Postgres database wait for this one before they go on with its sagas
    #[arg(
        long,
        env = "SHOP_LEASE",
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        default_value = "30s",
        help_heading = "Sagas"
    )]
    lease: Duration,

    /// The version of the saga with which orders begin, on Postgres; orders that have begun with the first one go on with that
    #[arg(
        long,
        env = "SHOP_SAGA_VERSION",
        value_name = "NUMBER",
        default_value_t = 1,
        value_parser = clap::value_parser!(u8).range(1..=2),
        help_heading = "Sagas"
    )]
    saga_version: u8,

    /// Where the Restate server finds the sagas; register this address there
    #[arg(
        long,
        env = "SHOP_SAGAS_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9080",
        help_heading = "Sagas"
    )]
    sagas_listen: SocketAddr,

    /// Where operators find the console of the sagas, such as 127.0.0.1:7242; nowhere if nothing is said
    #[arg(
        long,
        env = "SHOP_CONSOLE",
        value_name = "ADDRESS",
        help_heading = "Sagas"
    )]
    console: Option<SocketAddr>,

    /// Where Prometheus finds the metrics of the sagas, such as 127.0.0.1:9464; nowhere if nothing is said
    #[arg(
        long,
        env = "SHOP_METRICS",
        value_name = "ADDRESS",
        help_heading = "Sagas"
    )]
    metrics: Option<SocketAddr>,

    /// Where stock listens
    #[arg(
        long,
        env = "SHOP_STOCK",
        value_name = "URL",
        default_value = "http://127.0.0.1:50054"
    )]
    stock: Address,

    /// Where payments listens
    #[arg(
        long,
        env = "SHOP_PAYMENTS",
        value_name = "URL",
        default_value = "http://127.0.0.1:50052"
    )]
    payments: Address,

    /// Where delivery listens
    #[arg(
        long,
        env = "SHOP_DELIVERY",
        value_name = "URL",
        default_value = "http://127.0.0.1:50053"
    )]
    delivery: Address,

    #[command(flatten)]
    approval: ApprovalRules,

    #[command(flatten)]
    process: Process,
}

impl Orders {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let started = self.process.start(self.listen).await?;
        if let Some(address) = self.metrics {
            // Before the sagas start: they look for the recorder once.
            let router = observed::router(observed::install_recorder()?);
            let listener = bind(address).await?;
            info!(address = %listener.local_addr()?, "Prometheus finds the metrics here");
            tokio::spawn(async move { axum::serve(listener, router).await });
        }
        let database = database::open(&self.database, &MIGRATIONS).await?;
        let orders = OrdersService::new(OrderStore::new(database.clone()));
        let addresses = Addresses {
            orders: started.address()?,
            stock: self.stock,
            payments: self.payments,
            delivery: self.delivery,
        };
        let shop = Shop::connect(&addresses, self.approval);
        let deployed = match self.saga_version {
            1 => Deployed::First,
            _ => Deployed::Both,
        };
        let engine = match &self.sagas.database_url {
            Some(url) => {
                let journal = self.sagas.postgres(url).await?;
                Engine::on_shared_journal(shop, journal, self.lease, deployed).await?
            }
            None => Self::engine(&self.sagas, self.sagas_listen, shop).await?,
        };
        if let (Some(address), Some(operator)) = (self.console, engine.operator()) {
            let console = Console::new(operator).writable().payloads();
            let listener = bind(address).await?;
            info!(address = %listener.local_addr()?, "operators find the sagas here");
            // It ends with the process.
            tokio::spawn(console.serve(listener, std::future::pending()));
        }
        let checkout = CheckoutService::new(engine);
        let server = Server::new().offer(OrdersServer::new(orders)).await;
        let server = server.offer(CheckoutServer::new(checkout.clone())).await;
        // The last requests are answered before the server stops: sagas call it too.
        started.serve(server, checkout.drained()).await?;
        database.close().await;
        Ok(())
    }
    /// What runs the sagas of this process alone.
    async fn engine(sagas: &SagasAt, listen: SocketAddr, shop: Shop) -> anyhow::Result<Engine> {
        let Some(ingress) = &sagas.restate else {
            let journal = Sqlite::open(&sagas.journal).await;
            let journal = journal
                .with_context(|| format!("cannot open the journal {}", sagas.journal.display()))?;
            return Ok(Engine::on_journal(shop, journal).await?);
        };
        let listener = bind(listen).await?;
        info!(address = %listener.local_addr()?, %ingress, "Restate finds the sagas here");
        Ok(Engine::on_restate(shop, ingress, listener)?)
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("cannot listen on {address}"))
}
