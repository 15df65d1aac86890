/// Hands the parcel over.
#[step(pivot)]
pub async fn ship(cx: Context<'_, Shop>, order: &Order, payment: &Payment) -> Result<Delivery, ShipError> {
    cx.deliveries.create(order.id, payment.id).await
}
