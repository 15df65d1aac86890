//! What the demo orders: by design some of it must fail, in two ways at each service.

use crate::money::Money;

/// Payments over this are refused.
const LIMIT: Money = euros(500);
/// Payments of this amount are taken, but the answer comes too late.
const STALL_AMOUNT: Money = euros(66);
/// More parcels than these are refused.
const MAX_PARCELS: i32 = 5;
/// So many parcels are booked, but the answer comes too late.
const STALL_PARCELS: i32 = 4;
/// How late an answer comes: later than anybody waits for it.
const STALL: &str = "1m";

/// One order of the plan.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlannedOrder {
    pub(super) number: u16,
    pub(super) amount: Money,
    pub(super) parcels: i32,
}

impl PlannedOrder {
    /// What the client calls it.
    pub(super) fn request_id(&self) -> String {
        format!("order-{}", self.number)
    }
}

/// The orders: every other one is placed, the rest fails in turn in each of the four ways.
pub(super) fn orders(count: u16) -> impl Iterator<Item = PlannedOrder> {
    (1..=count).map(|number| {
        let amount = euros(20 + 11 * i64::from(number % 40));
        let parcels = 1 + i32::from(number % 3);
        let (amount, parcels) = match number % 8 {
            2 => (euros(550 + i64::from(number)), parcels),
            4 => (STALL_AMOUNT, parcels),
            6 => (amount, MAX_PARCELS + parcels),
            0 => (amount, STALL_PARCELS),
            _ => (amount, parcels),
        };
        PlannedOrder {
            number,
            amount,
            parcels,
        }
    })
}

/// How payments has to behave for it.
pub(super) fn payments() -> [(&'static str, String); 3] {
    [
        ("--limit", LIMIT.to_string()),
        ("--stall-amount", STALL_AMOUNT.to_string()),
        ("--stall-after-commit", STALL.to_owned()),
    ]
}

/// How delivery has to behave for it.
pub(super) fn delivery() -> [(&'static str, String); 3] {
    [
        ("--max-parcels", MAX_PARCELS.to_string()),
        ("--stall-parcels", STALL_PARCELS.to_string()),
        ("--stall-after-commit", STALL.to_owned()),
    ]
}

const fn euros(euros: i64) -> Money {
    match Money::from_minor_units(euros * 100) {
        Ok(amount) => amount,
        Err(_) => panic!("the plan has positive amounts only"),
    }
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, MAX_PARCELS, STALL_AMOUNT, STALL_PARCELS, orders};

    #[test]
    fn half_of_the_orders_is_planned_to_fail() {
        for (count, failing) in [(24, 12), (1000, 500)] {
            let fails = orders(count).filter(|order| {
                order.amount > LIMIT
                    || order.amount == STALL_AMOUNT
                    || order.parcels > MAX_PARCELS
                    || order.parcels == STALL_PARCELS
            });
            assert_eq!(fails.count(), failing, "of {count}");
        }
    }
}
