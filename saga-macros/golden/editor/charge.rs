/// Takes the money.
#[step(compensate = payments::refund, retry(attempts = 5, when = PaymentError::is_transient))]
async fn charge(cx: Context<'_, Shop>, order: &Order) -> Result<Payment, PaymentError> {
    cx.payments.create(order.id, cx.idempotency_key()).await
}
