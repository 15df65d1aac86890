//! One service as a process of its own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use shop::proto::payments::CreatePaymentRequest;
use shop::proto::payments::payments_client::PaymentsClient;
use tempfile::TempDir;

fn shop() -> Command {
    Command::new(env!("CARGO_BIN_EXE_shop"))
}

/// A service in a process, with its database and its log in a folder of its own.
struct Service {
    process: Child,
    address: String,
    folder: TempDir,
}

impl Service {
    /// Starts it, and waits until it says where it listens.
    fn start(name: &str, set: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = File::create(folder.path().join("log")).expect("a log");
        let mut command = shop();
        command
            .args(["serve", name])
            .current_dir(folder.path())
            .env("SHOP_LISTEN", "127.0.0.1:0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        set(&mut command);
        let mut process = command.spawn().expect("it starts");
        let stdout = process.stdout.take().expect("it is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("text");
        let address = line
            .trim_end()
            .strip_prefix("listening on ")
            .expect("it says where");
        Self {
            address: address.to_owned(),
            process,
            folder,
        }
    }

    fn terminate(&self) {
        let pid = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), Signal::TERM).expect("it runs");
    }

    /// Waits until it ends, as it must without a complaint, and reads its log.
    fn log(mut self) -> String {
        assert!(self.process.wait().expect("it ends").success());
        fs::read_to_string(self.folder.path().join("log")).expect("text")
    }
}

#[test]
fn a_service_stops_when_it_is_told_to() {
    let payments = Service::start("payments", |_| {});
    payments.terminate();
    assert!(payments.log().ends_with("stopped\n"));
}

#[test]
fn a_service_stops_when_nobody_holds_its_standard_input() {
    let mut payments = Service::start("payments", |command| {
        command.arg("--stop-with-stdin");
    });
    drop(payments.process.stdin.take());
    assert!(payments.log().ends_with("stopped\n"));
}

// The client has to hear, while this test waits, that the server goes.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_json_if_wanted_and_never_holds_what_was_asked() {
    let payments = Service::start("payments", |command| {
        command
            .env("SHOP_LOG_FORMAT", "json")
            .args(["--log", "trace", "--limit", "1"]);
    });
    let request = CreatePaymentRequest {
        idempotency_key: "key-that-nobody-may-see".to_owned(),
        order_id: 471_147_174,
        amount: 123_321_132,
    };
    let client = PaymentsClient::connect(payments.address.clone()).await;
    client
        .expect("it listens")
        .create_payment(request)
        .await
        .expect_err("over the limit");
    payments.terminate();

    let log = payments.log();
    assert!(
        log.contains("/shop.payments.v1.Payments/CreatePayment"),
        "{log}"
    );
    assert!(
        log.lines()
            .all(|line| line.starts_with('{') && line.ends_with('}')),
        "{log}"
    );
    for payload in [
        "key-that-nobody-may-see",
        "471147174",
        "123321132",
        "1233211",
    ] {
        assert!(!log.contains(payload), "{payload} in {log}");
    }
}

#[test]
fn orders_has_metrics_beside_its_console() {
    let orders = Service::start("orders", |command| {
        command.args(["--console", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]);
    });
    let log = fs::read_to_string(orders.folder.path().join("log")).expect("text");
    for (line, path, part) in [
        (
            "Prometheus finds the metrics here",
            "/metrics",
            "\nsaga_slots 1000\n",
        ),
        ("operators find the sagas here", "/", "<h1>Overview</h1>"),
    ] {
        let line = log
            .lines()
            .find(|one| one.contains(line))
            .expect("it says where");
        let (_, address) = line.rsplit_once("address=").expect("it says where");
        let mut page = String::new();
        // What is open is told a moment after the start.
        while !page.contains(part) {
            assert!(!page.starts_with("HTTP/1.1 4"), "{page}");
            let mut stream = TcpStream::connect(address).expect("it listens");
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).expect("it listens");
            page.clear();
            stream.read_to_string(&mut page).expect("it answers");
        }
    }
    orders.terminate();
    assert!(orders.log().ends_with("stopped\n"));
}

#[test]
fn what_cannot_start_says_why() {
    for (arguments, reason) in [
        (["--listen", "192.0.2.1:1"], "cannot listen on 192.0.2.1:1"),
        (
            ["--database", "/no/such/folder/payments.db"],
            "cannot open the database",
        ),
        (["--limit", "-5"], "an amount is more than zero"),
        (["--stall-amount", "5"], "--stall-after-commit"),
        (["--log", "shop=loud"], "`shop=loud` is no log filter"),
    ] {
        let mut service = shop();
        service.args(["serve", "payments"]).args(arguments);
        if arguments[0] != "--listen" {
            service.env("SHOP_LISTEN", "127.0.0.1:0");
        }
        let Output { status, stderr, .. } = service.output().expect("it runs");
        let stderr = String::from_utf8(stderr).expect("text");
        assert!(!status.success(), "{arguments:?}");
        assert!(stderr.contains(reason), "{arguments:?}: {stderr}");
    }
}
