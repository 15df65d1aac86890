//! One service as a process of its own.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use shop::proto::payments::CreatePaymentRequest;
use shop::proto::payments::payments_client::PaymentsClient;
use tempfile::TempDir;

fn shop() -> Command {
    Command::new(env!("CARGO_BIN_EXE_shop"))
}

/// Payments in a process, with its database and its log in a folder of its own.
struct Payments {
    process: Child,
    address: String,
    folder: TempDir,
}

impl Payments {
    /// Starts it, and waits until it says where it listens.
    fn start(set: impl FnOnce(&mut Command)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let log = File::create(folder.path().join("log")).expect("a log");
        let mut command = shop();
        command
            .args(["serve", "payments"])
            .env("SHOP_LISTEN", "127.0.0.1:0")
            .env("SHOP_DATABASE", folder.path().join("payments.db"))
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
    let payments = Payments::start(|_| {});
    payments.terminate();
    assert!(payments.log().ends_with("stopped\n"));
}

#[test]
fn a_service_stops_when_nobody_holds_its_standard_input() {
    let mut payments = Payments::start(|command| {
        command.arg("--stop-with-stdin");
    });
    drop(payments.process.stdin.take());
    assert!(payments.log().ends_with("stopped\n"));
}

// The client has to hear, while this test waits, that the server goes.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_json_if_wanted_and_never_holds_what_was_asked() {
    let payments = Payments::start(|command| {
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
