//! The sample for editors: each form in which a saga calls steps.

use std::time::Duration;

use saga_runtime::{Context, EventName, event, saga, sleep, step, try_join_all};
use serde::{Deserialize, Serialize};

pub struct Shop {
    pub payments: Payments,
}

pub struct Payments {
    pub limit: u64,
}

impl Payments {
    pub async fn create(&self, amount: u64) -> Result<Payment, PaymentError> {
        Ok(Payment { number: 1, amount })
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    pub number: u64,
    pub total: u64,
    pub articles: Vec<String>,
}

impl Order {
    pub fn is_large(&self) -> bool {
        self.total > 100
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Payment {
    pub number: u64,
    pub amount: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum PaymentError {
    Declined,
    Unavailable,
}

impl PaymentError {
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable)
    }
}

impl std::fmt::Display for PaymentError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for PaymentError {}

/// Creates the order.
#[step(compensate = cancel_order)]
pub async fn create_order(_cx: Context<'_, Shop>, total: u64) -> Result<Order, PaymentError> {
    Ok(Order { number: 7, total, articles: vec![] })
}

pub async fn cancel_order(_cx: Context<'_, Shop>, _order: &Order) -> Result<(), PaymentError> {
    Ok(())
}

/// Takes the money.
#[step(compensate = refund, timeout = "3s", retry(attempts = 3, when = PaymentError::is_transient))]
pub async fn charge(cx: Context<'_, Shop>, order: &Order) -> Result<Payment, PaymentError> {
    let payment = cx.payments.create(order.total).await?;
    Ok(payment)
}

pub async fn refund(_cx: Context<'_, Shop>, _payment: &Payment) -> Result<(), PaymentError> {
    Ok(())
}

#[step(compensate = ())]
pub async fn reserve(_cx: Context<'_, Shop>, article: String) -> Result<u64, PaymentError> {
    Ok(article.len() as u64)
}

#[step(retriable)]
pub async fn send_receipt(_cx: Context<'_, Shop>, _payment: &Payment) -> Result<(), PaymentError> {
    Ok(())
}

/// A plain function.
pub async fn report(_cx: Context<'_, Shop>, _payment: &Payment) -> Result<(), PaymentError> {
    Ok(())
}

const APPROVED: EventName<Order> = EventName::new("approved");

saga!(
    /// Sells one order.
    pub async fn place_order(cx: Context<'_, Shop>, total: u64) -> Result<Payment, PaymentError> {
        let order = create_order(cx, total).await?;
        let payment = charge(cx, &order).await?;
        // line
        send_receipt(cx, &payment).await?;
        Ok(payment)
    }
);

saga!(
    pub async fn every_form(cx: Context<'_, Shop>, total: u64) -> Result<Payment, PaymentError> {
        let order = create_order(cx, total).await?;
        let (left, right) = try_join!(reserve(cx, order.articles[0].clone()), reserve(cx, "right".to_owned()))?;
        let articles = order.articles.clone();
        let counts = try_join_all(4, articles, |article| {
            // in the closure
            reserve(cx, article)
        })
        .await?;
        // after the groups
        for count in counts {
            let held = reserve(cx, count.to_string()).await?;
            // in the loop
            if held > left + right {
                break;
            }
        }
        let payment = match charge(cx, &order).await {
            Ok(payment) => payment,
            Err(error) if error.is_transient() => charge(cx, &order).await?,
            Err(error) => {
                // in the match
                return Err(error);
            }
        };
        Ok(payment)
    }
);

saga!(
    pub async fn wait(cx: Context<'_, Shop>, total: u64) -> Result<u64, PaymentError> {
        let approved = event(cx, APPROVED).await;
        sleep(cx, Duration::from_secs(1)).await;
        let inner = place_order(cx, total).await?;
        // after the waits
        Ok(inner.amount + approved.total)
    }
);

pub async fn sell(shop: &Shop) -> Option<Payment> {
    PlaceOrder { total: 3 }.execute(shop).await.ok()
}

/// No macro is around this body: what an editor makes of any function.
pub async fn plain(order: &Order) -> u64 {
    let total = order.total;
    // in a plain function
    total
}
