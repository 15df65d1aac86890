/// Takes the money.
#[step(
    compensate = payments::refund,
    timeout = "3s",
    retry(attempts = 5, backoff = "100ms..5s", when = PaymentError::is_transient),
    in_doubt(when = PaymentError::is_in_doubt, resolve = payments::cancel),
    compensation(timeout = "10s", retry(attempts = 9, backoff = "1s..1m")),
    name = "take-payment",
)]
#[cfg(feature = "payments")]
#[tracing::instrument(skip_all)]
async fn charge(cx: Context<'_, Shop>, Order { id, .. }: &Order, mut amount: u64, _: &str) -> PaymentResult<Payment> {
    amount += cx.fee;
    cx.payments.create(*id, amount, cx.idempotency_key()).await
}
