//! Sells orders until Ctrl-C, with metrics for Prometheus at the address that it prints.

use std::time::Duration;

use observed::{Sell, install_recorder, router, start};
use saga_runtime::journal::Memory;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let handle = install_recorder()?;
    let coordinator = start(Memory::new()).await?;
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:9464")).await?;
    println!("http://{}/metrics", listener.local_addr()?);
    let selling = coordinator.clone();
    let selling = async move {
        for order in 1_u64.. {
            // An order that gets stuck is counted like any other.
            drop(
                selling
                    .submit(format!("order-{order}"), Sell { order })
                    .await,
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        served = async { axum::serve(listener, router(handle)).await } => served?,
        () = selling => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    coordinator.shutdown().await;
    Ok(())
}
