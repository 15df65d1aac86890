//! `shop serve`: one service as a process of its own.

mod delivery;
mod orders;
mod payments;
mod process;
mod stock;

/// Which service to run, and how.
#[derive(Debug, clap::Args)]
pub struct Serve {
    #[command(subcommand)]
    service: Service,
}

#[derive(Debug, clap::Subcommand)]
enum Service {
    /// Orders, and the checkout that sells them
    Orders(Box<orders::Orders>),

    /// Stock: refuses more pieces than there are
    Stock(stock::Stock),

    /// Payments: refuses amounts over a limit
    Payments(payments::Payments),

    /// Delivery: refuses more parcels than a courier takes
    Delivery(delivery::Delivery),
}

impl Serve {
    /// Runs the service until it is asked to stop.
    ///
    /// # Errors
    /// When it can't start, or its transport fails.
    pub async fn run(self) -> anyhow::Result<()> {
        match self.service {
            Service::Orders(orders) => orders.run().await,
            Service::Stock(stock) => stock.run().await,
            Service::Payments(payments) => payments.run().await,
            Service::Delivery(delivery) => delivery.run().await,
        }
    }
}
