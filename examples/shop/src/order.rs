//! `shop order`: places one order, and says what became of it.

use std::fmt;
use std::process::ExitCode;

use anyhow::Context as _;
use tonic::Status;
use tonic::transport::Channel;

use crate::address::Address;
use crate::item::LineItem;
use crate::money::Money;
use crate::proto::checkout::checkout_client::CheckoutClient;
use crate::proto::checkout::{Failure, PlaceOrderRequest, Receipt};
use crate::proto::stock::Reservation;

/// What to order, and where.
#[derive(Debug, clap::Args)]
pub struct Order {
    /// A voucher of this amount, like `100` or `99.95`
    #[arg(
        long,
        env = "SHOP_AMOUNT",
        allow_negative_numbers = true,
        required_unless_present = "item"
    )]
    amount: Option<Money>,

    /// So many pieces of an article, and what one costs, like `tea=2@4.50`; as often as you like
    #[arg(
        long,
        env = "SHOP_ITEMS",
        value_name = "ARTICLE=COUNT@PRICE",
        value_delimiter = ','
    )]
    item: Vec<LineItem>,

    /// How many parcels it fills
    #[arg(long, env = "SHOP_PARCELS", allow_negative_numbers = true, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    parcels: i32,

    /// What you call this order: asking again with the same one never orders twice [default: a new one]
    #[arg(long, env = "SHOP_REQUEST_ID", value_name = "ID")]
    request_id: Option<String>,

    #[command(flatten)]
    at: OrdersAddress,
}

/// Where to order.
#[derive(Debug, clap::Args)]
pub(crate) struct OrdersAddress {
    /// Where orders listens
    #[arg(
        long,
        env = "SHOP_ORDERS",
        value_name = "URL",
        default_value = "http://127.0.0.1:50051"
    )]
    pub(crate) orders: Address,
}

/// What became of an order.
#[derive(Debug)]
pub enum Outcome {
    /// It stands.
    Placed(Receipt),
    /// It does not; this is why, and what was undone.
    Failed(Failure),
    /// No saga tells: the request made no sense, or its answer got lost.
    Error(Status),
}

impl Order {
    /// Places the order.
    ///
    /// # Errors
    /// When nobody listens there.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let Self {
            amount,
            item: mut items,
            parcels,
            request_id,
            at,
        } = self;
        items.extend(amount.map(LineItem::voucher));
        let checkout = connect(&at.orders).await?;
        let request = PlaceOrderRequest {
            items: items.iter().map(Into::into).collect(),
            parcels,
            request_id: request_id.unwrap_or_default(),
        };
        match place(checkout, request).await {
            placed @ Outcome::Placed(_) => {
                println!("{placed}");
                Ok(ExitCode::SUCCESS)
            }
            failed => {
                eprintln!("{failed}");
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

/// A checkout to place orders at.
///
/// # Errors
/// When nobody listens there.
pub async fn connect(orders: &Address) -> anyhow::Result<CheckoutClient<Channel>> {
    let channel = orders
        .endpoint()
        .connect()
        .await
        .with_context(|| format!("cannot reach the orders service at {orders}"))?;
    Ok(CheckoutClient::new(channel))
}

/// Places one order.
pub async fn place(mut checkout: CheckoutClient<Channel>, request: PlaceOrderRequest) -> Outcome {
    match checkout.place_order(request).await {
        Ok(receipt) => Outcome::Placed(receipt.into_inner()),
        Err(status) => match Failure::from_status(&status) {
            Some(failure) => Outcome::Failed(failure),
            None => Outcome::Error(status),
        },
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placed(receipt) => {
                let order = receipt.order.as_ref().map_or(0, |order| order.id);
                let payment = receipt.payment.unwrap_or_default();
                let delivery = receipt.delivery.unwrap_or_default();
                let reserved: Vec<_> = receipt.reservations.iter().map(set_aside).collect();
                write!(
                    f,
                    "order {order} is placed: {}, payment {}, delivery {}",
                    reserved.join(", "),
                    payment.id,
                    delivery.id
                )
            }
            Self::Failed(failure) => {
                f.write_str("the order is not placed: ")?;
                if !failure.step.is_empty() {
                    write!(f, "{} failed: ", failure.step)?;
                }
                f.write_str(&failure.cause)?;
                failure.compensations.iter().try_for_each(|compensation| {
                    match (&compensation.step, &compensation.error) {
                        (step, None) => write!(f, "\n  {step} is compensated"),
                        (step, Some(error)) => write!(f, "\n  {step} is NOT compensated: {error}"),
                    }
                })
            }
            Self::Error(status) => write!(f, "{}: {}", status.code(), status.message()),
        }
    }
}

fn set_aside(reservation: &Reservation) -> String {
    let Reservation {
        id,
        article,
        quantity,
        ..
    } = reservation;
    format!("reservation {id} of {quantity} {article}")
}
