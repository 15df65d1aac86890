//! The mistakes of go-saga-poc, the system this project starts from. None of them can be made here.

mod shop;

use std::time::Duration;

use saga_runtime::{Cause, Context, InProcess, SagaError, saga, step};
use tokio_util::sync::CancellationToken;

use self::shop::{Delivery, Fault, Order, Payment, Shop, ShopError};
use crate::participant::ends;

#[step(compensate = cancel_order)]
async fn create_order(cx: Context<'_, Shop>, amount: u32) -> Result<Order, ShopError> {
    cx.create_order(&cx.idempotency_key(), amount).await
}

async fn cancel_order(cx: Context<'_, Shop>, order: &Order) -> Result<(), ShopError> {
    cx.delete("order", order.id).await
}

#[step(compensate = ())]
async fn check_stock(cx: Context<'_, Shop>, order: &Order) -> Result<bool, ShopError> {
    Ok(order.amount < cx.stock)
}

#[step(
    compensate = delete_payment,
    timeout = "1s",
    in_doubt(resolve = delete_payment_by_key)
)]
async fn create_payment(cx: Context<'_, Shop>, order: &Order) -> Result<Payment, ShopError> {
    cx.create_payment(&cx.idempotency_key(), order.id).await
}

async fn delete_payment(cx: Context<'_, Shop>, payment: &Payment) -> Result<(), ShopError> {
    cx.delete("payment", payment.id).await
}

async fn delete_payment_by_key(cx: Context<'_, Shop>, _: &Order) -> Result<(), ShopError> {
    cx.delete_key(&cx.action_key()).await
}

#[step(compensate = delete_delivery, timeout = "1s", retry(attempts = 3))]
async fn create_delivery(cx: Context<'_, Shop>, order: &Order) -> Result<Delivery, ShopError> {
    cx.create_delivery(&cx.idempotency_key(), order.id).await
}

async fn delete_delivery(cx: Context<'_, Shop>, delivery: &Delivery) -> Result<(), ShopError> {
    cx.delete("delivery", delivery.id).await
}

/// A transaction around everything there, a step here.
#[step(compensate = ())]
async fn commit(cx: Context<'_, Shop>) -> Result<(), ShopError> {
    cx.commit().await
}

saga!(
    async fn place_order(
        cx: Context<'_, Shop>,
        amount: u32,
    ) -> Result<(Order, Payment, Delivery), ShopError> {
        let order = create_order(cx, amount).await?;
        check_stock(cx, &order).await?;
        let payment = create_payment(cx, &order).await?;
        let delivery = create_delivery(cx, &order).await?;
        commit(cx).await?;
        Ok((order, payment, delivery))
    }
);

async fn place(shop: &Shop) -> Result<(Order, Payment, Delivery), SagaError<ShopError>> {
    ends(PlaceOrder { amount: 100 }.execute(shop)).await
}

/// There: a failing payment sends `DeletePayment(0)`.
#[tokio::test]
async fn a_payment_that_was_refused_is_not_deleted() {
    let shop = Shop::with(Fault::PaymentRefused);
    let error = place(&shop).await.expect_err("the payment is refused");
    assert_eq!(error.step(), Some("create_payment"));
    assert_eq!(shop.deleted(), ["order 1"]);
    assert_eq!(shop.rows(), Vec::<String>::new());
}

/// There: compensations read the latest output; another type there panics, and earlier compensations are skipped.
#[tokio::test(start_paused = true)]
async fn a_compensation_gets_the_output_of_its_own_step_and_not_the_latest() {
    let shop = Shop::with(Fault::CommitFails);
    place(&shop).await.expect_err("the commit fails");
    assert_eq!(shop.deleted(), ["delivery 3", "payment 2", "order 1"]);
    assert_eq!(shop.rows(), Vec::<String>::new());
}

/// There: a nil compensation panics while unwinding.
#[tokio::test]
async fn a_step_with_nothing_to_undo_does_not_stop_the_unwinding() {
    let shop = Shop::with(Fault::CommitFails);
    let error = place(&shop).await.expect_err("the commit fails");
    let shape = PlaceOrder::shape();
    let compensations: Vec<_> = shape.steps().map(|step| step.compensation).collect();
    let nothing = compensations.iter().position(Option::is_none);
    assert_eq!(nothing, Some(1), "`check_stock` stands between the others");
    assert_eq!(shop.deleted().last().map(String::as_str), Some("order 1"));
    assert!(error.is_compensated());
}

/// There: a panic in a step skips all compensation.
#[tokio::test]
async fn a_panic_in_a_step_is_compensated() {
    let shop = Shop::with(Fault::CommitPanics);
    let error = place(&shop).await.expect_err("the commit panics");
    let message = "the connection is gone".to_owned();
    assert_eq!(*error.cause(), Cause::Panicked { message });
    assert_eq!(shop.deleted(), ["delivery 3", "payment 2", "order 1"]);
    assert_eq!(shop.rows(), Vec::<String>::new());
    assert!(error.is_compensated());
}

/// There: compensations run on the caller's cancelled context and fail at once.
#[tokio::test(start_paused = true)]
async fn compensations_run_although_the_caller_has_cancelled() {
    let token = CancellationToken::new();
    let shop = Shop::with(Fault::DeletingFailsOnce).cancelling_at_payment(token.clone());
    let error = InProcess::new(&shop)
        .cancelled_by(token)
        .execute(PlaceOrder { amount: 100 })
        .await
        .expect_err("it is cancelled");
    assert_eq!(*error.cause(), Cause::Cancelled);
    assert!(error.is_compensated(), "{error}");
    assert_eq!(shop.rows(), Vec::<String>::new());
}

/// There: errors of compensations are collected and never read; the client sees "something wrong happened".
#[tokio::test(start_paused = true)]
async fn the_caller_gets_one_typed_error_with_the_step_the_cause_and_every_failed_compensation() {
    let shop = Shop::with(Fault::CommitAndDeletingFail);
    let error = place(&shop).await.expect_err("the commit fails");
    assert_eq!(error.step(), Some("commit"));
    assert_eq!(*error.cause(), Cause::Error(ShopError::CommitFailed));
    let failures: Vec<_> = error
        .compensation_failures()
        .map(|(one, failure)| (&*one.step, failure.message.as_str()))
        .collect();
    assert_eq!(
        failures,
        [
            ("create_delivery", "delivery 3 can't be deleted"),
            ("create_payment", "payment 2 can't be deleted"),
            ("create_order", "order 1 can't be deleted"),
        ]
    );
    assert!(!error.is_compensated());
}

/// There: the payment times out after the server committed, and is an orphan.
#[tokio::test(start_paused = true)]
async fn a_payment_whose_answer_was_lost_is_found_by_the_key_that_was_known_before_the_call() {
    let shop = Shop::with(Fault::PaymentAnswerLost);
    let error = place(&shop).await.expect_err("the payment times out");
    let after = Duration::from_secs(1);
    assert_eq!(*error.cause(), Cause::TimedOut { after });
    assert!(error.is_compensated());
    assert_eq!(shop.rows(), Vec::<String>::new(), "no orphan");
}

/// There: a database transaction is held open across two remote calls; its commit can fail after the saga "succeeded".
#[tokio::test]
async fn a_local_transaction_is_a_step_so_a_failing_commit_is_compensated() {
    let shop = Shop::with(Fault::CommitFails);
    let error = place(&shop).await.expect_err("the commit fails");
    assert_eq!(error.step(), Some("commit"));
    assert_eq!(shop.rows(), Vec::<String>::new());
    assert_eq!(shop.open_transactions_during_calls(), 0);
}

/// There: no retry, timeout or dedupe. (Nor tracing, which `spans` is about, nor a journal, which other engines have.)
#[tokio::test(start_paused = true)]
async fn an_attempt_without_an_answer_times_out_is_retried_and_deduplicated() {
    let shop = Shop::with(Fault::DeliveryAnswerLostOnce);
    let (.., delivery) = place(&shop).await.expect("the second attempt answers");
    assert_eq!(shop.rows(), ["order 1", "payment 2", "delivery 3"]);
    assert_eq!(delivery.id, 3, "the answer that was lost");
}
