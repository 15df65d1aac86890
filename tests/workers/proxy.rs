//! A proxy between the workers and the server. It cuts connections around a commit, holds back what a frozen worker has sent, and
//! leads to another server after a failover.
//!
//! A statement commits between the message `S` (sync) of the worker and the `Z` (ready) with which the server answers.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The name of the socket of a server, in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// The code of the message with which a client asks for encryption.
const ENCRYPTION: [u8; 4] = 80_877_103_u32.to_be_bytes();

/// The instant at which a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Cut {
    /// The server does not hear that it is to commit.
    BeforeTheCommit,
    /// The server has committed, and the worker does not hear of it.
    BeforeTheAnswer,
    /// The worker hears of the commit, and of nothing after it.
    AfterTheAnswer,
}

impl Cut {
    pub(crate) const ALL: [Self; 3] = [
        Self::BeforeTheCommit,
        Self::BeforeTheAnswer,
        Self::AfterTheAnswer,
    ];
}

#[derive(Default)]
struct State {
    target: PathBuf,
    /// The cuts that the next commits meet.
    armed: Vec<Cut>,
    done: HashMap<Cut, usize>,
    /// The commits of each worker that are not answered.
    in_flight: HashMap<String, usize>,
    /// The messages of each worker that wait.
    waiting: HashMap<String, usize>,
    /// The messages that were held back, and passed on.
    late: usize,
}

struct Shared {
    state: Mutex<State>,
    /// The workers whose messages wait.
    held: watch::Sender<HashSet<String>>,
}

/// The proxy. It ends when it is dropped.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    folder: TempDir,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy in front of this server.
    pub(crate) fn start(server: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("saga-proxy")
            .tempdir_in("/tmp");
        let folder = folder.expect("a folder for the socket");
        let listener = UnixListener::bind(folder.path().join(SOCKET)).expect("a new socket");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            held: watch::Sender::default(),
        });
        let accepting = tokio::spawn(accept(Arc::clone(&shared), listener));
        let proxy = Self {
            shared,
            folder,
            accepting,
        };
        proxy.lead_to(server);
        proxy
    }

    /// The URL for a worker of this name.
    pub(crate) fn url(&self, worker: &str) -> String {
        let folder = self.folder.path().display();
        format!("postgres://postgres@localhost/postgres?host={folder}&application_name={worker}")
    }

    /// Leads new connections to this server.
    pub(crate) fn lead_to(&self, server: &str) {
        let (_, folder) = server.split_once("?host=").expect("a socket in a folder");
        self.shared.state().target = Path::new(folder).join(SOCKET);
    }

    /// Cuts the connection of one of the next commits.
    pub(crate) fn cut(&self, cut: Cut) {
        self.shared.state().armed.push(cut);
    }

    /// The connections that were cut.
    pub(crate) fn done(&self, cut: Cut) -> usize {
        self.shared.state().done.get(&cut).copied().unwrap_or(0)
    }

    /// Returns whether a commit of this worker is under way, or its message waits.
    pub(crate) fn is_committing(&self, worker: &str) -> bool {
        let state = self.shared.state();
        let is_one =
            |counts: &HashMap<String, usize>| counts.get(worker).is_some_and(|count| *count > 0);
        is_one(&state.in_flight) || is_one(&state.waiting)
    }

    /// Holds back what a worker sends from now on.
    pub(crate) fn hold(&self, worker: &str) {
        self.shared.held.send_modify(|held| {
            held.insert(worker.to_owned());
        });
    }

    /// Passes on what was held back.
    pub(crate) fn pass_on(&self, worker: &str) {
        self.shared.held.send_modify(|held| {
            held.remove(worker);
        });
    }

    /// The messages that were held back, and reached the server when others held the sagas of their worker.
    pub(crate) fn late(&self) -> usize {
        self.shared.state().late
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next cut, if it is one of these.
    fn take(&self, cuts: &[Cut]) -> Option<Cut> {
        let mut state = self.state();
        let next = state.armed.iter().position(|cut| cuts.contains(cut))?;
        let cut = state.armed.swap_remove(next);
        *state.done.entry(cut).or_default() += 1;
        Some(cut)
    }

    /// Waits until what this worker sends is passed on.
    async fn is_passed_on(&self, worker: &str) {
        let mut held = self.held.subscribe();
        if !held.borrow_and_update().contains(worker) {
            return;
        }
        *self.state().waiting.entry(worker.to_owned()).or_default() += 1;
        let _ = held.wait_for(|held| !held.contains(worker)).await;
        let mut state = self.state();
        state.late += 1;
        if let Some(waiting) = state.waiting.get_mut(worker) {
            *waiting -= 1;
        }
    }
}

/// The commits of one connection that are not answered.
struct InFlight<'a> {
    shared: &'a Shared,
    worker: &'a str,
    commits: Mutex<usize>,
}

impl InFlight<'_> {
    fn add(&self, added: bool) -> bool {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        if !added && *commits == 0 {
            // The server is ready after a login.
            return false;
        }
        let mut state = self.shared.state();
        let of_worker = state.in_flight.entry(self.worker.to_owned()).or_default();
        if added {
            *commits += 1;
            *of_worker += 1;
        } else {
            *commits -= 1;
            *of_worker = of_worker.saturating_sub(1);
        }
        true
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        while self.add(false) {}
    }
}

async fn accept(shared: Arc<Shared>, listener: UnixListener) {
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            // Whatever ends it, both sides see a connection that is gone.
            let _ = relay(&shared, client).await;
        });
    }
}

async fn relay(shared: &Shared, mut client: UnixStream) -> io::Result<()> {
    let login = login(&mut client).await?;
    let worker = application(&login);
    let target = shared.state().target.clone();
    let mut server = UnixStream::connect(target).await?;
    server.write_all(&login).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let in_flight = InFlight {
        shared,
        worker: &worker,
        commits: Mutex::default(),
    };
    let up = async {
        loop {
            let message = message(&mut from_client).await?;
            shared.is_passed_on(&worker).await;
            if matches!(message[0], b'S' | b'Q') {
                if shared.take(&[Cut::BeforeTheCommit]).is_some() {
                    return Ok(());
                }
                in_flight.add(true);
            }
            to_server.write_all(&message).await?;
        }
    };
    let down = async {
        loop {
            let message = message(&mut from_server).await?;
            let mut cut = None;
            if message[0] == b'Z' && in_flight.add(false) {
                cut = shared.take(&[Cut::BeforeTheAnswer, Cut::AfterTheAnswer]);
            }
            if cut != Some(Cut::BeforeTheAnswer) {
                to_client.write_all(&message).await?;
            }
            if cut.is_some() {
                return Ok(());
            }
        }
    };
    tokio::select! {
        ended = up => ended,
        ended = down => ended,
    }
}

/// Reads the first message of a client, which has no type. Encryption is refused.
async fn login(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    loop {
        let login = body(client, Vec::new()).await?;
        if login.get(4..8) != Some(&ENCRYPTION) {
            return Ok(login);
        }
        client.write_all(b"N").await?;
    }
}

/// Reads a message: its type, its length, its content.
async fn message(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let kind = from.read_u8().await?;
    body(from, vec![kind]).await
}

/// Reads the rest of a message that begins so: its length, which counts itself, and its content.
async fn body(from: &mut (impl AsyncRead + Unpin), mut message: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    message.extend(length.to_be_bytes());
    let content = message.len();
    message.resize(content + (length as usize).saturating_sub(4), 0);
    from.read_exact(&mut message[content..]).await?;
    Ok(message)
}

/// The name that a login gives: its content is names and values, each with a zero at its end.
fn application(login: &[u8]) -> String {
    let mut texts = login.get(8..).unwrap_or_default().split(|byte| *byte == 0);
    while let Some(name) = texts.next() {
        let value = texts.next().unwrap_or_default();
        if name == b"application_name" {
            return String::from_utf8_lossy(value).into_owned();
        }
    }
    String::new()
}
