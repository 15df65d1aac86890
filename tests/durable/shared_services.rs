//! Services behind a trait object, as in `Context<'_, dyn Bank>`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use saga_runtime::journal::Memory;
use saga_runtime::{Context, Coordinator, saga, step};

trait Bank: Send + Sync {
    fn pay(&self, amount: u64) -> u64;
}

#[derive(Default)]
struct Vault(AtomicU64);

impl Bank for Vault {
    fn pay(&self, amount: u64) -> u64 {
        self.0.fetch_add(amount, Ordering::Relaxed) + amount
    }
}

#[step(compensate = ())]
async fn pay(cx: Context<'_, dyn Bank>, amount: u64) -> Result<u64, String> {
    Ok(cx.pay(amount))
}

saga!(
    async fn pay_twice(cx: Context<'_, dyn Bank>, amount: u64) -> Result<u64, String> {
        pay(cx, amount).await?;
        pay(cx, amount).await
    }
);

#[tokio::test]
async fn a_coordinator_runs_sagas_on_a_trait_object() {
    let bank: Arc<dyn Bank> = Arc::new(Vault::default());
    let coordinator = Coordinator::builder(Arc::clone(&bank))
        .journal(Memory::new())
        .register::<PayTwice>()
        .start()
        .await
        .expect("the journal works");
    let paid = coordinator.execute("order-1", PayTwice { amount: 3 }).await;
    assert_eq!(paid.expect("nothing fails"), 6);
    let in_process = PayTwice { amount: 1 }.execute(&*bank).await;
    assert_eq!(in_process.expect("nothing fails"), 8);
}
