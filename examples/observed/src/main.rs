//! Sells orders until Ctrl-C, with metrics for Prometheus at the address that it prints. With `OTEL_EXPORTER_OTLP_ENDPOINT`, it sends
//! traces there.

use std::time::Duration;

use observed::{Sell, install_recorder, router, start, traces};
use saga_runtime::journal::Memory;
use tokio::net::TcpListener;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let handle = install_recorder()?;
    let provider = traces::otlp()?;
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(provider.as_ref().map(traces::layer))
        .try_init()?;
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
    // The last spans are on their way.
    if let Some(provider) = provider {
        provider.shutdown()?;
    }
    Ok(())
}
