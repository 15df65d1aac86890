//! The promise of a journal, kept through `PgBouncer`: each transaction runs on another connection of the server.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use saga_runtime::journal::Postgres;
use saga_runtime::journal_suite;
use saga_runtime::testing::Factory;
use test_postgres::Server;

/// A server with a proxy in front of it. `DATABASE_URL` names no proxy, so this is a server of its own.
static PROXIED: LazyLock<(Server, Server)> = LazyLock::new(|| {
    let server = Server::start(&["-c", "fsync=off"]);
    let proxy = server.pooling_proxy();
    (server, proxy)
});

/// A schema of its own for each test, behind the proxy.
struct Proxied(String);

static SCHEMAS: AtomicU32 = AtomicU32::new(0);

impl Proxied {
    fn new() -> Self {
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        Self(format!("proxied_{number}"))
    }

    async fn connect(&self) -> Postgres {
        let journal = Postgres::options()
            .schema(self.0.clone())
            .behind_a_pooling_proxy(true)
            .connect(PROXIED.1.url())
            .await;
        journal.expect("the database works")
    }
}

impl Factory for Proxied {
    type Journal = Postgres;

    async fn open(&mut self) -> Postgres {
        self.connect().await
    }

    async fn reopen(&mut self, journal: Postgres) -> Postgres {
        drop(journal);
        self.connect().await
    }
}

journal_suite!(Proxied::new());
