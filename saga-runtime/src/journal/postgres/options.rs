//! How a journal in Postgres is opened: its schema, its connections, and what stands between.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use sqlx::Executor as _;
use sqlx::postgres::{PgPool, PgPoolOptions};

use crate::journal::JournalError;
use crate::journal::postgres::claims::Claims;
use crate::journal::postgres::clocks::Clocks;
use crate::journal::postgres::connections::Connections;
use crate::journal::postgres::listening::Listeners;
use crate::journal::postgres::looks::LookStatement;
use crate::journal::postgres::schema::{self, Schema};
use crate::journal::postgres::writer::Writer;
use crate::journal::postgres::{Postgres, Shared};

/// How a journal in Postgres is opened: see [`Postgres::options`].
#[derive(Debug, Clone)]
#[must_use = "nothing is opened until `connect` or `open` is called"]
pub struct PostgresOptions {
    pub(super) schema: String,
    pub(super) connections: u32,
    pub(super) pools_transactions: bool,
    #[cfg(feature = "testing")]
    pub(super) rewrite: Option<fn(&str) -> String>,
}

impl PostgresOptions {
    /// The schema of the tables: small letters, digits and `_`. `saga` if nothing else is said.
    pub fn schema(self, schema: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            ..self
        }
    }

    /// The most connections that [`connect`](Self::connect) makes, at least 4; 5 if nothing else is said.
    pub fn connections(self, connections: u32) -> Self {
        Self {
            connections: connections.max(4),
            ..self
        }
    }

    /// Set this if the connections lead to a proxy that pools transactions, such as `PgBouncer` with `pool_mode = transaction`. Then
    /// the journal prepares no statement for later, and does not listen: other processes are found by polling, every third of the
    /// [lease](crate::coordinator::Builder::lease).
    pub fn behind_a_pooling_proxy(self, pools_transactions: bool) -> Self {
        Self {
            pools_transactions,
            ..self
        }
    }

    /// Opens the journal in this database: `postgres://user:password@host/database`. `?sslmode=verify-full` asks for TLS.
    ///
    /// # Errors
    /// See [`Postgres::connect`].
    pub async fn connect(self, url: &str) -> Result<Postgres, JournalError> {
        let mut pool = PgPoolOptions::new().max_connections(self.connections);
        if !self.pools_transactions {
            pool = pool.after_connect(|connection, _| {
                Box::pin(async move { connection.execute(PLANS).await.map(drop) })
            });
        }
        let pool = pool.connect(url).await;
        self.open(pool.map_err(JournalError::unavailable)?).await
    }

    /// Opens the journal with a pool of the caller's, which should have at least 4 connections to spare. Each of its connections should
    /// begin with `SET enable_seqscan = off; SET jit = off`, as those of [`connect`](Self::connect) do: plans that are made while the tables
    /// are small then suit large tables as well.
    ///
    /// # Errors
    /// See [`Postgres::connect`].
    pub async fn open(self, pool: PgPool) -> Result<Postgres, JournalError> {
        let schema = self.checked_schema()?;
        let pool = Connections::new(pool, self.pools_transactions);
        let clocks = Clocks::default();
        clocks.note(schema::prepare(&pool, &schema).await?);
        Ok(Postgres(Arc::new(Shared {
            writer: Writer::start(&pool, &schema),
            claims: Claims::new(&schema),
            looks: LookStatement::new(&schema),
            clocks,
            pool,
            schema,
            numbers: Mutex::default(),
            renewed: Mutex::default(),
            claiming: AtomicUsize::default(),
            listeners: Listeners::default(),
        })))
    }
}

/// Statements are planned once for each connection, perhaps while the tables are almost empty. Then the plan may read whole tables, until
/// the server has analyzed them anew: with 200,000 more sagas a claim took three seconds. All statements have indexes to use, except where
/// a table is read as a whole, for which the server would compile the plan at great cost.
const PLANS: &str = "SET enable_seqscan = off; SET jit = off";

impl PostgresOptions {
    fn checked_schema(&self) -> Result<Schema, JournalError> {
        #[cfg_attr(
            not(feature = "testing"),
            expect(unused_mut, reason = "only a test changes it")
        )]
        let mut schema = Schema::new(&self.schema)?;
        #[cfg(feature = "testing")]
        {
            schema.rewrite = self.rewrite;
        }
        Ok(schema)
    }

    /// Rewrites each statement, so that a test can make a mistake on purpose, and find it.
    #[cfg(feature = "testing")]
    #[doc(hidden)]
    pub fn rewritten(self, rewrite: fn(&str) -> String) -> Self {
        Self {
            rewrite: Some(rewrite),
            ..self
        }
    }
}
