//! The first example: a saga in process.

use saga_runtime::{Context, saga, step};
use serde::{Deserialize, Serialize};

pub struct Shop {
    pub limit: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Order {
    id: u64,
    amount: u64,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Payment {
    id: u64,
}

#[step(compensate = cancel_order)]
async fn create_order(_cx: Context<'_, Shop>, amount: u64) -> Result<Order, String> {
    Ok(Order { id: 17, amount })
}

async fn cancel_order(_cx: Context<'_, Shop>, order: &Order) -> Result<(), String> {
    println!("order {} is cancelled", order.id);
    Ok(())
}

#[step(compensate = refund, timeout = "3s", retry(attempts = 5, backoff = "100ms..5s", when = is_transient))]
async fn charge(cx: Context<'_, Shop>, order: &Order) -> Result<Payment, String> {
    // A real service gets `cx.idempotency_key()` along: the same key at every attempt.
    if order.amount > cx.limit { Err("card declined".to_owned()) } else { Ok(Payment { id: 4 }) }
}

async fn refund(_cx: Context<'_, Shop>, payment: &Payment) -> Result<(), String> {
    println!("payment {} is refunded", payment.id);
    Ok(())
}

fn is_transient(error: &str) -> bool {
    error.contains("unavailable")
}

#[step(pivot)]
async fn ship(_cx: Context<'_, Shop>, order: &Order, payment: &Payment) -> Result<u64, String> {
    Ok(order.id + payment.id)
}

#[step(retriable)]
async fn send_receipt(_cx: Context<'_, Shop>, delivery: &u64) -> Result<(), String> {
    println!("delivery {delivery} is on its way");
    Ok(())
}

saga!(
    /// Sells one order: order, payment, delivery, then the receipt.
    pub async fn place_order(cx: Context<'_, Shop>, amount: u64) -> Result<u64, String> {
        let order = create_order(cx, amount).await?;
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        send_receipt(cx, &delivery).await?;
        Ok(delivery)
    }
);

#[tokio::main]
async fn main() {
    let shop = Shop { limit: 500 };
    assert_eq!(PlaceOrder { amount: 100 }.execute(&shop).await.ok(), Some(21));

    let error = PlaceOrder { amount: 900 }.execute(&shop).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "saga `place_order` failed at step `charge`: card declined; compensated: `create_order`",
    );
}

#[test]
fn it_does_what_it_says() {
    main();
}

#[test]
fn the_readme_draws_it() {
    let picture = PlaceOrder::shape().to_mermaid();
    let block = format!("```mermaid\n{}\n```", picture.trim_end());
    assert!(
        super::readme().contains(&block),
        "the README does not show:\n{block}"
    );
}
