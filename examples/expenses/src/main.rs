//! An expense that is approved within days, through a restart.
//!
//! Read `claim.rs` for the saga. The program shows three claims on a clock that is paused, so that a day takes no time.

mod claim;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use saga_runtime::Coordinator;
use saga_runtime::journal::Memory;

use crate::claim::{ClaimExpense, Office, VERDICT, Verdict};

const A_DAY: Duration = Duration::from_hours(24);

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn main() -> Result<(), Box<dyn Error>> {
    let office = Arc::new(Office::default());
    let journal = Memory::new(); // in a service: `Sqlite::open("expenses.db").await?`
    let first = start(&office, &journal).await?;
    for (id, cents) in [("taxi", 2_300), ("yacht", 9_000_000), ("lunch", 1_800)] {
        first.submit(id, ClaimExpense { cents }).await?;
    }
    tokio::time::sleep(A_DAY + A_DAY / 2).await;
    println!("day 1: the office is restarted");
    first.shutdown().await;
    let second = start(&office, &journal).await?;
    let by = "Ann".to_owned();
    second
        .send("taxi", VERDICT, &Verdict::Approved { by })
        .await?;
    let reason = "we have one".to_owned();
    second
        .send("yacht", VERDICT, &Verdict::Rejected { reason })
        .await?;
    for id in ["taxi", "yacht", "lunch"] {
        match second.attach::<ClaimExpense>(id).await?.wait().await {
            Ok(approver) => println!("{id}: approved by {approver}"),
            Err(error) => println!("{id}: {error}"),
        }
    }
    second.shutdown().await;
    Ok(())
}

async fn start(
    office: &Arc<Office>,
    journal: &Memory,
) -> Result<Coordinator<Office>, saga_runtime::coordinator::StartError> {
    let builder = Coordinator::builder(Arc::clone(office)).journal(journal.clone());
    builder.register::<ClaimExpense>().start().await
}
