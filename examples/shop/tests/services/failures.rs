//! Every failure of an order, at the services themselves: they run in this process, on databases in memory.

use std::rc::Rc;

use saga_runtime::testing::{CaseEnd, FailureMatrix};
use shop::checkout::{
    APPROVAL, ApprovalRules, Connections, OrderRequest, PlaceOrder, Shop, Verdict, connection,
};
use shop::delivery::{DeliveriesService, DeliveryFaults, DeliveryRules, DeliveryStore};
use shop::orders::{OrderStore, OrdersService};
use shop::payments::{PaymentFaults, PaymentRules, PaymentStore, PaymentsService};
use shop::proto::delivery::deliveries_server::DeliveriesServer;
use shop::proto::orders::orders_server::OrdersServer;
use shop::proto::payments::payments_server::PaymentsServer;
use shop::proto::stock::stock_server::StockServer;
use shop::stock::{StockFaults, StockRules, StockService, StockStore};
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqliteConnection, SqlitePool};
use tokio::sync::OnceCell;

/// The databases of the four services, with their tables.
struct Databases {
    orders: SqlitePool,
    reservations: SqlitePool,
    payments: SqlitePool,
    deliveries: SqlitePool,
    /// A database in memory lives as long as one connection to it.
    _kept: [SqliteConnection; 4],
}

impl Databases {
    async fn open() -> Self {
        let (orders, in_orders) = open(&shop::orders::MIGRATIONS).await;
        let (reservations, in_stock) = open(&shop::stock::MIGRATIONS).await;
        let (payments, in_payments) = open(&shop::payments::MIGRATIONS).await;
        let (deliveries, in_delivery) = open(&shop::delivery::MIGRATIONS).await;
        Self {
            orders,
            reservations,
            payments,
            deliveries,
            _kept: [in_orders, in_stock, in_payments, in_delivery],
        }
    }

    /// The tables with their databases.
    fn tables(&self) -> [(&'static str, &SqlitePool); 4] {
        [
            ("orders", &self.orders),
            ("reservations", &self.reservations),
            ("payments", &self.payments),
            ("deliveries", &self.deliveries),
        ]
    }

    /// Forgets all that an earlier case has left.
    async fn clear(&self) {
        for (table, database) in self.tables() {
            let items = if table == "orders" {
                "DELETE FROM items; "
            } else {
                ""
            };
            let clear = format!("{items}DELETE FROM {table}; DELETE FROM participant_answers");
            let cleared = sqlx::raw_sql(AssertSqlSafe(clear)).execute(database).await;
            cleared.expect("nothing else writes there");
        }
    }

    /// The number of orders, reservations, payments and deliveries that stand.
    async fn standing(&self) -> [i64; 4] {
        let mut standing = [0; 4];
        for ((table, database), count) in self.tables().into_iter().zip(&mut standing) {
            let query = format!("SELECT count(*) FROM {table} WHERE state = 'active'");
            let query = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(database);
            *count = query.await.expect("the table is there");
        }
        standing
    }

    /// The shop whose services are in this process.
    fn shop(&self) -> Shop {
        let orders = OrderStore::new(self.orders.clone());
        let stock = StockStore::new(self.reservations.clone(), StockRules::default());
        let payments = PaymentStore::new(self.payments.clone(), PaymentRules::default());
        let delivery = DeliveryStore::new(self.deliveries.clone(), DeliveryRules::default());
        let stock = StockService::new(stock, StockFaults::default());
        let payments = PaymentsService::new(payments, PaymentFaults::default());
        let delivery = DeliveriesService::new(delivery, DeliveryFaults::default());
        let connections = Connections {
            orders: connection(OrdersServer::new(OrdersService::new(orders))),
            stock: connection(StockServer::new(stock)),
            payments: connection(PaymentsServer::new(payments)),
            delivery: connection(DeliveriesServer::new(delivery)),
        };
        let approval = ApprovalRules {
            approval_over: "0.01".parse().ok(),
            ..ApprovalRules::default()
        };
        Shop::over(connections, approval)
    }
}

/// A database in memory, which lives as long as the second connection.
async fn open(migrations: &Migrator) -> (SqlitePool, SqliteConnection) {
    let memory: SqliteConnectOptions = "sqlite::memory:".parse().expect("it is a database");
    let kept = memory.connect().await.expect("there is room");
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect_with(memory).await.expect("there is room");
    migrations.run(&pool).await.expect("it is new");
    (pool, kept)
}

fn request() -> OrderRequest {
    OrderRequest {
        items: ["tea=2@4.50", "pot=1@20"]
            .map(|item| item.parse().expect("an item"))
            .into(),
        parcels: 1,
    }
}

#[test]
fn every_failure_of_an_order_ends_well() {
    let databases = Rc::new(OnceCell::new());
    let (fresh, asked) = (Rc::clone(&databases), databases);
    let services = move || {
        let databases = Rc::clone(&fresh);
        async move {
            let databases = databases.get_or_init(Databases::open).await;
            databases.clear().await;
            databases.shop()
        }
    };
    let all_or_nothing = async move |_: &Shop, end: &CaseEnd| {
        let standing = asked.get().expect("the shop was opened").standing().await;
        let expected = if end.is_completed() {
            [1, 2, 1, 1]
        } else {
            [0; 4]
        };
        if standing == expected {
            Ok(())
        } else {
            Err(format!("{standing:?} stand, not {expected:?}"))
        }
    };
    FailureMatrix::new_async(services, || PlaceOrder { request: request() })
        .event(APPROVAL, &Verdict::Approved)
        .invariant_async(
            "an order with all that belongs to it, or nothing",
            all_or_nothing,
        )
        .document("README.md")
        .check();
}
