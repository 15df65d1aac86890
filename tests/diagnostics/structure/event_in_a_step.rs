//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, EventName, First, first_of, step};
use shop::*;

const PAID: EventName<u64> = EventName::new("paid");
const DECLINED: EventName<String> = EventName::new("declined");

#[step(compensate = ())]
async fn settle(cx: Context<'_, Shop>, order: &Order) -> Result<u64, ShopError> {
    match first_of(cx, (PAID, DECLINED)).await {
        First::A(amount) => Ok(amount),
        First::B(_) => Ok(order.amount),
    }
}

fn main() {}
