//! `shop serve delivery`.

use std::future::ready;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::process::Process;
use crate::database;
use crate::delivery::{
    DeliveriesService, DeliveryFaults, DeliveryRules, DeliveryStore, MIGRATIONS,
};
use crate::proto::delivery::deliveries_server::DeliveriesServer;
use crate::server::Server;

#[derive(Debug, clap::Args)]
pub(super) struct Delivery {
    /// Where to listen; port 0 takes a free one, and the first line of the output names it
    #[arg(
        long,
        env = "SHOP_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:50053"
    )]
    listen: SocketAddr,

    /// The database file; made if there is none
    #[arg(
        long,
        env = "SHOP_DATABASE",
        value_name = "FILE",
        default_value = "delivery.db"
    )]
    database: PathBuf,

    #[command(flatten)]
    rules: DeliveryRules,

    #[command(flatten)]
    faults: DeliveryFaults,

    #[command(flatten)]
    process: Process,
}

impl Delivery {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let started = self.process.start(self.listen).await?;
        let database = database::open(&self.database, &MIGRATIONS).await?;
        let store = DeliveryStore::new(database.clone(), self.rules);
        let deliveries = DeliveriesServer::new(DeliveriesService::new(store, self.faults));
        started
            .serve(Server::new().offer(deliveries).await, ready(()))
            .await?;
        database.close().await;
        Ok(())
    }
}
