//! A saga on a Restate server: it waits for a payment while its service is away.
//!
//! Read `order.rs` for the saga. This program starts a server of its own, a service that runs sagas, and a client.

mod order;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use saga_restate::testing::Server;
use saga_restate::{Client, Endpoint};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::order::{PAID, PlaceOrder, Shop};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (server, shop) = (Server::start().await?, Arc::new(Shop::default()));
    let service = Service::start("127.0.0.1:0".parse()?, &shop).await?;
    let address = service.address;
    server.register(&format!("http://{address}")).await?;

    let client = Client::connect(&server.ingress())?;
    let order = client.submit("order-1", &PlaceOrder { amount: 80 }).await?;
    service.stop().await?;
    println!("the service is away; order-1 is paid meanwhile");
    // The server keeps the request until the service is back.
    let (sent, service) = tokio::join!(
        client.send::<PlaceOrder, _>("order-1", PAID, &80),
        Service::start(address, &shop),
    );
    sent?;
    let service = service?;
    println!(
        "order-1: {} are paid, and it is shipped",
        order.wait().await?
    );

    let other = client.submit("order-2", &PlaceOrder { amount: 80 }).await?;
    other.send(PAID, &30).await?;
    let Err(error) = other.wait().await else {
        return Err("it is paid in part, and shipped".into());
    };
    println!("order-2: {error}");
    service.stop().await?;
    let effects: Vec<_> = shop.effects().into_iter().collect();
    println!("what is left: {}", effects.join(", "));
    if effects
        != [
            "/place_order/order-1/create_order/0",
            "/place_order/order-1/ship/0",
        ]
    {
        return Err("an effect is missing, or left over".into());
    }
    Ok(())
}

/// A service that runs sagas until it is stopped. In production it is a process: `Endpoint::serve`.
struct Service {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Service {
    async fn start(address: SocketAddr, shop: &Arc<Shop>) -> Result<Self, Box<dyn Error>> {
        let endpoint = Endpoint::shared(Arc::clone(shop)).register::<PlaceOrder>();
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(endpoint.serve_until(listener, async move {
            let _ = ended.await;
        }));
        Ok(Self {
            address,
            end,
            serving,
        })
    }

    async fn stop(self) -> Result<(), Box<dyn Error>> {
        drop(self.end);
        Ok(self.serving.await?)
    }
}
