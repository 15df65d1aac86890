//! One supplier delivers, or none does; and what is paid is what is on its way.

use saga_runtime::testing::FailureMatrix;

use crate::market::{Market, OrderError, Supplier};
use crate::restock::{Restock, book_truck, reserve};

const BOTH: [Supplier; 2] = [Supplier::Mill, Supplier::Harbour];

#[tokio::test]
async fn the_goods_are_released_before_the_next_supplier_is_asked() {
    let market = Market::new([30, 30], &[Supplier::Harbour], 30);
    let at = (Restock { pieces: 30 }).execute(&market).await;
    assert_eq!(at.expect("the harbour has a truck"), Supplier::Harbour);
    assert_eq!(market.log(), ["Mill released 30"]);
    assert_eq!(market.totals(), [30, 30, 30]);
}

#[tokio::test]
async fn an_order_that_the_bank_declines_is_undone_at_the_second_supplier() {
    let market = Market::new([30, 30], &[Supplier::Harbour], 29);
    let error = (Restock { pieces: 30 }).execute(&market).await;
    let error = error.expect_err("it is too much");
    assert!(error.is_compensated(), "{error}");
    assert_eq!(market.log(), ["Mill released 30", "Harbour released 30"]);
    assert_eq!(market.totals(), [0, 0, 0]);
}

#[tokio::test]
async fn the_reasons_of_all_suppliers_are_told() {
    let market = Market::new([30, 20], &[], 30);
    let error = (Restock { pieces: 30 }).execute(&market).await;
    let error = error.expect_err("nobody delivers");
    let cause = error.cause().to_string();
    assert_eq!(cause, "Mill has no truck, Harbour is sold out");
}

#[test]
fn a_request_that_comes_after_its_cancellation_takes_nothing() {
    let market = Market::new([9, 9], &BOTH, 9);
    let goods = market.reserve("a", Supplier::Mill, 9);
    let goods = goods.expect("there are enough");
    let truck = market.book_truck("b", &goods).expect("there is one");
    market.send_back(&truck);
    market.release(&goods);
    let late = market.book_truck("b", &goods);
    late.expect_err("it was sent back");
    let late = market.reserve("a", Supplier::Mill, 9);
    late.expect_err("they were released");
    assert_eq!(market.totals(), [0, 0, 0]);
}

#[test]
fn every_failure_ends_with_what_is_paid_on_its_way() {
    let refusal = OrderError::SoldOut { at: Supplier::Mill };
    FailureMatrix::new(|| Market::new([9, 9], &BOTH, 9), || Restock { pieces: 9 })
        .refusal(reserve, &refusal)
        .refusal(book_truck, &refusal)
        .invariant(
            "nine pieces are on their way and paid, or none",
            |market, end| {
                let all = if end.is_completed() { [9; 3] } else { [0; 3] };
                let totals = market.totals();
                (totals == all).then_some(()).ok_or(format!("{totals:?}"))
            },
        )
        .check();
}
