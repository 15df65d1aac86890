//! Services on the loopback, and a look into their databases.

use std::path::PathBuf;

use shop::address::Address;
use shop::database;
use shop::delivery::{DeliveriesService, DeliveryFaults, DeliveryRules, DeliveryStore};
use shop::orders::{OrderStore, OrdersService};
use shop::payments::{PaymentFaults, PaymentRules, PaymentStore, PaymentsService};
use shop::proto::delivery::deliveries_server::DeliveriesServer;
use shop::proto::orders::orders_server::OrdersServer;
use shop::proto::payments::payments_server::PaymentsServer;
use shop::proto::stock::stock_server::StockServer;
use shop::server::Server;
use shop::stock::{StockFaults, StockRules, StockService, StockStore};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqlitePool};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// A server that runs until it is stopped, or the test ends.
pub(crate) struct Running {
    pub(crate) address: Address,
    stop: CancellationToken,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Running {
    pub(crate) async fn start(server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let socket = listener.local_addr().expect("it is bound");
        let address = Address::of_own_server(socket).expect("a socket has an address");
        let stop = CancellationToken::new();
        let server = tokio::spawn(server.run(listener, stop.clone().cancelled_owned()));
        Self {
            address,
            stop,
            server,
        }
    }

    pub(crate) fn channel(&self) -> Channel {
        self.address.endpoint().connect_lazy()
    }

    /// Stops it, and waits until the calls under way have ended.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.server
            .await
            .expect("it does not panic")
            .expect("it ends well");
    }
}

/// The databases of one test.
pub(crate) struct Databases(TempDir);

impl Databases {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    /// The states of all orders, reservations, payments or deliveries, in the order in which they were created.
    pub(crate) async fn states(&self, table: &str) -> Vec<String> {
        let options = SqliteConnectOptions::new()
            .filename(self.file(table))
            .read_only(true);
        let mut database = options.connect().await.expect("the database is there");
        let states = format!("SELECT state FROM {table} ORDER BY id");
        let states = sqlx::query_scalar(AssertSqlSafe(states));
        states
            .fetch_all(&mut database)
            .await
            .expect("the table is there")
    }

    pub(crate) async fn start_orders(&self) -> Running {
        let store = OrderStore::new(self.open("orders", &shop::orders::MIGRATIONS).await);
        let service = OrdersServer::new(OrdersService::new(store));
        Running::start(Server::new().offer(service).await).await
    }

    pub(crate) async fn start_stock(&self, rules: StockRules, faults: StockFaults) -> Running {
        let database = self.open("reservations", &shop::stock::MIGRATIONS).await;
        let store = StockStore::new(database, rules);
        let service = StockServer::new(StockService::new(store, faults));
        Running::start(Server::new().offer(service).await).await
    }

    pub(crate) async fn start_payments(
        &self,
        rules: PaymentRules,
        faults: PaymentFaults,
    ) -> Running {
        let database = self.open("payments", &shop::payments::MIGRATIONS).await;
        let store = PaymentStore::new(database, rules);
        let service = PaymentsServer::new(PaymentsService::new(store, faults));
        Running::start(Server::new().offer(service).await).await
    }

    pub(crate) async fn start_delivery(
        &self,
        rules: DeliveryRules,
        faults: DeliveryFaults,
    ) -> Running {
        let database = self.open("deliveries", &shop::delivery::MIGRATIONS).await;
        let store = DeliveryStore::new(database, rules);
        let service = DeliveriesServer::new(DeliveriesService::new(store, faults));
        Running::start(Server::new().offer(service).await).await
    }

    async fn open(&self, table: &str, migrations: &Migrator) -> SqlitePool {
        database::open(&self.file(table), migrations)
            .await
            .expect("a database")
    }

    fn file(&self, table: &str) -> PathBuf {
        self.0.path().join(table).with_extension("db")
    }
}
