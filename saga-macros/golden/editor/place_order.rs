saga!(
    /// Sells one order.
    pub async fn place_order(cx: Context<'_, Shop>, #[serde(default)] request: OrderRequest) -> Result<Receipt, CheckoutError> {
        let order = create_order(cx, &request).await?;
        let (payment, parcels) = try_join!(
            charge(cx, &order),
            try_join_all(4, &order.articles, |article| reserve(cx, article)),
        )?;
        let number = match (cx, payment) {
            (cx, payment) => payment.number + cx.now(),
        };
        Ok(Receipt { order, number, parcels })
    }
);
