//! `shop approve` and `shop reject`: what somebody has decided about an order that waits for it.

use std::process::ExitCode;

use tonic::Status;

use crate::order::{self, OrdersAddress};
use crate::proto::checkout::{ApproveRequest, RejectRequest};

/// Which order to let go on.
#[derive(Debug, clap::Args)]
pub struct Approve {
    /// What the customer called it: its request id, as `shop sagas` lists it
    id: String,

    #[command(flatten)]
    at: OrdersAddress,
}

/// Which order to refuse, and why.
#[derive(Debug, clap::Args)]
pub struct Reject {
    /// What the customer called it: its request id, as `shop sagas` lists it
    id: String,

    /// Why, for the customer
    #[arg(long, env = "SHOP_REASON", default_value = "the shop does not want it")]
    reason: String,

    #[command(flatten)]
    at: OrdersAddress,
}

impl Approve {
    /// Lets the order go on.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut checkout = order::connect(&self.at.orders).await?;
        let request = ApproveRequest {
            request_id: self.id.clone(),
        };
        let approved = checkout.approve(request).await.map(|_| ());
        Ok(told(&self.id, "approved", approved))
    }
}

impl Reject {
    /// Refuses the order.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut checkout = order::connect(&self.at.orders).await?;
        let request = RejectRequest {
            request_id: self.id.clone(),
            reason: self.reason,
        };
        let rejected = checkout.reject(request).await.map(|_| ());
        Ok(told(&self.id, "rejected", rejected))
    }
}

fn told(id: &str, verdict: &str, outcome: Result<(), Status>) -> ExitCode {
    match outcome {
        Ok(()) => {
            println!("{id} is {verdict}");
            ExitCode::SUCCESS
        }
        Err(status) => {
            eprintln!("{}", status.message());
            ExitCode::FAILURE
        }
    }
}
