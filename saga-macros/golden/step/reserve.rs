/// Reserves the articles.
#[step(compensate = stock::release, in_doubt(resolve), retry(when = |error| error.is_busy()))]
async fn reserve(cx: Context<'_, Shop>, order: &Order) -> Result<u64, StockError> {
    cx.stock.reserve(order.id, cx.idempotency_key()).await
}
