//! What the demo left behind, read from the four databases and not from anybody's word.

use std::fmt;
use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

/// Whatever is active on one side, but not on the other.
const ORPHANS: &str = "
    WITH
        active_orders AS (SELECT * FROM main.orders WHERE state = 'active'),
        active_reservations AS (SELECT * FROM stock.reservations WHERE state = 'active'),
        active_payments AS (SELECT * FROM payments.payments WHERE state = 'active'),
        active_deliveries AS (SELECT * FROM delivery.deliveries WHERE state = 'active')
    SELECT 'reservation ' || id || ' is active, but its order ' || order_id || ' is not'
        FROM active_reservations WHERE order_id NOT IN (SELECT id FROM active_orders)
    UNION ALL
    SELECT 'payment ' || id || ' is active, but its order ' || order_id || ' is not'
        FROM active_payments WHERE order_id NOT IN (SELECT id FROM active_orders)
    UNION ALL
    SELECT 'delivery ' || id || ' is active, but its order ' || order_id || ' is not'
        FROM active_deliveries WHERE order_id NOT IN (SELECT id FROM active_orders)
    UNION ALL
    SELECT DISTINCT 'order ' || order_id || ' is active, but its ' || article || ' is not set aside exactly once'
        FROM (
            SELECT order_id, article, quantity FROM main.items
                WHERE order_id IN (SELECT id FROM active_orders)
            UNION ALL
            SELECT order_id, article, quantity FROM active_reservations
                WHERE order_id IN (SELECT id FROM active_orders)
        ) AS line
        WHERE (
            SELECT count(*) FROM main.items AS i
            WHERE (i.order_id, i.article, i.quantity) = (line.order_id, line.article, line.quantity)
        ) <> (
            SELECT count(*) FROM active_reservations AS r
            WHERE (r.order_id, r.article, r.quantity) = (line.order_id, line.article, line.quantity)
        )
    UNION ALL
    SELECT 'order ' || id || ' is active, but not paid exactly once'
        FROM active_orders AS o
        WHERE 1 <> (SELECT count(*) FROM active_payments AS p WHERE p.order_id = o.id)
    UNION ALL
    SELECT 'order ' || id || ' is active, but not delivered exactly once'
        FROM active_orders AS o
        WHERE 1 <> (SELECT count(*) FROM active_deliveries AS d WHERE d.order_id = o.id)";

/// What the databases say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Audit {
    /// All orders that were ever taken down.
    pub(super) orders: i64,
    /// Those of them that were cancelled.
    pub(super) compensated: i64,
    /// All reservations that were ever made.
    pub(super) reservations: i64,
    /// Those of them that were released.
    pub(super) released: i64,
    /// What is active, but should not be; and what is not, but should.
    pub(super) orphans: Vec<String>,
}

impl Audit {
    /// Reads the databases in this folder. Nothing should be under way in them.
    ///
    /// # Errors
    /// When one can't be read.
    pub(super) async fn of(folder: &Path) -> anyhow::Result<Self> {
        let file = |name| folder.join(name).with_extension("db");
        let orders = SqliteConnectOptions::new()
            .filename(file("orders"))
            .read_only(true);
        // The others are attached as the first is opened: only to read, and not made when there is none.
        let mut databases = orders.connect().await?;
        for name in ["stock", "payments", "delivery"] {
            sqlx::query("ATTACH ? AS ?")
                .bind(file(name).to_string_lossy())
                .bind(name)
                .execute(&mut databases)
                .await?;
        }
        let (orders, compensated) = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE state = 'cancelled') FROM orders",
        )
        .fetch_one(&mut databases)
        .await?;
        let (reservations, released) = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE state = 'cancelled') FROM stock.reservations",
        )
        .fetch_one(&mut databases)
        .await?;
        let orphans = sqlx::query_scalar(ORPHANS)
            .fetch_all(&mut databases)
            .await?;
        databases.close().await?;
        Ok(Self {
            orders,
            compensated,
            reservations,
            released,
            orphans,
        })
    }
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            orders,
            compensated,
            reservations,
            released,
            orphans,
        } = self;
        write!(
            f,
            "stock: {reservations} reservations, {released} released\n\
             audit: {orders} orders, {compensated} compensated, {} orphans",
            orphans.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sqlx::AssertSqlSafe;

    use super::Audit;
    use crate::{database, delivery, orders, payments, stock};

    #[tokio::test]
    async fn placed_and_compensated_orders_leave_no_orphan() {
        let audit = audit(
            "INSERT INTO orders (id, amount, parcels, state)
                VALUES (1, 100, 1, 'active'), (2, 100, 1, 'cancelled');
             INSERT INTO items (order_id, line, article, quantity, price)
                VALUES (1, 1, 'tea', 2, 25), (1, 2, 'pot', 1, 25), (1, 3, 'tea', 2, 25), (2, 1, 'tea', 1, 100)",
            "INSERT INTO reservations (order_id, article, quantity, state)
                VALUES (1, 'tea', 2, 'active'), (1, 'tea', 2, 'active'), (1, 'pot', 1, 'active'), (2, 'tea', 1, 'cancelled')",
            "INSERT INTO payments (order_id, amount, state) VALUES (1, 100, 'active'), (2, 100, 'cancelled')",
            "INSERT INTO deliveries (order_id, parcels, state) VALUES (1, 1, 'active')",
        );
        assert_eq!(
            audit.await.to_string(),
            "stock: 4 reservations, 1 released\naudit: 2 orders, 1 compensated, 0 orphans"
        );
    }

    #[tokio::test]
    async fn every_kind_of_orphan_is_found() {
        let audit = audit(
            "INSERT INTO orders (id, amount, parcels, state)
                VALUES (1, 100, 1, 'cancelled'), (2, 100, 1, 'active'), (3, 100, 1, 'active');
             INSERT INTO items (order_id, line, article, quantity, price)
                VALUES (1, 1, 'tea', 1, 100), (2, 1, 'tea', 1, 50), (2, 2, 'pot', 2, 25), (3, 1, 'cup', 1, 100)",
            "INSERT INTO reservations (order_id, article, quantity)
                VALUES (1, 'tea', 1), (2, 'tea', 1), (2, 'tea', 1), (2, 'pot', 1), (9, 'tea', 1)",
            "INSERT INTO payments (order_id, amount) VALUES (1, 100), (2, 100), (2, 100), (9, 100)",
            "INSERT INTO deliveries (order_id, parcels) VALUES (1, 1), (2, 1)",
        );
        assert_eq!(
            audit.await.orphans,
            [
                "reservation 1 is active, but its order 1 is not",
                "reservation 5 is active, but its order 9 is not",
                "payment 1 is active, but its order 1 is not",
                "payment 4 is active, but its order 9 is not",
                "delivery 1 is active, but its order 1 is not",
                "order 2 is active, but its tea is not set aside exactly once",
                "order 2 is active, but its pot is not set aside exactly once",
                "order 3 is active, but its cup is not set aside exactly once",
                "order 2 is active, but not paid exactly once",
                "order 3 is active, but not paid exactly once",
                "order 3 is active, but not delivered exactly once",
            ]
        );
    }

    async fn audit(orders: &str, reservations: &str, payments: &str, deliveries: &str) -> Audit {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, migrations, rows) in [
            ("orders", &orders::MIGRATIONS, orders),
            ("stock", &stock::MIGRATIONS, reservations),
            ("payments", &payments::MIGRATIONS, payments),
            ("delivery", &delivery::MIGRATIONS, deliveries),
        ] {
            write(
                &folder.path().join(name).with_extension("db"),
                migrations,
                rows,
            )
            .await;
        }
        Audit::of(folder.path())
            .await
            .expect("the databases are readable")
    }

    async fn write(file: &Path, migrations: &sqlx::migrate::Migrator, rows: &str) {
        let database = database::open(file, migrations)
            .await
            .expect("a new database");
        sqlx::raw_sql(AssertSqlSafe(rows))
            .execute(&database)
            .await
            .expect("rows that fit");
        database.close().await;
    }
}
