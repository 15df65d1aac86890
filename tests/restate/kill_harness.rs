//! A server, and sagas on it that are killed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use saga_restate::testing::Server;
use saga_restate::{Client, ClientError, ExecuteError, SagaHandle};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::check::{Ended, check, requests};
use crate::process::{Process, free_address};
use crate::sagas::{Case, Doubting, GO, Grouped, Line, Shipping, Spread};

/// The process that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    Process,
    Server,
    Both,
}

/// A server and its client.
pub(crate) struct Harness {
    server: Arc<Mutex<Server>>,
    client: Client,
}

/// A saga that was started.
pub(crate) enum Submitted {
    Line(SagaHandle<Line>),
    Shipping(SagaHandle<Shipping>),
    Doubting(SagaHandle<Doubting>),
    Grouped(SagaHandle<Grouped>),
    Spread(SagaHandle<Spread>),
}

/// A saga that has not ended by then is lost.
const PATIENCE: Duration = Duration::from_mins(2);

impl Harness {
    pub(crate) async fn new() -> Self {
        let server = Server::start().await.expect("a server");
        let client = Client::connect(&server.ingress()).expect("an address");
        Self {
            server: Arc::new(Mutex::new(server)),
            client,
        }
    }

    pub(crate) async fn register(&self, endpoint: &str) {
        let registered = self.server.lock().await.register(endpoint).await;
        registered.expect("it is an endpoint");
    }

    pub(crate) async fn submit(&self, id: &str, case: Case) -> Result<Submitted, ClientError> {
        if case.saga == "spread" {
            self.client.send::<Spread, ()>(id, GO, &()).await?;
        }
        self.start(id, case).await
    }

    /// Starts it, or finds it if it was started.
    async fn start(&self, id: &str, case: Case) -> Result<Submitted, ClientError> {
        let plan = case.plan;
        let client = &self.client;
        match case.saga {
            "line" => client.submit(id, &Line { plan }).await.map(Submitted::Line),
            "shipping" => client
                .submit(id, &Shipping { plan })
                .await
                .map(Submitted::Shipping),
            "grouped" => client
                .submit(id, &Grouped { plan })
                .await
                .map(Submitted::Grouped),
            "spread" => client
                .submit(id, &Spread { plan })
                .await
                .map(Submitted::Spread),
            _ => client
                .submit(id, &Doubting { plan })
                .await
                .map(Submitted::Doubting),
        }
    }

    /// Runs the saga of a case, and kills the victim at this moment; whether the saga came that far.
    pub(crate) async fn kill_at(
        &self,
        number: usize,
        case: Case,
        moment: u32,
        victim: Victim,
    ) -> Result<bool, String> {
        let folder = TempDir::new().expect("a folder for the test");
        let database = folder.path().join("participant.db");
        let address = free_address();
        let id = format!("case-{number}-{moment}");
        let server = self.server.lock().await.process_id().expect("it runs");
        let (moment, server) = (moment.to_string(), server.to_string());
        let mut arguments = vec!["--kill-at", &moment];
        if victim != Victim::Process {
            arguments.extend(["--server", &server]);
        }
        if victim == Victim::Server {
            arguments.push("--survives");
        }
        let mut process = Process::start(&database, address, &arguments);
        process.listens().await;
        let submitted = {
            let locked = self.server.lock().await;
            let registered = locked.register(&format!("http://{address}")).await;
            registered.expect("it is an endpoint");
            match (self.submit(&id, case).await, victim) {
                (Ok(submitted), _) => Some(submitted),
                // It was killed before it could say that it has taken it.
                (Err(ClientError::Unreachable(_)), Victim::Server | Victim::Both) => None,
                (Err(error), _) => return Err(error.to_string()),
            }
        };
        let killed = async {
            loop {
                let is_killed = match victim {
                    Victim::Process => process.has_ended(),
                    Victim::Server => self.is_gone().await,
                    Victim::Both => process.has_ended() && self.is_gone().await,
                };
                if is_killed {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        };
        tokio::select! {
            biased;
            () = killed => {}
            ended = ends_or_breaks(submitted.as_ref()) => {
                if let Some(ended) = ended {
                    check(&database, &id, case, &ended, None)?;
                    return Ok(false);
                }
                // The server is gone, and so is the connection: it was killed.
            }
        }
        let before = requests(&database)?;
        if victim != Victim::Process {
            let mut server = self.server.lock().await;
            server.restart().await.map_err(|error| error.to_string())?;
        }
        if victim != Victim::Server {
            drop(process);
            process = Process::start(&database, address, &[]);
            process.listens().await;
        }
        let submitted = match submitted {
            Some(submitted) => submitted,
            None => self.find(&id, case).await?,
        };
        let ended = submitted.ends(self).await?;
        check(&database, &id, case, &ended, Some(&before))?;
        Ok(true)
    }

    /// Finds a saga on a server that has just come back.
    async fn find(&self, id: &str, case: Case) -> Result<Submitted, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.start(id, case).await {
                Ok(submitted) => return Ok(submitted),
                Err(ClientError::Unreachable(_) | ClientError::Refused { .. })
                    if Instant::now() < until =>
                {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// The sagas that have not ended, as Restate lists them.
    async fn open(&self) -> String {
        let query =
            "SELECT target, status, last_failure FROM sys_invocation WHERE status != 'completed'";
        let query = serde_json::json!({ "query": query }).to_string();
        let server = self.server.lock().await;
        match server.ask(http::Method::POST, "/query", query).await {
            Ok(open) => String::from_utf8_lossy(&open).into_owned(),
            Err(error) => error.to_string(),
        }
    }

    async fn is_gone(&self) -> bool {
        let id = self.server.lock().await.process_id();
        let id = id.and_then(rustix::process::Pid::from_raw);
        id.is_none_or(|id| rustix::process::test_kill_process(id).is_err())
    }
}

impl Submitted {
    async fn wait(&self) -> Result<(), ExecuteError> {
        match self {
            Self::Line(saga) => saga.wait().await.map(drop),
            Self::Shipping(saga) => saga.wait().await.map(drop),
            Self::Doubting(saga) => saga.wait().await.map(drop),
            Self::Grouped(saga) => saga.wait().await.map(drop),
            Self::Spread(saga) => saga.wait().await.map(drop),
        }
    }

    /// Waits for its end.
    pub(crate) async fn ends(&self, harness: &Harness) -> Result<Ended, String> {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let waited = tokio::time::timeout(left, self.wait()).await;
            match waited {
                Err(_) => return Err(format!("it never ends: {}", harness.open().await)),
                Ok(Ok(())) => return Ok(Ended::Completed),
                Ok(Err(ExecuteError::Failed(report))) => return Ok(Ended::Failed(report)),
                Ok(Err(ExecuteError::Stuck(stuck))) => {
                    return Ok(Ended::Failed(Box::new(stuck.report)));
                }
                // The server has just come back.
                Ok(Err(ExecuteError::Client(
                    ClientError::Unreachable(_) | ClientError::Refused { .. },
                ))) => tokio::time::sleep(Duration::from_millis(20)).await,
                Ok(Err(other)) => return Err(other.to_string()),
            }
        }
    }
}

/// Waits for the end of a saga; `None` if the server ended first.
async fn ends_or_breaks(submitted: Option<&Submitted>) -> Option<Ended> {
    match submitted?.wait().await {
        Ok(()) => Some(Ended::Completed),
        Err(ExecuteError::Failed(report)) => Some(Ended::Failed(report)),
        Err(ExecuteError::Stuck(stuck)) => Some(Ended::Failed(Box::new(stuck.report))),
        Err(_) => None,
    }
}
