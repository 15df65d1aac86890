//! What runs the sagas of the checkout: a coordinator in this process, or a Restate server. The saga is the same; all that
//! differs is in the two files below, function by function.

mod journal;
mod restate;

use std::time::Duration;

use saga_restate::ClientError;
use saga_runtime::SagaId;
use saga_runtime::coordinator::StartError;
use saga_runtime::journal::Journal;
use saga_runtime::operator::Operator;
use tokio::net::TcpListener;
use tonic::Status;

use self::journal::OnJournal;
use self::restate::OnRestate;
use super::{PlaceOrder, Receipt, Shop, Verdict};
use crate::address::Address;

/// Which versions of the saga a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deployed {
    /// The first one.
    First,
    /// Both: new orders begin with the second one, and those of the first go on with that.
    Both,
}

/// What runs the sagas.
#[derive(Debug, Clone)]
pub struct Engine(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Journal(OnJournal),
    Restate(OnRestate),
}

impl Engine {
    /// A coordinator in this process, on a journal that only this process uses. It first goes on with what is open there.
    ///
    /// # Errors
    /// When the journal can't be used.
    pub async fn on_journal(shop: Shop, journal: impl Journal) -> Result<Self, StartError> {
        let engine = OnJournal::start(shop, journal).await?;
        Ok(Self(Kind::Journal(engine)))
    }

    /// A coordinator in this process, on a journal that other processes use, too. If this one falls silent, they go on with its
    /// sagas when its lease is over.
    ///
    /// # Errors
    /// When the journal can't be used.
    pub async fn on_shared_journal(
        shop: Shop,
        journal: impl Journal,
        lease: Duration,
        deployed: Deployed,
    ) -> Result<Self, StartError> {
        let engine = OnJournal::start_shared(shop, journal, lease, deployed).await?;
        Ok(Self(Kind::Journal(engine)))
    }

    /// The Restate server with this ingress, which calls this process, or another one like it, to begin a saga or to go on
    /// with it. It has to be told once where `listener` is.
    ///
    /// # Errors
    /// When nothing can be asked at this address.
    pub fn on_restate(
        shop: Shop,
        ingress: &Address,
        listener: TcpListener,
    ) -> Result<Self, ClientError> {
        let engine = OnRestate::start(shop, ingress, listener)?;
        Ok(Self(Kind::Restate(engine)))
    }

    /// The operator of the sagas on a journal. Restate has a page of its own.
    #[must_use]
    pub fn operator(&self) -> Option<Operator> {
        match &self.0 {
            Kind::Journal(engine) => Some(engine.operator()),
            Kind::Restate(_) => None,
        }
    }

    /// Sells an order, or tells how the order with this id has ended.
    pub(super) async fn place(&self, id: SagaId, saga: PlaceOrder) -> Result<Receipt, Status> {
        match &self.0 {
            Kind::Journal(engine) => engine.place(id, saga).await,
            Kind::Restate(engine) => engine.place(id, saga).await,
        }
    }

    /// Tells an order that waits for it what somebody has decided.
    pub(super) async fn decide(&self, id: &SagaId, verdict: &Verdict) -> Result<(), Status> {
        match &self.0 {
            Kind::Journal(engine) => engine.decide(id, verdict).await,
            Kind::Restate(engine) => engine.decide(id, verdict).await,
        }
    }

    /// Begins no saga from now on, and waits until the requests under way are answered. What is open goes on in the next
    /// process.
    pub(super) async fn drain(&self) {
        match &self.0 {
            Kind::Journal(engine) => engine.drain().await,
            Kind::Restate(engine) => engine.drain().await,
        }
    }
}

fn no_such_order(id: &SagaId) -> Status {
    Status::not_found(format!("there is no order `{id}`"))
}

fn does_not_wait(id: &SagaId, state: impl std::fmt::Display) -> Status {
    Status::failed_precondition(format!(
        "order `{id}` does not wait for an approval: it is {state}"
    ))
}
