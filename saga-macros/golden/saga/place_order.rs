saga!(
    /// Sells one order: order, payment, delivery, then the receipt.
    pub async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Receipt, CheckoutError> {
        let order = create_order(cx, &request).await?;
        let payment = charge(cx, &order).await?;
        let delivery = ship(cx, &order, &payment).await?;
        send_receipt(cx, &delivery).await?;
        Ok(Receipt { order, payment, delivery })
    }
);
