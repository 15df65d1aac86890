//! A shop whose sagas are counted and traced. Most of its orders succeed; some are undone, and a few get stuck.

pub mod traces;

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use axum::Router;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use saga_runtime::journal::Journal;
use saga_runtime::meta::RetryPolicy;
use saga_runtime::{Context, Coordinator, metrics, saga, step};

use crate::traces::OpenTelemetry;

/// A shop.
#[derive(Debug, Default)]
pub struct Shop {
    charges: AtomicU32,
}

#[step(compensate = cancel_order)]
async fn create_order(_cx: Context<'_, Shop>, order: u64) -> Result<u64, String> {
    Ok(order)
}

async fn cancel_order(_cx: Context<'_, Shop>, _order: &u64) -> Result<(), String> {
    Ok(())
}

/// Every third call is lost on its way.
#[step(compensate = refund, retry(attempts = 5, backoff = "1ms..5ms", when = is_lost))]
async fn charge(cx: Context<'_, Shop>, order: u64) -> Result<u64, String> {
    if cx.charges.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
        return Err("lost".to_owned());
    }
    Ok(order)
}

fn is_lost(error: &String) -> bool {
    error == "lost"
}

/// The bank does not give back the money of every thirteenth order.
async fn refund(_cx: Context<'_, Shop>, order: &u64) -> Result<(), String> {
    if order.is_multiple_of(13) {
        return Err("the bank is closed".to_owned());
    }
    Ok(())
}

/// There is no courier for every thirteenth order, and for the one before.
#[step(pivot)]
async fn ship(_cx: Context<'_, Shop>, order: u64) -> Result<(), String> {
    if order.is_multiple_of(13) || order % 13 == 12 {
        return Err("no courier".to_owned());
    }
    Ok(())
}

saga!(
    /// Sells one order.
    #[derive(Debug)]
    pub async fn sell(cx: Context<'_, Shop>, order: u64) -> Result<(), String> {
        let order = create_order(cx, order).await?;
        charge(cx, order).await?;
        ship(cx, order).await
    }
);

/// Installs the recorder of metrics for this process. It comes before the coordinator.
///
/// # Errors
/// If there is one already.
pub fn install_recorder() -> anyhow::Result<PrometheusHandle> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), metrics::SECONDS)?;
    builder
        .install_recorder()
        .context("the process has another recorder")
}

/// Starts the shop on this journal.
///
/// # Errors
/// If the journal can't be used.
pub async fn start(journal: impl Journal) -> anyhow::Result<Coordinator<Shop>> {
    let builder = Coordinator::builder(Shop::default()).journal(journal);
    let builder = builder
        .trace_propagator(OpenTelemetry::default())
        .limit(charge, 8)
        .compensation_retry(RetryPolicy::COMPENSATION)
        .register::<Sell>();
    Ok(builder.start().await?)
}

/// The metrics as Prometheus reads them.
pub fn router(handle: PrometheusHandle) -> Router {
    let metrics = move || {
        let text = handle.render();
        async move { text }
    };
    Router::new().route("/metrics", get(metrics))
}
