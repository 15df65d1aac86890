//! A journal in Postgres, which several orders services share, and the server that has it.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, ensure};
use saga_runtime::SagaId;
use saga_runtime::coordinator::Inspector;
use saga_runtime::journal::{Filter, Postgres};

use super::CutOff;
use super::journal::open_orders;
use crate::address::Address;
use crate::demo::balancer::Balancer;
use crate::demo::fleet::Fleet;

/// How long the others wait for a process that has fallen silent.
const LEASE: &str = "1s";

#[derive(Debug)]
pub(in crate::demo) struct OnPostgres {
    url: String,
    balancer: Balancer,
    /// The orders services that run, by their names.
    workers: BTreeMap<&'static str, Address>,
    inspector: Inspector,
    /// Dropped last: the server ends with it.
    _server: Server,
}

/// The script that runs a server of its own until its standard input ends.
#[derive(Debug)]
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl OnPostgres {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../services/postgres");
        let mut server = Command::new(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run services/postgres")?;
        let mut url = String::new();
        let output = server.stdout.take().context("it is piped")?;
        let server = Server(server);
        BufReader::new(output).read_line(&mut url)?;
        let url = url.trim().to_owned();
        ensure!(!url.is_empty(), "services/postgres has started no server");
        eprintln!("postgres listens at {url}");
        let journal = Postgres::connect(&url).await?;
        Ok(Self {
            url,
            balancer: Balancer::start().await?,
            workers: BTreeMap::new(),
            inspector: Inspector::new(journal),
            _server: server,
        })
    }

    fn options(&self, version: u8) -> Vec<(&'static str, String)> {
        vec![
            ("--database-url", self.url.clone()),
            ("--lease", LEASE.to_owned()),
            ("--saga-version", version.to_string()),
        ]
    }

    /// Starts an orders service with this version of the saga, behind the one address.
    pub(in crate::demo) async fn start_orders(
        &mut self,
        fleet: &mut Fleet<'_>,
        name: &'static str,
        version: u8,
        options: &[(&'static str, String)],
    ) -> anyhow::Result<()> {
        let mut all = self.options(version);
        all.extend_from_slice(options);
        let address = fleet.start_one_of("orders", name, &all).await?;
        self.balancer.add(&address)?;
        self.workers.insert(name, address);
        Ok(())
    }

    /// The one address of all orders services.
    pub(in crate::demo) fn orders(&self) -> &Address {
        self.balancer.address()
    }

    /// Kills one orders service, starts two with the second version of the saga, and then stops the other one of the first.
    /// Returns the orders that were open at the kill.
    pub(in crate::demo) async fn deploy(
        &mut self,
        fleet: &mut Fleet<'_>,
        options: &[(&'static str, String)],
    ) -> anyhow::Result<HashMap<SagaId, CutOff>> {
        eprint!(" kill -9 orders-1 … ");
        fleet.kill("orders-1").await?;
        self.leave("orders-1");
        let cut_off = self.open().await?;
        eprintln!("deploying version 2, with {} orders open", cut_off.len());
        self.start_orders(fleet, "orders-3", 2, options).await?;
        self.start_orders(fleet, "orders-4", 2, options).await?;
        self.leave("orders-2");
        fleet.stop_one("orders-2").await?;
        eprintln!("orders-2 has handed its orders over");
        Ok(cut_off)
    }

    fn leave(&mut self, name: &str) {
        if let Some(address) = self.workers.remove(name) {
            self.balancer.remove(&address);
        }
    }

    pub(super) async fn open(&self) -> anyhow::Result<HashMap<SagaId, CutOff>> {
        open_orders(&self.inspector).await
    }

    /// How many sagas there are of each version, and by which of them a process has gone on that has not begun it.
    pub(in crate::demo) async fn summary(&self) -> anyhow::Result<String> {
        let mut versions = BTreeMap::new();
        let mut taken_over = 0;
        let page = self
            .inspector
            .list(&Filter::default().limit(10_000))
            .await?;
        for record in page.sagas {
            *versions.entry(record.saga.version).or_insert(0) += 1;
            taken_over += usize::from(record.epoch > 1);
        }
        let versions: Vec<_> = versions
            .into_iter()
            .map(|(version, sagas)| format!("{sagas} of version {version}"))
            .collect();
        Ok(format!(
            "sagas: {}; {taken_over} were claimed more than once",
            versions.join(", ")
        ))
    }
}
