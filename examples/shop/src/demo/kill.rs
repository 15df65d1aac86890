//! The kill in the middle of the demo, and what becomes of the orders that it cuts off.

use std::collections::HashMap;

use anyhow::ensure;
use saga_runtime::SagaId;

use super::engine::Engine;
use super::fleet::Fleet;

/// What an order was about when its process was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CutOff {
    /// It was in the middle of a step.
    Running,
    /// It was waiting for its approval.
    Waiting,
}

/// Kills the process of orders and starts it again; says what every open order was about at that moment.
///
/// # Errors
/// When it does not start again, or an order that was waiting does not wait any more.
pub(super) async fn kill_orders(
    fleet: &mut Fleet<'_>,
    engine: &Engine,
) -> anyhow::Result<HashMap<SagaId, CutOff>> {
    eprint!(" kill -9 orders … ");
    let killed = fleet.kill("orders").await?;
    let cut_off = engine.open().await?;
    fleet.restart(killed).await?;
    let now = engine.open().await?;
    let waited = cut_off.iter().filter(|(_, was)| **was == CutOff::Waiting);
    let mut waiting: Vec<_> = waited.map(|(id, _)| id).collect();
    for id in &waiting {
        ensure!(
            now.get(id) == Some(&CutOff::Waiting),
            "{id} does not wait for its approval any more"
        );
    }
    waiting.sort();
    let waiting: Vec<_> = waiting.into_iter().map(SagaId::as_str).collect();
    if !waiting.is_empty() {
        eprintln!("still waiting for an approval: {}", waiting.join(", "));
    }
    Ok(cut_off)
}
