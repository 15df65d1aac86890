//! A subscription over months: a trial, charges, a card that is declined, a cancellation.
//!
//! Read `subscribe.rs` for the saga. It runs in process here, on a clock that is paused, so that the months take a moment.

mod subscribe;
#[cfg(test)]
mod tests;

use std::error::Error;

use saga_runtime::{Events, InProcess};
use tokio::time::{pause, sleep};

use crate::subscribe::{A_MONTH, Billing, CANCELLED, GRACE, NEW_CARD, Subscribe, TRIAL};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    pause();
    println!("a customer whose first card is empty, and who cancels in the third month");
    let (billing, events) = (Billing::default(), Events::new());
    let subscription = InProcess::new(&billing).receives(events.clone());
    let customer = async {
        sleep(TRIAL + GRACE / 2).await;
        events.send(NEW_CARD, &"a second card".to_owned())?;
        sleep(2 * A_MONTH + A_MONTH / 2).await;
        events.send(CANCELLED, &"moved away".to_owned())
    };
    let card = "empty".to_owned();
    let (paid, sent) = tokio::join!(
        subscription.execute(Subscribe { card, months: 12 }),
        customer
    );
    sent?;
    println!("{} months were paid\n", paid?);

    println!("a customer who never pays");
    let card = "empty".to_owned();
    let paid = (Subscribe { card, months: 12 }).execute(&billing).await?;
    println!("{paid} months were paid");
    Ok(())
}
