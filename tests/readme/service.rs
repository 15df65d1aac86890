//! A coordinator in a service.

use saga_runtime::{Context, saga, step};

struct Shop;

#[step(compensate = ())]
async fn quote(_cx: Context<'_, Shop>, pieces: u64) -> Result<u64, String> {
    Ok(3 * pieces)
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, pieces: u64) -> Result<u64, String> {
        quote(cx, pieces).await
    }
);

use saga_runtime::coordinator::SubmitError;
use saga_runtime::{Coordinator, ExecuteError};

/// The id comes from the client, and with it a status that it can act upon.
async fn order(coordinator: Coordinator<Shop>, id: &str, pieces: u64) -> (u16, String) {
    match coordinator.execute(id, PlaceOrder { pieces }).await {
        Ok(price) => (200, format!("ordered for {price}")),
        // All is undone. The call that has started it gets the saga's own error in `error.cause()`, a later one its text.
        Err(ExecuteError::Failed(error)) => (409, error.to_string()),
        Err(ExecuteError::NotStarted(SubmitError::Conflict { id, .. })) => (422, format!("{id} is another order")),
        // It has not failed: the same call again waits for it.
        Err(ExecuteError::InProgress { id, .. }) => (202, format!("{id} is being worked on")),
        // Stuck, or the journal can't be reached: a client can't help that.
        Err(error) => (503, error.to_string()),
    }
}

async fn run(coordinator: Coordinator<Shop>) -> std::io::Result<()> {
    tokio::select! {
        served = serve(coordinator.clone()) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    coordinator.shutdown().await;
    Ok(())
}

async fn serve(coordinator: Coordinator<Shop>) -> std::io::Result<()> {
    drop(coordinator);
    std::future::ready(Ok(())).await
}

#[tokio::test]
async fn a_client_is_told_a_status() {
    let coordinator = Coordinator::builder(Shop)
        .journal(saga_runtime::journal::Memory::new())
        .register::<PlaceOrder>()
        .start()
        .await
        .expect("the journal is new");
    let asked = order(coordinator.clone(), "order-17", 4).await;
    assert_eq!(asked, (200, "ordered for 12".to_owned()));
    let other = order(coordinator.clone(), "order-17", 5).await;
    assert_eq!(other, (422, "order-17 is another order".to_owned()));
    run(coordinator).await.expect("it stops");
}
