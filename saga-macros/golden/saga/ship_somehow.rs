saga!(
    async fn ship_somehow(cx: Context<'_, Shop>, order: Order) -> Result<Delivery, ShipError> {
        let parcel = pack(cx, &order).await?;
        check(&parcel)?;
        let delivery = match ship(cx, &parcel).await {
            Ok(delivery) => delivery,
            Err(Busy) => couriers::ship(cx, &parcel).await?,
            Err(other) => return Err(other),
        };
        if order.is_gift {
            send_card(cx, &delivery).await?;
        }
        Ok(delivery)
    }
);
