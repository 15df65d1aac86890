//! The workers of a run, as processes: they are killed, and others take their places.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::proxy::Proxy;

/// The lease of each worker.
pub(crate) const LEASE: Duration = Duration::from_millis(400);

/// The clocks of the first workers. Those of the others are right.
const CLOCKS: [&str; 2] = ["+1h", "-1h"];

struct Worker {
    name: String,
    child: Child,
}

pub(crate) struct Fleet {
    pub(crate) proxy: Proxy,
    folder: TempDir,
    /// Sets the clock of a process.
    faketime: PathBuf,
    workers: Vec<Worker>,
    /// The number of processes that were started.
    pub(crate) generations: usize,
}

impl Fleet {
    /// Starts as many workers on this server.
    pub(crate) fn start(workers: usize, server: &str) -> Self {
        let mut fleet = Self {
            proxy: Proxy::start(server),
            folder: TempDir::new().expect("a folder for the test"),
            faketime: faketime(),
            workers: Vec::new(),
            generations: 0,
        };
        for slot in 0..workers {
            let worker = fleet.worker(slot);
            fleet.workers.push(worker);
        }
        fleet
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The complaints of the workers. An outage makes them complain, which is as it should be; a panic is not.
    pub(crate) fn complaints(&self) -> String {
        std::fs::read_to_string(self.folder().join("complaints")).unwrap_or_default()
    }

    /// The number of sagas that were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        let started = std::fs::read_to_string(self.folder().join("started"));
        started.map_or(0, |started| started.lines().count())
    }

    fn worker(&mut self, slot: usize) -> Worker {
        self.generations += 1;
        let name = format!("worker-{}", self.generations);
        let mut command = self.command(&self.proxy.url(&name));
        command.args(["--starts", &name]);
        if let Some(clock) = CLOCKS.get(slot) {
            command.env("LD_PRELOAD", &self.faketime);
            command.env("FAKETIME", clock);
            command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let child = command.spawn().expect("the worker starts");
        Worker { name, child }
    }

    fn command(&self, url: &str) -> Command {
        let complaints = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder().join("complaints"));
        let complaints: File = complaints.expect("a file in the folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_workers-child"));
        command.arg(url).arg(self.folder());
        command.arg("--lease").arg(LEASE.as_millis().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(complaints);
        command
    }

    /// Kills a worker, and starts another one in its place.
    pub(crate) fn kill(&mut self, slot: usize) {
        end(&mut self.workers[slot].child);
        self.workers[slot] = self.worker(slot);
    }

    /// Freezes a worker, if it can be, in the middle of a commit. With `held`, what it has sent before reaches the server when it goes
    /// on. Returns whether a commit is under way.
    pub(crate) async fn freeze(&self, slot: usize, held: bool) -> bool {
        let name = &self.workers[slot].name;
        if held {
            self.proxy.hold(name);
        }
        let latest = Instant::now() + Duration::from_millis(300);
        while !self.proxy.is_committing(name) && Instant::now() < latest {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.signal(slot, Signal::STOP);
        self.proxy.is_committing(name)
    }

    /// Lets a frozen worker go on. What it has sent before comes first.
    pub(crate) fn thaw(&self, slot: usize) {
        self.proxy.pass_on(&self.workers[slot].name);
        self.signal(slot, Signal::CONT);
    }

    fn signal(&self, slot: usize, signal: Signal) {
        let pid = i32::try_from(self.workers[slot].child.id()).ok();
        let pid = pid.and_then(Pid::from_raw).expect("a number of a process");
        // Until it is waited for, it is there.
        kill_process(pid, signal).expect("a process of this one");
    }

    /// Ends all workers.
    pub(crate) fn end(&mut self) {
        for worker in &mut self.workers {
            end(&mut worker.child);
        }
    }

    /// Starts a last worker, which starts no sagas.
    pub(crate) fn last(&self, url: &str) -> Last {
        let child = self.command(url).spawn();
        Last(child.expect("the worker starts"))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.end();
    }
}

/// A worker that finishes what the others have left. It ends when it is dropped.
pub(crate) struct Last(Child);

impl Drop for Last {
    fn drop(&mut self) {
        end(&mut self.0);
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The library that sets the clock of a process. It is installed if it is missing.
fn faketime() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services/faketime");
    let output = Command::new(script).stderr(Stdio::inherit()).output();
    let path = output.expect("the script can be run").stdout;
    let path = String::from_utf8(path).expect("a path");
    assert!(!path.is_empty(), "there is no libfaketime: see above");
    PathBuf::from(path.trim_end())
}
