//! No money is lost or made, also if answers get lost and the process ends in the middle.

use std::path::Path;
use std::sync::Arc;

use saga_runtime::testing::FailureMatrix;
use saga_runtime::{Coordinator, ExecuteError};
use tokio::sync::OnceCell;

use crate::bank::BankError;
use crate::transfer::{Banks, TransferMoney};
use crate::{banks, start};

const ACCOUNTS: [&str; 2] = ["bob", "eve"]; // there is no account of eve

fn order(number: usize) -> (String, TransferMoney) {
    let to = ACCOUNTS[number % 2].to_owned();
    let from = "ann".to_owned();
    let order = TransferMoney {
        from,
        to,
        cents: 30,
    };
    (format!("t-{number}"), order)
}

async fn transfer(
    coordinator: &Coordinator<Banks>,
    number: usize,
) -> Result<(), ExecuteError<BankError>> {
    let (id, order) = order(number);
    coordinator.execute(id, order).await
}

async fn balances(folder: &Path) -> (i64, i64) {
    let banks = banks(folder, false).await.expect("the files are there");
    let ann = banks.home.balance("ann").await.expect("she has an account");
    (ann, banks.away.balance("bob").await.expect("he has one"))
}

#[tokio::test]
async fn each_transfer_happens_once_although_answers_get_lost() {
    let folder = tempfile::tempdir().expect("there is room");
    let coordinator = start(folder.path(), true).await.expect("it is new");
    for number in 0..20 {
        let first = transfer(&coordinator, number).await;
        assert_eq!(first.is_ok(), number % 2 == 0, "{first:?}");
        let again = transfer(&coordinator, number).await;
        assert_eq!(again.is_ok(), first.is_ok());
    }
    coordinator.shutdown().await;
    assert_eq!(balances(folder.path()).await, (700, 300));
}

#[tokio::test]
async fn an_amount_that_is_not_positive_moves_no_money() {
    let folder = tempfile::tempdir().expect("there is room");
    let coordinator = start(folder.path(), false).await.expect("it is new");
    transfer(&coordinator, 0).await.expect("she has enough");
    for cents in [0, -1, -30, i64::MIN] {
        let (_, order) = order(0);
        let order = TransferMoney { cents, ..order };
        let end = coordinator.execute(cents.to_string(), order).await;
        let refused = matches!(end, Err(ExecuteError::Failed(_)));
        assert!(refused, "{cents}: {end:?}");
    }
    coordinator.shutdown().await;
    assert_eq!(balances(folder.path()).await, (970, 30));
}

#[tokio::test]
async fn transfers_continue_in_the_next_process() {
    let folder = tempfile::tempdir().expect("there is room");
    let first = start(folder.path(), true).await.expect("it is new");
    for number in 0..20 {
        let (id, order) = order(number);
        drop(first.submit(id, order).await.expect("it is recorded"));
    }
    // Some of them have ended, some are in the middle of a step.
    first.shutdown().await;
    let second = start(folder.path(), true)
        .await
        .expect("the first has ended");
    for number in 0..20 {
        let end = transfer(&second, number).await;
        assert_eq!(end.is_ok(), number % 2 == 0, "{end:?}");
    }
    second.shutdown().await;
    assert_eq!(balances(folder.path()).await, (700, 300));
}

#[test]
fn every_failure_of_a_transfer_leaves_the_money_at_one_place() {
    let folder = tempfile::tempdir().expect("there is room");
    let opened = Arc::new(OnceCell::new());
    let path = folder.path().to_owned();
    // Each case has the same banks, as they were at the beginning.
    let fresh = move || {
        let (opened, path) = (Arc::clone(&opened), path.clone());
        async move {
            let banks = opened.get_or_init(|| async {
                Arc::new(banks(&path, false).await.expect("they are new"))
            });
            let banks = Arc::clone(banks.await);
            banks.home.begin_anew(1_000).await.expect("it is open");
            banks.away.begin_anew(0).await.expect("it is open");
            banks
        }
    };
    FailureMatrix::new_async(fresh, || order(0).1)
        .invariant_async("30 cents are moved, or none", async |banks, end| {
            let ann = banks.home.balance("ann").await?;
            let bob = banks.away.balance("bob").await?;
            let moved = if end.is_completed() { 30 } else { 0 };
            if (ann, bob) == (1_000 - moved, moved) {
                Ok(())
            } else {
                Err(BankError::Refused(format!("ann has {ann}, bob has {bob}")))
            }
        })
        .check();
}
