//! A service that books trips: a flight, a hotel, perhaps a car, as a whole or not at all.
//!
//! Read `trip.rs` for the saga, `http.rs` for what clients see of it, `company.rs` for the services that it calls.

mod company;
mod http;
#[cfg(test)]
mod tests;
mod trip;

use std::env;
use std::error::Error;

use saga_runtime::Coordinator;
use saga_runtime::journal::Sqlite;
use tokio::net::TcpListener;

use crate::trip::{Agency, BookTrip};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args().nth(1).unwrap_or_else(|| "trips.db".to_owned());
    let coordinator = Coordinator::builder(Agency::default())
        .journal(Sqlite::open(file).await?)
        .register::<BookTrip>()
        .start()
        .await?;
    let listener = TcpListener::bind("127.0.0.1:3000").await?;
    println!("listens on http://{}", listener.local_addr()?);
    let until_ctrl_c = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    axum::serve(listener, http::routes(coordinator.clone()))
        .with_graceful_shutdown(until_ctrl_c)
        .await?;
    coordinator.shutdown().await;
    Ok(())
}
