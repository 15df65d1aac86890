//! The command line of the shop.

use std::process::ExitCode;

use clap::Parser;
use shop::demo::{Console, Demo};
use shop::order::Order;
use shop::review::{Approve, Reject};
use shop::sagas::{Saga, Sagas};
use shop::serve::Serve;
use tokio::runtime::Runtime;

/// A shop in four services that sells an order by a saga: order, stock, payment, delivery; all of it, or none.
///
/// All options but those of `sagas` can be set by an environment variable as well, which the help names.
#[derive(Debug, Parser)]
#[command(version)]
enum Shop {
    /// Run one of the services
    Serve(Serve),

    /// Place one order
    Order(Order),

    /// Let a large order go on that waits for an approval
    Approve(Approve),

    /// Refuse a large order that waits for an approval
    Reject(Reject),

    /// List the sagas of the orders service
    Sagas(Sagas),

    /// Show what one saga has done
    Saga(Saga),

    /// Run all services with the console of their sagas on generated orders, some of which fail, until Ctrl-C
    Console(Console),

    /// Run all services, place many orders at once, kill one in the middle, and audit what is left
    Demo(Demo),
}

fn main() -> ExitCode {
    let shop = Shop::parse();
    match Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| runtime.block_on(shop.run()))
    {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Shop {
    async fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(serve) => serve.run().await.map(|()| ExitCode::SUCCESS),
            Self::Order(order) => order.run().await,
            Self::Approve(approve) => approve.run().await,
            Self::Reject(reject) => reject.run().await,
            Self::Sagas(sagas) => sagas.run().await,
            Self::Saga(saga) => saga.run().await,
            Self::Console(console) => console.run().await,
            Self::Demo(demo) => demo.run().await,
        }
    }
}
