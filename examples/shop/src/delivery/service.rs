//! The deliveries over gRPC: reads requests, asks the store, and can be told to answer late.

use tonic::{Request, Response, Status};

use super::{DeliveryFaults, DeliveryStore};
use crate::answers;
use crate::proto::delivery::cancel_delivery_request::Delivery as Target;
use crate::proto::delivery::deliveries_server::Deliveries;
use crate::proto::delivery::{
    CancelDeliveryRequest, CancelDeliveryResponse, CreateDeliveryRequest, Delivery,
};
use crate::rejection::{Rejection, positive};

/// Answers the calls of `shop.delivery.v1.Deliveries`.
#[derive(Debug, Clone)]
pub struct DeliveriesService {
    store: DeliveryStore,
    faults: DeliveryFaults,
}

impl DeliveriesService {
    /// A service over these deliveries.
    #[must_use]
    pub fn new(store: DeliveryStore, faults: DeliveryFaults) -> Self {
        Self { store, faults }
    }
}

#[tonic::async_trait]
impl Deliveries for DeliveriesService {
    async fn create_delivery(
        &self,
        request: Request<CreateDeliveryRequest>,
    ) -> Result<Response<Delivery>, Status> {
        let request = request.into_inner();
        let key = answers::key(request.idempotency_key)?;
        let order_id = positive("order_id", request.order_id)?;
        let parcels = positive("parcels", request.parcels)?;

        let delivery = self.store.create(&key, order_id, parcels).await?;
        if let Some(duration) = self.faults.stall(parcels) {
            tracing::warn!(?duration, "the answer is kept back");
            tokio::time::sleep(duration).await;
        }
        Ok(Response::new(delivery))
    }

    async fn cancel_delivery(
        &self,
        request: Request<CancelDeliveryRequest>,
    ) -> Result<Response<CancelDeliveryResponse>, Status> {
        let key = match request.into_inner().delivery {
            Some(Target::Id(id)) => self.store.answers.key_of(id).await?,
            Some(Target::IdempotencyKey(key)) => answers::key(key)?,
            None => return Err(Rejection::missing("delivery").into()),
        };
        self.store.answers.cancel(&key).await?;
        Ok(Response::new(CancelDeliveryResponse {}))
    }
}
