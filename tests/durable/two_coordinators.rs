//! Two coordinators that need each other: a step of one starts a saga of the other, which tells the first one of its end. The guide
//! shows the same.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use saga_runtime::coordinator::{OperatorError, Rejected, SubmitError};
use saga_runtime::journal::{Memory, State};
use saga_runtime::{Context, Coordinator, EventName, event, saga, step};
use serde::{Deserialize, Serialize};
use tokio::sync::SetOnce;

const DELIVERED: EventName<u32> = EventName::new("delivered");

#[derive(Debug, Serialize, Deserialize)]
enum Problem {
    Refused(String),
    Away(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Refused(text) | Self::Away(text)) = self;
        f.write_str(text)
    }
}

fn is_away(problem: &Problem) -> bool {
    matches!(problem, Problem::Away(_))
}

#[derive(Default)]
struct Orders {
    deliveries: SetOnce<Coordinator<Arc<Deliveries>>>,
}

#[derive(Default)]
struct Deliveries {
    orders: SetOnce<Coordinator<Arc<Orders>>>,
}

#[step(compensate = call_off, retry(attempts = 10_000, backoff = "1ms..10ms", when = is_away))]
async fn start_delivery(cx: Context<'_, Arc<Orders>>) -> Result<String, Problem> {
    let deliveries = cx.deliveries.wait().await;
    let id = cx.idempotency_key().to_string();
    let order = cx.saga_id().to_string();
    let submitted = deliveries.submit(&*id, Deliver { order }).await;
    match submitted {
        Ok(_) => Ok(id),
        Err(error @ SubmitError::Rejected(Rejected::ShuttingDown)) => {
            Err(Problem::Away(error.to_string()))
        }
        Err(error) => Err(Problem::Refused(error.to_string())),
    }
}

async fn call_off(cx: Context<'_, Arc<Orders>>, delivery: &str) -> Result<(), String> {
    let deliveries = cx.deliveries.wait().await;
    let cancelled = deliveries.cancel(delivery, "the order failed").await;
    cancelled.map(drop).map_err(|error| error.to_string())
}

saga!(
    async fn place_order(cx: Context<'_, Arc<Orders>>) -> Result<u32, Problem> {
        start_delivery(cx).await?;
        Ok(event(cx, DELIVERED).await)
    }
);

#[step(retriable)]
async fn report(cx: Context<'_, Arc<Deliveries>>, order: &str) -> Result<(), Problem> {
    let orders = cx.orders.wait().await;
    let key = cx.idempotency_key().to_string();
    match orders.send_once(order, DELIVERED, &key, &7).await {
        Ok(()) | Err(OperatorError::Final(_)) => Ok(()),
        Err(error) => Err(Problem::Away(error.to_string())),
    }
}

saga!(
    async fn deliver(cx: Context<'_, Arc<Deliveries>>, order: String) -> Result<(), Problem> {
        report(cx, &order).await?;
        Ok(())
    }
);

/// Both coordinators on these journals, each in the services of the other.
async fn both(
    orders: &Memory,
    deliveries: &Memory,
) -> (Coordinator<Arc<Orders>>, Coordinator<Arc<Deliveries>>) {
    let (shop, courier) = (Arc::<Orders>::default(), Arc::<Deliveries>::default());
    let orders = Coordinator::builder(Arc::clone(&shop))
        .journal(orders.clone())
        .register::<PlaceOrder>();
    let deliveries = Coordinator::builder(Arc::clone(&courier))
        .journal(deliveries.clone())
        .register::<Deliver>();
    let orders = orders.start().await.expect("the journal works");
    let deliveries = deliveries.start().await.expect("the journal works");
    assert!(shop.deliveries.set(deliveries.clone()).is_ok());
    assert!(courier.orders.set(orders.clone()).is_ok());
    (orders, deliveries)
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(Duration::from_mins(1), future).await;
    ended.unwrap_or_else(|_| panic!("{what} does not end"))
}

#[tokio::test]
async fn each_saga_ends_although_the_coordinators_need_each_other() {
    let (orders, deliveries) = both(&Memory::new(), &Memory::new()).await;
    let ordered = orders.execute("order-1", PlaceOrder {});
    let ordered = in_time("the order", ordered).await;
    assert_eq!(ordered.expect("it is delivered"), 7);
    let delivered = deliveries.attach::<Deliver>("order-1/start_delivery/0");
    let delivered = delivered.await.expect("the step has started it");
    in_time("the delivery", delivered.wait())
        .await
        .expect("nothing fails");
    let shutdowns = async { tokio::join!(orders.shutdown(), deliveries.shutdown()) };
    in_time("the shutdown", shutdowns).await;
}

#[tokio::test]
async fn a_shutdown_in_either_order_ends_and_refuses_no_order() {
    for is_deliveries_first in [true, false] {
        let journals = (Memory::new(), Memory::new());
        let (orders, deliveries) = both(&journals.0, &journals.1).await;
        if is_deliveries_first {
            in_time("the shutdown of the deliveries", deliveries.shutdown()).await;
        }
        let submitted = orders.submit("order-1", PlaceOrder {}).await;
        drop(submitted.expect("it is new"));
        in_time("the shutdown of the orders", orders.shutdown()).await;
        in_time("the shutdown of the deliveries", deliveries.shutdown()).await;

        let (orders, deliveries) = both(&journals.0, &journals.1).await;
        let order = orders.attach::<PlaceOrder>("order-1").await;
        let ended = in_time("the order", order.expect("it is there").wait()).await;
        assert_eq!(ended.expect("it is delivered"), 7);
        let delivery = deliveries
            .attach::<Deliver>("order-1/start_delivery/0")
            .await;
        let delivery = delivery.expect("the step has started it");
        in_time("the delivery", delivery.wait())
            .await
            .expect("nothing fails");
        let status = deliveries.status("order-1/start_delivery/0").await;
        assert_eq!(status.expect("it is in memory"), Some(State::Completed));
    }
}
