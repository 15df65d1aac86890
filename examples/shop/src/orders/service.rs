//! The orders over gRPC: reads requests and asks the store.

use tonic::{Request, Response, Status};

use super::OrderStore;
use crate::answers;
use crate::item::LineItem;
use crate::proto::orders::cancel_order_request::Order as Target;
use crate::proto::orders::orders_server::Orders;
use crate::proto::orders::{
    CancelOrderRequest, CancelOrderResponse, CreateOrderRequest, GetOrderRequest, Order,
};
use crate::rejection::{Rejection, positive};

/// Answers the calls of `shop.orders.v1.Orders`.
#[derive(Debug, Clone)]
pub struct OrdersService {
    store: OrderStore,
}

impl OrdersService {
    /// A service over these orders.
    #[must_use]
    pub fn new(store: OrderStore) -> Self {
        Self { store }
    }
}

#[tonic::async_trait]
impl Orders for OrdersService {
    async fn create_order(
        &self,
        request: Request<CreateOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        let request = request.into_inner();
        let key = answers::key(request.idempotency_key)?;
        let items = request.items.into_iter().map(LineItem::try_from);
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let parcels = positive("parcels", request.parcels)?;
        Ok(Response::new(
            self.store.create(&key, &items, parcels).await?,
        ))
    }

    async fn cancel_order(
        &self,
        request: Request<CancelOrderRequest>,
    ) -> Result<Response<CancelOrderResponse>, Status> {
        let key = match request.into_inner().order {
            Some(Target::Id(id)) => self.store.answers.key_of(id).await?,
            Some(Target::IdempotencyKey(key)) => answers::key(key)?,
            None => return Err(Rejection::missing("order").into()),
        };
        self.store.answers.cancel(&key).await?;
        Ok(Response::new(CancelOrderResponse {}))
    }

    async fn get_order(
        &self,
        request: Request<GetOrderRequest>,
    ) -> Result<Response<Order>, Status> {
        Ok(Response::new(
            self.store.get(request.into_inner().id).await?,
        ))
    }
}
