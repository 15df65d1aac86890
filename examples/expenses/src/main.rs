//! An expense that is approved within days, through a restart.
//!
//! Read `claim.rs` for the saga. The program shows two claims that are decided after a restart, and one that is not decided: that
//! runs in process, on a clock that is paused, so that ten days take no time.

mod claim;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::sync::Arc;

use saga_runtime::coordinator::StartError;
use saga_runtime::journal::Memory;
use saga_runtime::{Coordinator, InProcess, SagaId};

use crate::claim::{ClaimExpense, Office, VERDICT, Verdict};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let office = Arc::new(Office::default());
    let journal = Memory::new(); // in a service: `Sqlite::open("expenses.db").await?`
    let first = start(&office, &journal).await?;
    for (id, cents) in [("taxi", 2_300), ("yacht", 9_000_000)] {
        drop(first.submit(id, ClaimExpense { cents }).await?);
    }
    first.shutdown().await;
    println!("the office is restarted");
    let second = start(&office, &journal).await?;
    let by = "Ann".to_owned();
    second
        .send("taxi", VERDICT, &Verdict::Approved { by })
        .await?;
    let reason = "we have one".to_owned();
    second
        .send("yacht", VERDICT, &Verdict::Rejected { reason })
        .await?;
    for id in ["taxi", "yacht"] {
        match second.attach::<ClaimExpense>(id).await?.wait().await {
            Ok(approver) => println!("{id}: approved by {approver}"),
            Err(error) => println!("{id}: {error}"),
        }
    }
    second.shutdown().await;

    tokio::time::pause();
    let lunch = InProcess::new(&*office).saga_id(SagaId::new("lunch")?);
    if let Err(error) = lunch.execute(ClaimExpense { cents: 1_800 }).await {
        println!("lunch: {error}");
    }
    Ok(())
}

async fn start(office: &Arc<Office>, journal: &Memory) -> Result<Coordinator<Office>, StartError> {
    let builder = Coordinator::builder(Arc::clone(office)).journal(journal.clone());
    builder.register::<ClaimExpense>().start().await
}
