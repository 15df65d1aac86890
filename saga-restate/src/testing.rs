//! A private Restate server for tests and demos, on loopback, on free ports, without telemetry, with its data in a
//! temporary folder; and sagas that end at a poll.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use restate_sdk::ingress::RequestExecutor;
use tempfile::TempDir;
use thiserror::Error;
use tokio::time::Instant;

use crate::client::Http;
pub use crate::crash::CrashPoint;

/// The longest time until a server answers.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs the server until its standard input ends or gets a line. However this process ends, the server ends with it.
/// Its data are removed as well, unless they are kept.
const UNTIL_CLOSED: &str = r#"
    data=$1; at_end=$2; shift 2
    "$@" &
    echo $! > "$data/pid"
    read -r what
    kill -9 $!
    wait
    [ "${what:-$at_end}" = keep ] || rm -rf "$data"
"#;

/// The path of the binary, if it is somewhere else.
const VARIABLE: &str = "RESTATE_SERVER";

/// A Restate server. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    binary: PathBuf,
    data: Data,
    ingress: SocketAddr,
    admin: SocketAddr,
    node: SocketAddr,
    /// Additional environment variables.
    settings: Vec<(String, String)>,
    /// The shell that runs the server.
    process: Option<Child>,
    http: Http,
}

/// The folder of its data.
#[derive(Debug)]
enum Data {
    /// A folder that is removed with the server.
    Temporary(TempDir),
    /// A folder of the caller.
    Kept(PathBuf),
}

impl Data {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(folder) => folder,
        }
    }

    /// A port that is free, and is free again when this is dropped.
    ///
    /// Another process could take the port before the server does. So a server for a test has an address of this
    /// process, where the system has more than one loopback address. A server that is kept has the address that
    /// browsers find.
    fn port(&self) -> std::io::Result<TcpListener> {
        static LAST: AtomicU8 = AtomicU8::new(0);
        let everybodys = || TcpListener::bind("127.0.0.1:0");
        match self {
            Self::Temporary(_) => {
                let [.., high, low] = std::process::id().to_be_bytes();
                let own = Ipv4Addr::new(127, high, low, LAST.fetch_add(1, Ordering::Relaxed) | 1);
                TcpListener::bind((own, 0)).or_else(|_| everybodys())
            }
            Self::Kept(_) => everybodys(),
        }
    }

    fn at_end(&self) -> &'static str {
        match self {
            Self::Temporary(_) => "remove",
            Self::Kept(_) => "keep",
        }
    }
}

/// The reason why there is no server.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// It can't be started.
    #[error("there is no Restate server at {}: run `make services`, or say in {VARIABLE} where it is", binary.display())]
    Missing {
        /// The path at which it was looked for.
        binary: PathBuf,
    },
    /// There is no folder or no port for it.
    #[error("no folder or no port for a Restate server")]
    Room(#[from] std::io::Error),
    /// It does not answer.
    #[error("the Restate server does not answer; its log:\n{log}")]
    Silent {
        /// The end of its log.
        log: String,
    },
    /// It does not accept a request.
    #[error("the Restate server says {status}: {message}")]
    Refused {
        /// The status of its answer.
        status: StatusCode,
        /// The text of its answer.
        message: String,
    },
}

impl Server {
    /// Starts a server on an empty folder: the binary that the environment variable `RESTATE_SERVER` names, or the one that
    /// `make services` has installed in a folder `services` here or above.
    ///
    /// # Errors
    /// If it can't be started, or does not answer within a minute.
    pub async fn start() -> Result<Self, ServerError> {
        Self::start_with([]).await
    }

    /// Starts a server with additional environment variables, such as `RESTATE_LOG_FILTER`.
    ///
    /// # Errors
    /// As those of [`start`](Self::start).
    pub async fn start_with<'a>(
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ServerError> {
        let settings = settings.into_iter();
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let folder = TempDir::with_prefix("restate-")?;
        Self::start_on(Data::Temporary(folder), settings.collect()).await
    }

    /// Starts a server on this folder, which is made if there is none. The data stay there, with the server's log.
    ///
    /// # Errors
    /// As those of [`start`](Self::start).
    pub async fn start_in(folder: &Path) -> Result<Self, ServerError> {
        std::fs::create_dir_all(folder)?;
        Self::start_on(Data::Kept(folder.to_owned()), Vec::new()).await
    }

    async fn start_on(data: Data, settings: Vec<(String, String)>) -> Result<Self, ServerError> {
        let binary = binary();
        if !binary.exists() {
            return Err(ServerError::Missing { binary });
        }
        // Kept until all are known, so that they differ.
        let ports = [(); 3].map(|()| data.port());
        let [ingress, admin, node] = ports;
        let (ingress, admin, node) = (ingress?, admin?, node?);
        let mut server = Self {
            binary,
            data,
            ingress: ingress.local_addr()?,
            admin: admin.local_addr()?,
            node: node.local_addr()?,
            settings,
            process: None,
            http: Http::default(),
        };
        drop((ingress, admin, node));
        server.begin().await?;
        Ok(server)
    }

    /// The address of its ingress, for clients.
    #[must_use]
    pub fn ingress(&self) -> String {
        format!("http://{}", self.ingress)
    }

    /// The address of its admin API and its web UI.
    #[must_use]
    pub fn admin(&self) -> String {
        format!("http://{}", self.admin)
    }

    /// Tells it that sagas run at this address.
    ///
    /// # Errors
    /// If it does not accept that.
    pub async fn register(&self, endpoint: &str) -> Result<(), ServerError> {
        let body = serde_json::json!({ "uri": endpoint, "force": true }).to_string();
        self.ask(Method::POST, "/deployments", body).await.map(drop)
    }

    /// Sends a request to its admin API.
    ///
    /// # Errors
    /// If the server rejects the request.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<Bytes, ServerError> {
        let (status, body) = self.answer(self.admin, method, path, body).await?;
        if status.is_success() {
            return Ok(body);
        }
        let message = String::from_utf8_lossy(&body).into_owned();
        Err(ServerError::Refused { status, message })
    }

    /// The id of its process.
    #[must_use]
    pub fn process_id(&self) -> Option<i32> {
        let id = std::fs::read_to_string(self.data.path().join("pid")).ok()?;
        id.trim().parse().ok()
    }

    /// Kills it (`SIGKILL`), and waits until it is gone.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            if let Some(mut input) = process.stdin.take() {
                // It may be gone already.
                let _ = input.write_all(b"keep\n");
            }
            let _ = process.wait();
        }
    }

    /// Starts it again on its data.
    ///
    /// # Errors
    /// As those of [`start`](Self::start).
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        self.kill();
        self.begin().await
    }

    async fn begin(&mut self) -> Result<(), ServerError> {
        let log = std::fs::File::create(self.log())?;
        let mut server = Command::new("sh");
        server
            .args(["-c", UNTIL_CLOSED, "sh"])
            .arg(self.data.path())
            .arg(self.data.at_end())
            .arg(&self.binary)
            .args(["--no-logo", "--node-name", "saga", "--listen-mode", "tcp"])
            .arg("--base-dir")
            .arg(self.data.path())
            // A killed server does not remove the files that it spills there.
            .env("TMPDIR", self.data.path())
            .env("RESTATE_DISABLE_TELEMETRY", "true")
            .env("RESTATE_BIND_ADDRESS", self.node.to_string())
            .env(
                "RESTATE_ADVERTISED_ADDRESS",
                format!("http://{}", self.node),
            )
            .env("RESTATE_INGRESS__BIND_ADDRESS", self.ingress.to_string())
            .env("RESTATE_ADMIN__BIND_ADDRESS", self.admin.to_string())
            .env("RESTATE_DEFAULT_NUM_PARTITIONS", "4")
            .env("RESTATE_LOG_FORMAT", "compact")
            .env("RESTATE_LOG_DISABLE_ANSI_CODES", "true")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log);
        // A group of its own: ctrl-c in a terminal is for this process, which may need the server until its own end.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut server, 0);
        self.process = Some(server.spawn()?);
        self.answers().await
    }

    /// Waits until it answers, and its tables of sagas can be queried.
    async fn answers(&self) -> Result<(), ServerError> {
        let until = Instant::now() + PATIENCE;
        // Its tables are there a little later than the rest.
        let count = r#"{"query": "SELECT count(*) FROM sys_invocation"}"#;
        for (address, method, path, body) in [
            (self.admin, Method::GET, "/health", ""),
            (self.ingress, Method::GET, "/restate/health", ""),
            (self.admin, Method::POST, "/query", count),
        ] {
            loop {
                let answer = self.answer(address, method.clone(), path, body.to_owned());
                if matches!(answer.await, Ok((status, _)) if status.is_success()) {
                    break;
                }
                if Instant::now() > until {
                    let log = std::fs::read_to_string(self.log()).unwrap_or_default();
                    return Err(ServerError::Silent { log });
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }

    async fn answer(
        &self,
        address: SocketAddr,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, Bytes), ServerError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{address}{path}"))
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .body(Bytes::from(body));
        let request = request.map_err(std::io::Error::other)?;
        let response = self.http.execute(request).await;
        let response = response.map_err(std::io::Error::other)?;
        Ok((response.status(), response.into_body()))
    }

    fn log(&self) -> PathBuf {
        self.data.path().join("server.log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The place of the server.
fn binary() -> PathBuf {
    if let Some(binary) = std::env::var_os(VARIABLE) {
        return binary.into();
    }
    let system = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let machine = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    };
    let installed = format!(
        "services/node_modules/@restatedev/restate-server-{system}-{machine}/bin/restate-server"
    );
    let here = std::env::current_dir().unwrap_or_default();
    let mut above = here.ancestors().map(|folder| folder.join(&installed));
    above.find(|path| path.exists()).unwrap_or(installed.into())
}
