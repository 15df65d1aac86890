saga!(
    #[saga(compensatable)]
    async fn sell_many(cx: Context<'_, Shop>, orders: Vec<Order>) -> Result<u64, ShopError> {
        let mut sold = 0;
        for order in &orders {
            let (parcels, payment) = try_join!(
                pack(cx, order.articles.clone()),
                charge(cx, order)
            )?;
            sold += payment.amount;
        }
        let labels = try_join_all(8, &orders, |order| label(cx, order)).await?;
        if sold > LIMIT {
            let approval = event(cx, APPROVED).await;
            check(approval)?;
        }
        sleep(cx, Duration::from_hours(1)).await;
        Ok(sold)
    }
);
