//! The commands of the shop, against services on the loopback.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use saga_runtime::journal::Sqlite;
use shop::checkout::{ApprovalRules, CheckoutService, Engine};
use shop::proto::checkout::checkout_server::CheckoutServer;
use shop::server::Server;
use tempfile::TempDir;
use tokio::process::Command;

use crate::fixture::Running;
use crate::market::{Market, Trouble};

/// A shop whose journal is a file, and in which orders over 300 need an approval.
struct OpenShop {
    _market: Market,
    folder: TempDir,
    orders: Running,
}

impl OpenShop {
    async fn open() -> Self {
        let approval = ApprovalRules {
            approval_over: Some("300".parse().expect("an amount")),
            ..ApprovalRules::default()
        };
        let market = Market::in_trouble(Trouble {
            approval,
            ..Trouble::default()
        })
        .await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let journal = Sqlite::open(&Self::journal(folder.path())).await;
        let journal = journal.expect("it is new");
        let engine = Engine::on_journal(market.shop.clone(), journal).await;
        let checkout = CheckoutService::new(engine.expect("the journal is new"));
        let checkout = CheckoutServer::new(checkout);
        Self {
            _market: market,
            folder,
            orders: Running::start(Server::new().offer(checkout).await).await,
        }
    }

    fn journal(folder: &Path) -> PathBuf {
        folder.join("sagas.db")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shop"));
        command
            .args(arguments)
            .env("SHOP_ORDERS", self.orders.address.to_string())
            .env("SHOP_JOURNAL", Self::journal(self.folder.path()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Whether it succeeds, and what it says.
    async fn run(&self, arguments: &[&str]) -> (bool, String) {
        said(self.command(arguments).output().await.expect("it runs"))
    }

    /// Waits until the list of sagas says that this one waits for an approval.
    async fn until_it_waits(&self, id: &str) {
        let waits = async {
            loop {
                let (listed, sagas) = self.run(&["sagas", "--prefix", id]).await;
                assert!(listed, "{sagas}");
                if sagas.contains("  waits for approval, 23h ") {
                    return;
                }
            }
        };
        let waits = tokio::time::timeout(Duration::from_mins(1), waits).await;
        waits.expect("it waits for an approval");
    }
}

fn said(output: Output) -> (bool, String) {
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).expect("text");
    (output.status.success(), text)
}

#[tokio::test]
async fn an_amount_is_ordered_as_a_voucher() {
    let shop = OpenShop::open().await;
    let (placed, text) = shop.run(&["order", "--amount", "100"]).await;
    assert_eq!(
        (placed, text.as_str()),
        (
            true,
            "order 1 is placed: reservation 1 of 1 voucher, payment 1, delivery 1\n"
        )
    );
    let (placed, text) = shop.run(&["order"]).await;
    assert!(!placed && text.contains("--amount <AMOUNT>"), "{text}");
    let (placed, text) = shop.run(&["order", "--item", "tea"]).await;
    assert!(!placed && text.contains("like `tea=2@4.50`"), "{text}");
}

#[tokio::test]
async fn a_large_order_is_listed_approved_and_shown() {
    let shop = OpenShop::open().await;
    let items = ["--item", "tea=2@4.50", "--item", "desk=1@300"];
    let order = [&["order", "--request-id", "large"], &items[..]].concat();
    let order = shop.command(&order).spawn().expect("it runs");
    shop.until_it_waits("large").await;
    let (_, waiting) = shop.run(&["saga", "large"]).await;
    assert!(
        waiting.contains("\n  waits for event:approval, until +864"),
        "{waiting}"
    );

    let (approved, text) = shop.run(&["approve", "large"]).await;
    assert_eq!((approved, text.as_str()), (true, "large is approved\n"));
    let placed = said(order.wait_with_output().await.expect("it ends"));
    let reserved = "reservation 1 of 2 tea, reservation 2 of 1 desk";
    let expected = format!("order 1 is placed: {reserved}, payment 1, delivery 1\n");
    assert_eq!(placed, (true, expected));
    let (_, history) = shop.run(&["saga", "large"]).await;
    let ending = "event:approval has come";
    assert!(
        history.contains(ending) && !history.contains("waits for"),
        "{history}"
    );
    let (again, text) = shop.run(&["approve", "large"]).await;
    assert_eq!(
        (again, text.as_str()),
        (
            false,
            "order `large` does not wait for an approval: it is completed\n"
        )
    );
}

#[tokio::test]
async fn a_list_may_be_read_to_any_line() {
    let shop = OpenShop::open().await;
    let (placed, text) = shop.run(&["order", "--amount", "100"]).await;
    assert!(placed, "{text}");
    let mut list = shop.command(&["sagas"]).spawn().expect("it runs");
    drop(list.stdout.take());
    let list = list.wait_with_output().await.expect("it ends");
    assert_eq!(said(list), (true, String::new()));
}

#[tokio::test]
async fn a_large_order_is_rejected_and_the_customer_hears_why() {
    let shop = OpenShop::open().await;
    let order = ["order", "--request-id", "large", "--amount", "400"];
    let order = shop.command(&order).spawn().expect("it runs");
    shop.until_it_waits("large").await;
    let reject = ["reject", "large", "--reason", "too dear"];
    let (rejected, text) = shop.run(&reject).await;
    assert_eq!((rejected, text.as_str()), (true, "large is rejected\n"));
    let (placed, text) = said(order.wait_with_output().await.expect("it ends"));
    assert_eq!(
        (placed, text.as_str()),
        (
            false,
            "the order is not placed: rejected: too dear\n  charge is compensated\n  set_aside/reserve is compensated\n  create_order is compensated\n"
        )
    );
}
