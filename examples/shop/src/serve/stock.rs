//! `shop serve stock`.

use std::future::ready;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::process::Process;
use crate::database;
use crate::proto::stock::stock_server::StockServer;
use crate::server::Server;
use crate::stock::{MIGRATIONS, StockFaults, StockRules, StockService, StockStore};

#[derive(Debug, clap::Args)]
pub(super) struct Stock {
    /// Where to listen; port 0 takes a free one, and the first line of the output names it
    #[arg(
        long,
        env = "SHOP_LISTEN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:50054"
    )]
    listen: SocketAddr,

    /// The database file; made if there is none
    #[arg(
        long,
        env = "SHOP_DATABASE",
        value_name = "FILE",
        default_value = "stock.db"
    )]
    database: PathBuf,

    #[command(flatten)]
    rules: StockRules,

    #[command(flatten)]
    faults: StockFaults,

    #[command(flatten)]
    process: Process,
}

impl Stock {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let started = self.process.start(self.listen).await?;
        let database = database::open(&self.database, &MIGRATIONS).await?;
        let store = StockStore::new(database.clone(), self.rules);
        let stock = StockServer::new(StockService::new(store, self.faults));
        started
            .serve(Server::new().offer(stock).await, ready(()))
            .await?;
        database.close().await;
        Ok(())
    }
}
