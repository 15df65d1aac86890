//! The demo as its user runs it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn demo(folder: &Path) -> Command {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_shop"));
    demo.arg("demo").arg("--folder").arg(folder);
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
    let output = run(&mut demo(folder.path()));
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
    assert_eq!(services(folder.path()), [""; 0]);
    the_journal_can_be_read(&folder.path().join("sagas.db"));
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

#[test]
fn an_interrupted_demo_stops_its_services() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut demo = demo(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the demo runs");
    let mut stderr = BufReader::new(demo.stderr.take().expect("it is piped"));
    let mut line = String::new();
    while !line.starts_with("orders listens") {
        line.clear();
        assert_ne!(
            stderr.read_line(&mut line).expect("text"),
            0,
            "the demo ended before its time"
        );
    }
    assert_eq!(
        services(folder.path()).len(),
        5,
        "the demo itself, and four services"
    );

    let pid = i32::try_from(demo.id())
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process id");
    kill_process(pid, Signal::INT).expect("it runs");
    assert!(!demo.wait().expect("it ends").success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).expect("text");
    assert!(
        rest.ends_with("interrupted: ending the orders under way\n"),
        "{rest}"
    );
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
