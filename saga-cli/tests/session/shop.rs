//! A shop whose refunds fail until its bank opens.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use saga_runtime::journal::{Sqlite, State};
use saga_runtime::meta::RetryPolicy;
use saga_runtime::{Context, Coordinator, EventName, event, saga, step};

#[derive(Debug, Default)]
pub(crate) struct Bank {
    is_open: AtomicBool,
}

impl Bank {
    pub(crate) fn opens(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }
}

#[step(compensate = cancel_order)]
async fn create_order(_cx: Context<'_, Bank>, pieces: u64) -> Result<u64, String> {
    Ok(pieces)
}

async fn cancel_order(_cx: Context<'_, Bank>, _order: &u64) -> Result<(), String> {
    Ok(())
}

#[step(compensate = refund, compensation(retry(attempts = 2, backoff = "1ms..1ms")))]
async fn charge(_cx: Context<'_, Bank>, amount: u64) -> Result<u64, String> {
    Ok(amount)
}

async fn refund(cx: Context<'_, Bank>, _payment: &u64) -> Result<(), String> {
    if cx.is_open.load(Ordering::SeqCst) {
        Ok(())
    } else {
        Err("the bank is closed".to_owned())
    }
}

#[step(compensate = ())]
async fn wrap(_cx: Context<'_, Bank>) -> Result<(), String> {
    Ok(())
}

#[step(pivot)]
async fn ship(_cx: Context<'_, Bank>) -> Result<(), String> {
    Err("no courier".to_owned())
}

saga!(
    pub(crate) async fn place_order(cx: Context<'_, Bank>, pieces: u64) -> Result<(), String> {
        let order = create_order(cx, pieces).await?;
        if order > 100 {
            wrap(cx).await?;
        } else {
            charge(cx, 3 * order).await?;
        }
        ship(cx).await
    }
);

const APPROVED: EventName<bool> = EventName::new("approved");

saga!(
    pub(crate) async fn approve(cx: Context<'_, Bank>) -> Result<bool, String> {
        create_order(cx, 1).await?;
        Ok(event(cx, APPROVED).await)
    }
);

/// A service on this file.
pub(crate) async fn service(path: &Path) -> (Coordinator<Bank>, Arc<Bank>) {
    let bank = Arc::new(Bank::default());
    let started = Coordinator::builder(Arc::clone(&bank))
        .journal(Sqlite::open(path).await.expect("the file is free"))
        .compensation_retry(RetryPolicy::COMPENSATION)
        .register::<PlaceOrder>()
        .register::<Approve>()
        .start();
    (started.await.expect("the journal works"), bank)
}

/// Runs sagas that get stuck: `order-0`, …
pub(crate) async fn stuck(coordinator: &Coordinator<Bank>, sagas: usize) {
    for number in 0..sagas {
        let id = format!("order-{number}");
        let ended = coordinator
            .execute(id.as_str(), PlaceOrder { pieces: 3 })
            .await;
        ended.expect_err("it gets stuck");
    }
}

/// Waits until a saga is in a state.
pub(crate) async fn becomes(coordinator: &Coordinator<Bank>, id: &str, state: State) {
    while coordinator.status(id).await.expect("the journal works") != Some(state) {
        tokio::task::yield_now().await;
    }
}
