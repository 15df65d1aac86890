//! The demo as its user runs it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

fn demo(folder: &Path) -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_shop"));
    demo.arg("demo").arg("--folder").arg(folder);
    demo
}

fn demo_on_restate(folder: &Path) -> Command {
    let mut demo = demo(folder);
    demo.args(["--on", "restate"]);
    demo
}

fn run(demo: &mut Command) -> Output {
    demo.output().expect("the demo runs")
}

/// The processes that have this folder in their command line: the services of one demo.
fn services(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().expect("a path in UTF-8");
    fs::read_dir("/proc")
        .expect("a process table")
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|command_line| String::from_utf8_lossy(&command_line).replace('\0', " "))
        .filter(|command_line| command_line.contains(folder))
        .collect()
}

#[test]
fn the_demo_leaves_no_orphan_and_no_process_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    leaves_nothing_behind(&mut demo(folder.path()), folder.path());
    the_journal_can_be_read(&folder.path().join("sagas.db"));
}

#[test]
fn on_restate_the_demo_leaves_no_orphan_and_no_process_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let stderr = leaves_nothing_behind(&mut demo_on_restate(folder.path()), folder.path());
    assert!(
        stderr.contains("its web UI is at http://127.0."),
        "{stderr}"
    );
    assert!(!folder.path().join("sagas.db").exists());
    assert!(folder.path().join("restate/server.log").exists());
}

#[test]
fn on_postgres_a_kill_and_a_deployment_leave_no_orphan_and_no_process_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut demo = demo(folder.path());
    let output = run(demo.args(["--on", "postgres", "--orders", "96"]));
    let stdout = String::from_utf8(output.stdout).expect("text");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success(), "{stdout}\n{stderr}");
    for (output, seen) in [
        (&stderr, " kill -9 orders-1 … "),
        (&stderr, "orders-2 has handed its orders over"),
        (&stdout, " of version 1, "),
        (&stdout, " of version 2; "),
        (&stdout, "\naudit: 96 orders, "),
        (&stdout, " compensated, 0 orphans\n"),
    ] {
        assert!(output.contains(seen), "{seen}: {stdout}\n{stderr}");
    }
    assert_eq!(services(folder.path()), [""; 0]);
    assert!(!folder.path().join("sagas.db").exists());
}

fn leaves_nothing_behind(demo: &mut Command, folder: &Path) -> String {
    let output = run(demo);
    let stdout = String::from_utf8(output.stdout).expect("text");
    let stderr = String::from_utf8(output.stderr).expect("text");

    assert!(output.status.success(), "{stdout}\n{stderr}");
    let audits: Vec<_> = stdout
        .lines()
        .filter(|line| line.starts_with("audit:"))
        .collect();
    assert_eq!(audits.len(), 1, "{stdout}\n{stderr}");
    // A step that the kill has cut off may answer in time when it is asked again.
    assert!(audits[0].starts_with("audit: 24 orders, "), "{stdout}");
    assert!(audits[0].ends_with(" compensated, 0 orphans"), "{stdout}");
    for seen in [
        "resumed, ",
        "waited on, approved",
        "waited on, rejected",
        "rejected: too much at once",
        "stock refused: 3 of `lamp` are wanted, and 2 are left",
        "\nstock: ",
    ] {
        assert!(stdout.contains(seen), "{seen}: {stdout}\n{stderr}");
    }
    assert!(
        stderr.contains("\nstill waiting for an approval: order-"),
        "{stderr}"
    );
    assert_eq!(stdout.lines().last(), audits.last().copied());
    let placed = stdout.lines().filter(|line| line.contains("  placed  "));
    assert!(placed.count() >= 12, "{stdout}");
    assert_eq!(services(folder), [""; 0]);
    the_first_of_two_was_killed(&folder.join("orders.log"));
    stderr
}

/// Of two orders processes only the second one has said that it stops. And neither has said what was ordered.
fn the_first_of_two_was_killed(log: &Path) {
    let log = fs::read_to_string(log).expect("text");
    let listened: Vec<_> = log.match_indices(": listening ").collect();
    let stopped: Vec<_> = log.match_indices(": stopping\n").collect();
    assert_eq!((listened.len(), stopped.len()), (2, 1), "{log}");
    assert!(listened[1].0 < stopped[0].0, "{log}");
    tells_no_payload(&log);
}

fn tells_no_payload(log: &str) {
    for payload in ["540.00", "too much", "desk"] {
        assert!(!log.contains(payload), "{payload} in {log}");
    }
}

fn the_journal_can_be_read(journal: &Path) {
    let shop = |arguments: &[&str]| {
        let mut shop = Command::new(env!("CARGO_BIN_EXE_shop"));
        let output = run(shop.args(arguments).arg("--journal").arg(journal));
        let stdout = String::from_utf8(output.stdout).expect("text");
        (output.status.success(), stdout)
    };
    let (listed, all) = shop(&["sagas"]);
    assert!(listed && all.lines().count() == 24, "{all}");
    let (_, stuck) = shop(&["sagas", "--state", "stuck"]);
    assert_eq!(stuck, "");
    let (_, some) = shop(&["sagas", "--prefix", "order-1", "--limit", "3"]);
    assert_eq!(some.lines().count(), 4, "{some}");
    assert!(some.ends_with("… and more: raise --limit\n"), "{some}");
    // Payments refuse it.
    let (shown, saga) = shop(&["saga", "order-2"]);
    assert!(
        shown && saga.starts_with("saga order-2: place_order, version 1, compensated\n"),
        "{saga}"
    );
    assert!(
        saga.contains("payments refused: 540.00 is over the limit"),
        "{saga}"
    );
    assert!(saga.contains("create_order compensated"), "{saga}");
    // It was approved.
    let (_, saga) = shop(&["saga", "order-3"]);
    assert!(saga.contains("event:approval has come"), "{saga}");
    let (shown, _) = shop(&["saga", "order-99"]);
    assert!(!shown);
}

/// A demo that runs in a group of its own, as in a terminal.
struct Running {
    demo: Child,
    stderr: BufReader<ChildStderr>,
}

impl Running {
    fn start(demo: &mut Command) -> Self {
        let mut demo = demo
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the demo runs");
        let stderr = BufReader::new(demo.stderr.take().expect("it is piped"));
        Self { demo, stderr }
    }

    /// Reads what it says until a line begins like this.
    fn until(&mut self, beginning: &str) -> String {
        let mut line = String::new();
        while !line.starts_with(beginning) {
            line.clear();
            assert_ne!(
                self.stderr.read_line(&mut line).expect("text"),
                0,
                "the demo ended before its time"
            );
        }
        line
    }

    /// What Ctrl-C does. Says whether the demo has succeeded, and what it has said since.
    fn interrupt(mut self) -> (bool, String, String) {
        let pid = i32::try_from(self.demo.id()).ok().and_then(Pid::from_raw);
        kill_process_group(pid.expect("a process id"), Signal::INT).expect("it runs");
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let output = self.demo.stdout.as_mut().expect("it is piped");
        output.read_to_string(&mut stdout).expect("text");
        self.stderr.read_to_string(&mut stderr).expect("text");
        let succeeded = self.demo.wait().expect("it ends").success();
        (succeeded, stdout, stderr)
    }
}

#[test]
fn an_interrupted_demo_stops_its_services() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The demo itself, and four services.
    is_interrupted(&mut demo(folder.path()), folder.path(), 5);
}

#[test]
fn on_restate_an_interrupted_demo_stops_its_services() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // The Restate server as well, and the shell that sees to it that it ends.
    is_interrupted(&mut demo_on_restate(folder.path()), folder.path(), 7);
}

fn is_interrupted(demo: &mut Command, folder: &Path, processes: usize) {
    let mut running = Running::start(demo);
    running.until("orders listens");
    assert_eq!(services(folder).len(), processes);
    let (succeeded, stdout, stderr) = running.interrupt();
    assert!(!succeeded);
    assert_eq!(stdout, "");
    assert!(
        stderr.ends_with("interrupted: ending the orders under way\n"),
        "{stderr}"
    );
    assert_eq!(services(folder), [""; 0]);
}

#[test]
fn a_demo_that_is_kept_can_be_watched_in_the_web_ui_until_it_is_interrupted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut demo = demo_on_restate(folder.path());
    demo.args(["--keep", "--orders", "3"]);
    let mut running = Running::start(demo.env("SHOP_LOG", "trace"));
    let restate = running.until("restate listens");
    running.until("everything is left running");

    let (_, ui) = restate
        .trim_end()
        .split_once("http://")
        .expect("an ingress");
    let (_, ui) = ui.split_once("http://").expect("the web UI");
    let (address, path) = ui.split_at(ui.find('/').expect("a path"));
    let mut admin = TcpStream::connect(address).expect("it listens");
    write!(admin, "GET {path} HTTP/1.0\r\n\r\n").expect("it reads");
    let mut page = String::new();
    admin.read_to_string(&mut page).expect("text");
    assert!(page.starts_with("HTTP/1.0 200 OK"), "{page}");
    assert!(page.contains("<title>Restate</title>"), "{page}");

    let (succeeded, stdout, stderr) = running.interrupt();
    assert!(succeeded, "{stdout}\n{stderr}");
    assert!(
        stdout.ends_with("audit: 3 orders, 1 compensated, 0 orphans\n"),
        "{stdout}"
    );
    assert_eq!(services(folder.path()), [""; 0]);
    let log = fs::read_to_string(folder.path().join("orders.log")).expect("text");
    assert!(log.contains(" TRACE "));
    tells_no_payload(&log);
}

#[test]
fn without_a_restate_server_the_demo_says_how_to_get_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let nowhere = folder.path().join("restate-server");
    let output = run(demo_on_restate(folder.path()).env("RESTATE_SERVER", &nowhere));
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(stderr.contains("there is no Restate server at"), "{stderr}");
    assert!(stderr.contains("run `make services`"), "{stderr}");
    assert_eq!(services(folder.path()), [""; 0]);
}

#[test]
fn a_demo_whose_services_cannot_start_says_why_and_leaves_none() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = run(demo(folder.path()).env("SHOP_LOG", "shop=nonsense"));
    let stderr = String::from_utf8(output.stderr).expect("text");

    assert!(!output.status.success());
    assert!(
        stderr.contains("stock did not start: error: `shop=nonsense` is no log filter"),
        "{stderr}"
    );
    assert_eq!(services(folder.path()), [""; 0]);
}

#[test]
fn a_demo_does_not_touch_a_folder_that_is_not_empty() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("orders.db"), "somebody's").expect("writable");
    let output = run(&mut demo(folder.path()));

    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(stderr.ends_with("is not empty\n"), "{stderr}");
}
