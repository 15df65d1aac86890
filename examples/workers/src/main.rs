//! Two workers on one Postgres. One is killed in the middle, and the other continues its sagas.
//!
//! Read `order.rs` for the saga, `shop.rs` for the services. This process is the first worker, and starts the second one.

mod order;
mod shop;
#[cfg(test)]
mod tests;

use std::env;
use std::error::Error;
use std::process::Stdio;
use std::time::Duration;

use saga_runtime::journal::Postgres;
use saga_runtime::{Coordinator, ExecuteError};
use test_postgres::Server;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};

use crate::order::PlaceOrder;
use crate::shop::Shop;

const ORDERS: u64 = 120;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A process with a URL is the second worker.
    if let Some(url) = env::args().nth(1) {
        let worker = work(&url, "second").await?;
        tokio::io::stdin().read_to_end(&mut Vec::new()).await?; // until the first worker ends
        worker.shutdown().await;
        return Ok(());
    }

    let database = Server::shared().database().await;
    let (url, shop) = (database.url(), Shop::open(database.url(), "second").await?);
    let first = work(url, "first").await?;
    let mut second = start_second(url)?;
    let mut orders = Vec::new();
    for number in 0..ORDERS {
        let amount = if number.is_multiple_of(4) { 900 } else { 100 }; // each fourth is declined
        let order = first.submit(format!("order-{number}"), PlaceOrder { amount });
        orders.push(order.await?);
    }
    while shop.effects().await?.1 < 60 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    second.kill().await?; // kill -9
    println!(
        "the second worker is killed after {} effects",
        shop.effects().await?.1
    );

    let mut shipped = 0;
    for order in orders {
        match order.wait().await {
            Ok(_) => shipped += 1,
            Err(ExecuteError::Failed(_)) => {} // all is undone
            Err(error) => return Err(error.into()),
        }
    }
    first.shutdown().await;
    let (effects, of_second) = shop.effects().await?;
    println!(
        "{shipped} orders are shipped, {} are undone",
        ORDERS - shipped
    );
    println!("{effects} effects are left, {of_second} of them by the second worker");
    if (shipped, effects) != (ORDERS * 3 / 4, 3 * 90) {
        return Err("an effect is missing, or left over".into());
    }
    Ok(())
}

async fn work(url: &str, worker: &'static str) -> Result<Coordinator<Shop>, Box<dyn Error>> {
    let coordinator = Coordinator::builder(Shop::open(url, worker).await?)
        .journal(Postgres::connect(url).await?)
        .worker(worker)
        .in_flight(8)
        .lease(Duration::from_secs(1))
        .register::<PlaceOrder>()
        .start()
        .await?;
    Ok(coordinator)
}

fn start_second(url: &str) -> Result<Child, Box<dyn Error>> {
    let mut second = Command::new(env::current_exe()?);
    Ok(second.arg(url).stdin(Stdio::piped()).spawn()?)
}
