//! The journal in Postgres.

mod batches;
mod clocks;
mod deploying;
mod encrypted;
mod fencing;
mod idle;
mod missing;
mod mistakes;
mod opening;
mod plans;
mod proxied;
mod purging;
mod requests;
mod roles;
mod standby;
mod telling;
mod transactions;
mod waking;

use std::sync::atomic::{AtomicU32, Ordering};

use saga_runtime::journal::Postgres;
use saga_runtime::journal_suite;
use saga_runtime::testing::Factory;
use test_postgres::Server;

/// A schema of its own for each test.
struct InPostgres(String);

static SCHEMAS: AtomicU32 = AtomicU32::new(0);

impl InPostgres {
    fn new() -> Self {
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        Self(format!("suite_{}_{number}", std::process::id()))
    }

    async fn connect(&self) -> Postgres {
        let journal = Postgres::options()
            .schema(self.0.clone())
            .connect(Server::shared().url())
            .await;
        journal.expect("the database works")
    }
}

impl Factory for InPostgres {
    type Journal = Postgres;

    async fn open(&mut self) -> Postgres {
        self.connect().await
    }

    async fn reopen(&mut self, journal: Postgres) -> Postgres {
        drop(journal);
        self.connect().await
    }
}

journal_suite!(InPostgres::new());
