//! Money from one bank to another, exactly once.
//!
//! Read `bank.rs` for a service that remembers keys, `transfer.rs` for the saga. The program makes two banks and a journal in a
//! folder of its own, and transfers money while the first answer to each request gets lost.

mod bank;
#[cfg(test)]
mod tests;
mod transfer;

use std::error::Error;
use std::path::Path;

use saga_runtime::Coordinator;
use saga_runtime::journal::Sqlite;

use crate::bank::Bank;
use crate::transfer::{Banks, TransferMoney};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let coordinator = start(folder.path(), true).await?;
    let orders = [
        ("t-1", "ann", "bob", 300),
        ("t-2", "ann", "bob", 9_000),
        ("t-3", "ann", "eve", 100),
        ("t-1", "ann", "bob", 300), // the client asks again
    ];
    for (id, from, to, cents) in orders {
        let (from, to) = (from.to_owned(), to.to_owned());
        let order = TransferMoney { from, to, cents };
        match coordinator.execute(id, order).await {
            Ok(()) => println!("{id}: done"),
            Err(error) => println!("{id}: {error}"),
        }
    }
    coordinator.shutdown().await;
    let banks = banks(folder.path(), false).await?;
    let (ann, bob) = (
        banks.home.balance("ann").await?,
        banks.away.balance("bob").await?,
    );
    println!("ann has {ann}, bob has {bob}");
    if (ann, bob) != (700, 300) {
        return Err("some money was moved twice, or not at all".into());
    }
    Ok(())
}

async fn start(folder: &Path, loses_answers: bool) -> Result<Coordinator<Banks>, Box<dyn Error>> {
    let coordinator = Coordinator::builder(banks(folder, loses_answers).await?)
        .journal(Sqlite::open(folder.join("transfers.db")).await?)
        .register::<TransferMoney>()
        .start()
        .await?;
    Ok(coordinator)
}

async fn banks(folder: &Path, loses_answers: bool) -> Result<Banks, bank::BankError> {
    let home = Bank::open(&folder.join("home.db"), &[("ann", 1_000)], loses_answers).await?;
    let away = Bank::open(&folder.join("away.db"), &[("bob", 0)], loses_answers).await?;
    Ok(Banks { home, away })
}
