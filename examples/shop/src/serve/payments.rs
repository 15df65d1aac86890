//! `shop serve payments`.

use std::future::ready;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::process::Process;
use crate::database;
use crate::payments::{MIGRATIONS, PaymentFaults, PaymentRules, PaymentStore, PaymentsService};
use crate::proto::payments::payments_server::PaymentsServer;
use crate::server::Server;

#[derive(Debug, clap::Args)]
pub(super) struct Payments {
    /// Where to listen; port 0 takes a free one, and the first line of the output names it
    #[arg(
        long,
        env = "SHOP_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:50052"
    )]
    listen: SocketAddr,

    /// The database file; made if there is none
    #[arg(
        long,
        env = "SHOP_DATABASE",
        value_name = "FILE",
        default_value = "payments.db"
    )]
    database: PathBuf,

    #[command(flatten)]
    rules: PaymentRules,

    #[command(flatten)]
    faults: PaymentFaults,

    #[command(flatten)]
    process: Process,
}

impl Payments {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let started = self.process.start(self.listen).await?;
        let database = database::open(&self.database, &MIGRATIONS).await?;
        let store = PaymentStore::new(database.clone(), self.rules);
        let payments = PaymentsServer::new(PaymentsService::new(store, self.faults));
        started
            .serve(Server::new().offer(payments).await, ready(()))
            .await?;
        database.close().await;
        Ok(())
    }
}
