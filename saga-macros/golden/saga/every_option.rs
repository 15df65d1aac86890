saga!(
    #[cfg(feature = "sales")]
    #[derive(Debug)]
    #[saga(
        crate = crate::sagas,
        name = "sale",
        version = 2,
        deadline = "30s",
        on_compensation_failure = halt,
        compensations = parallel
    )]
    pub(crate) async fn every_option(
        cx: ShopCx<'_>,
        mut request: OrderRequest,
        #[serde(default)] coupon: Option<Coupon>,
    ) -> ShopResult<Order> {
        request.apply(coupon);
        create_order(cx, &request).await
    }
);
