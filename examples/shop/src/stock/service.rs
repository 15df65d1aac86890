//! The stock over gRPC: reads requests, asks the store, and can be told to answer late.

use tonic::{Request, Response, Status};

use super::{StockFaults, StockStore};
use crate::answers;
use crate::item::Article;
use crate::proto::stock::release_request::Reservation as Target;
use crate::proto::stock::stock_server::Stock;
use crate::proto::stock::{ReleaseRequest, ReleaseResponse, Reservation, ReserveRequest};
use crate::rejection::{Rejection, positive};

/// Answers the calls of `shop.stock.v1.Stock`.
#[derive(Debug, Clone)]
pub struct StockService {
    store: StockStore,
    faults: StockFaults,
}

impl StockService {
    /// A service over these reservations.
    #[must_use]
    pub fn new(store: StockStore, faults: StockFaults) -> Self {
        Self { store, faults }
    }
}

#[tonic::async_trait]
impl Stock for StockService {
    async fn reserve(
        &self,
        request: Request<ReserveRequest>,
    ) -> Result<Response<Reservation>, Status> {
        let request = request.into_inner();
        let key = answers::key(request.idempotency_key)?;
        let order_id = positive("order_id", request.order_id)?;
        let article = Article::new(request.article).map_err(Rejection::from)?;
        let quantity = positive("quantity", request.quantity)?;

        let reserved = self.store.reserve(&key, order_id, &article, quantity);
        let reservation = reserved.await?;
        if let Some(duration) = self.faults.stall(&article) {
            tracing::warn!(?duration, "the answer is kept back");
            tokio::time::sleep(duration).await;
        }
        Ok(Response::new(reservation))
    }

    async fn release(
        &self,
        request: Request<ReleaseRequest>,
    ) -> Result<Response<ReleaseResponse>, Status> {
        let key = match request.into_inner().reservation {
            Some(Target::Id(id)) => self.store.answers.key_of(id).await?,
            Some(Target::IdempotencyKey(key)) => answers::key(key)?,
            None => return Err(Rejection::missing("reservation").into()),
        };
        self.store.answers.cancel(&key).await?;
        Ok(Response::new(ReleaseResponse {}))
    }
}
