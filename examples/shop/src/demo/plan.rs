//! What the demo orders: by design half of it must fail, each of the services and the shop's owner having a part in it.

use crate::checkout::Verdict;
use crate::item::{self, Article, LineItem};
use crate::money::Money;

/// Payments over this are refused.
const LIMIT: Money = euros(500);
/// Payments of this amount are taken, but the answer comes too late.
const STALL_AMOUNT: Money = euros(100);
/// Orders over this need an approval.
const APPROVAL_OVER: Money = euros(300);
/// More parcels than these are refused.
const MAX_PARCELS: i32 = 5;
/// So many parcels are booked, but the answer comes too late.
const STALL_PARCELS: i32 = 4;
/// Of these there are as many.
const SCARCE: (&str, i32) = ("lamp", 2);
/// How late an answer comes: later than anybody waits for it.
const STALL: &str = "1m";

/// One order of the plan.
#[derive(Debug, Clone)]
pub(super) struct PlannedOrder {
    pub(super) number: u16,
    pub(super) items: Vec<LineItem>,
    pub(super) parcels: i32,
    /// What the owner says when it waits for an approval.
    pub(super) verdict: Option<Verdict>,
}

impl PlannedOrder {
    /// What the client calls it.
    pub(super) fn request_id(&self) -> String {
        format!("order-{}", self.number)
    }

    /// What it costs.
    pub(super) fn amount(&self) -> Money {
        item::total(&self.items).expect("the plan has small orders only")
    }
}

/// The orders: every other one is placed, two of twelve after an approval; the rest fails in turn in each of six ways.
pub(super) fn orders(count: u16) -> impl Iterator<Item = PlannedOrder> {
    (1..=count).map(|number| {
        let tea = item("tea", 1 + i32::from(number % 3), euros(5));
        let pot = item("pot", 1, euros(20 + i64::from(number % 40)));
        let desks = |count| item("desk", count, euros(180));
        let parcels = 1 + i32::from(number % 3);
        let rejected = Verdict::Rejected {
            reason: "too much at once".to_owned(),
        };
        let (items, parcels, verdict) = match number % 12 {
            2 => (vec![desks(3)], parcels, None),
            3 | 9 => (vec![desks(2), tea], parcels, Some(Verdict::Approved)),
            4 => (vec![item("pot", 2, euros(50))], parcels, None),
            6 => (vec![tea], MAX_PARCELS + parcels, None),
            8 => {
                let (article, there) = SCARCE;
                (
                    vec![tea, item(article, there + 1, euros(12))],
                    parcels,
                    None,
                )
            }
            10 => (vec![tea, desks(2)], parcels, Some(rejected)),
            0 => (vec![tea, pot], STALL_PARCELS, None),
            5 => (vec![pot], parcels, None),
            _ => (vec![tea, pot], parcels, None),
        };
        PlannedOrder {
            number,
            items,
            parcels,
            verdict,
        }
    })
}

fn item(article: &str, quantity: i32, price: Money) -> LineItem {
    LineItem {
        article: Article::new(article).expect("the plan has good names only"),
        quantity,
        price,
    }
}

/// How orders has to behave for it.
pub(super) fn orders_options() -> [(&'static str, String); 1] {
    [("--approval-over", APPROVAL_OVER.to_string())]
}

/// How stock has to behave for it.
pub(super) fn stock() -> [(&'static str, String); 1] {
    let (article, there) = SCARCE;
    [("--pieces", format!("{article}={there}"))]
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
    use super::{
        APPROVAL_OVER, LIMIT, MAX_PARCELS, PlannedOrder, SCARCE, STALL_AMOUNT, STALL_PARCELS,
        Verdict, orders,
    };

    fn fails(order: &PlannedOrder) -> bool {
        let (article, there) = SCARCE;
        let mut items = order.items.iter();
        order.amount() > LIMIT
            || order.amount() == STALL_AMOUNT
            || order.parcels > MAX_PARCELS
            || order.parcels == STALL_PARCELS
            || items.any(|item| item.article.as_str() == article && item.quantity > there)
            || matches!(order.verdict, Some(Verdict::Rejected { .. }))
    }

    #[test]
    fn half_of_the_orders_is_planned_to_fail() {
        for (count, failing) in [(24, 12), (1000, 500)] {
            assert_eq!(orders(count).filter(fails).count(), failing, "of {count}");
        }
    }

    #[test]
    fn a_verdict_is_planned_for_every_order_that_waits_for_one() {
        for order in orders(24) {
            let waits = order.amount() > APPROVAL_OVER && order.amount() <= LIMIT;
            assert_eq!(order.verdict.is_some(), waits, "{order:?}");
        }
    }
}
