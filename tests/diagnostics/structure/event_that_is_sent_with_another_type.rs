//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::coordinator::OperatorError;
use saga_runtime::{Coordinator, EventName, SagaId};
use shop::*;

const PAID: EventName<Payment> = EventName::new("paid");

async fn pay(coordinator: &Coordinator<Shop>, id: &SagaId) -> Result<(), OperatorError> {
    coordinator.send(id, PAID, &17).await
}

fn main() {
    let _ = pay;
}
