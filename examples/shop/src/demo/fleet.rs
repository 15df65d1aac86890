//! The processes of the demo: started one by one, stopped in reverse. None outlives the demo, however that ends: each
//! is killed when its handle is dropped, and stops by itself when the demo no longer holds its standard input.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::address::Address;

/// How long a service may take until it is healthy.
const START: Duration = Duration::from_secs(20);
/// How long it may take to stop: more than the grace it gives its own calls.
const STOP: Duration = Duration::from_secs(15);

/// The services that run, in the order in which they were started.
#[derive(Debug)]
pub(super) struct Fleet<'a> {
    folder: &'a Path,
    services: Vec<Service>,
}

#[derive(Debug)]
struct Service {
    /// What it is, which is also the name of its database.
    kind: &'static str,
    /// Which process of it.
    name: &'static str,
    process: Child,
    log: PathBuf,
    options: Vec<(&'static str, String)>,
    address: Option<Address>,
}

/// A service that was killed.
#[derive(Debug)]
pub(super) struct Killed(Service);

impl<'a> Fleet<'a> {
    /// No services yet. Their databases and logs will be in `folder`.
    pub(super) fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            services: Vec::new(),
        }
    }

    /// Starts a service on a free port of the loopback, and waits until it is healthy.
    ///
    /// # Errors
    /// When it does not get so far; with the end of its log.
    pub(super) async fn start(
        &mut self,
        name: &'static str,
        options: &[(&'static str, String)],
    ) -> anyhow::Result<Address> {
        self.start_at("127.0.0.1:0", name, name, options).await
    }

    /// Starts one of several processes of a service, which share its database. Its log has its own name.
    ///
    /// # Errors
    /// When it does not get so far; with the end of its log.
    pub(super) async fn start_one_of(
        &mut self,
        service: &'static str,
        name: &'static str,
        options: &[(&'static str, String)],
    ) -> anyhow::Result<Address> {
        self.start_at("127.0.0.1:0", service, name, options).await
    }

    /// Stops one service in an orderly way.
    ///
    /// # Errors
    /// When it does not run.
    pub(super) async fn stop_one(&mut self, name: &str) -> anyhow::Result<()> {
        let index = self.services.iter().position(|one| one.name == name);
        let service = self.services.remove(index.context("it was started")?);
        service.stop().await;
        Ok(())
    }

    /// Kills a service as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub(super) async fn kill(&mut self, name: &str) -> anyhow::Result<Killed> {
        let index = self.services.iter().position(|one| one.name == name);
        let mut service = self.services.remove(index.context("it was started")?);
        service.process.kill().await?;
        Ok(Killed(service))
    }

    /// Starts a service again where it was.
    ///
    /// # Errors
    /// When it does not start again.
    pub(super) async fn restart(&mut self, Killed(service): Killed) -> anyhow::Result<()> {
        let address = service.address.context("it was healthy")?.to_string();
        let listen = address.trim_start_matches("http://");
        self.start_at(listen, service.kind, service.name, &service.options)
            .await?;
        Ok(())
    }

    async fn start_at(
        &mut self,
        listen: &str,
        service: &'static str,
        name: &'static str,
        options: &[(&'static str, String)],
    ) -> anyhow::Result<Address> {
        let mut service = Service::spawn(listen, service, name, options, self.folder)?;
        let address = match timeout(START, service.healthy()).await {
            Ok(Ok(address)) => address,
            Ok(Err(error)) => return Err(error.context(service.epitaph())),
            Err(_) => bail!("after {START:?}, {}", service.epitaph()),
        };
        eprintln!("{name} listens at {address}");
        service.address = Some(address.clone());
        self.services.push(service);
        Ok(address)
    }

    /// Stops all services, those last that others depend on.
    pub(super) async fn stop(&mut self) {
        while let Some(service) = self.services.pop() {
            service.stop().await;
        }
    }
}

impl Service {
    fn spawn(
        listen: &str,
        service: &'static str,
        name: &'static str,
        options: &[(&'static str, String)],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let log = folder.join(name).with_extension("log");
        let process = Command::new(std::env::current_exe()?)
            .args(["serve", service, "--listen", listen, "--stop-with-stdin"])
            .arg("--database")
            .arg(folder.join(service).with_extension("db"))
            .args(
                options
                    .iter()
                    .flat_map(|(option, value)| [option, value.as_str()]),
            )
            // Whoever uses the shop otherwise may have set one of them; here the options say where the sagas are.
            .env_remove("SHOP_JOURNAL")
            .env_remove("SHOP_RESTATE")
            .env_remove("SHOP_DATABASE_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(OpenOptions::new().create(true).append(true).open(&log)?)
            // A group of its own: ctrl-c in a terminal is for the demo, which then stops its services in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            kind: service,
            name,
            process,
            log,
            options: options.to_vec(),
            address: None,
        })
    }

    async fn healthy(&mut self) -> anyhow::Result<Address> {
        let stdout = self
            .process
            .stdout
            .take()
            .context("the output is read once")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let address: Address = line
            .as_deref()
            .and_then(|line| line.strip_prefix("listening on "))
            .context("it did not say where it listens")?
            .parse()?;
        let channel = address.endpoint().connect().await?;
        let request = HealthCheckRequest {
            service: String::new(),
        };
        let health = HealthClient::new(channel)
            .check(request)
            .await?
            .into_inner();
        match health.status() {
            ServingStatus::Serving => Ok(address),
            status => bail!("its health is {}", status.as_str_name()),
        }
    }

    /// What is left to say about a service that did not start.
    fn epitaph(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().last().unwrap_or("its log is empty");
        format!("{} did not start: {last}", self.name)
    }

    async fn stop(mut self) {
        let pid = self
            .process
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        if asked && timeout(STOP, self.process.wait()).await.is_ok() {
            return;
        }
        eprintln!("{} does not stop, and is killed", self.name);
        if let Err(error) = self.process.kill().await {
            eprintln!("{} cannot be killed: {error}", self.name);
        }
    }
}
