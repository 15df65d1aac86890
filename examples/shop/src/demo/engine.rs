//! What runs the sagas of the demo: the orders process itself, on a journal, or a Restate server that the demo starts. The
//! demo is the same; it only has to know how to look at what is under way.

mod journal;
mod postgres;
mod restate;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use saga_runtime::SagaId;

use self::journal::OnJournal;
use self::postgres::OnPostgres;
use self::restate::OnRestate;
use super::fleet::Fleet;
use super::kill::{CutOff, kill_orders};
use crate::address::Address;

/// Where the sagas are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum On {
    /// In a file of the orders service
    #[default]
    Journal,
    /// In a Postgres database, which the demo starts, shared by two orders services
    Postgres,
    /// On a Restate server, which the demo starts; `make services` installs it
    Restate,
}

/// What runs the sagas, and says what they are about.
#[derive(Debug)]
pub(super) enum Engine {
    Journal(OnJournal),
    Postgres(Box<OnPostgres>),
    Restate(Box<OnRestate>),
}

impl Engine {
    /// Starts what has to be there before the orders service is. Its files will be in `folder`.
    ///
    /// # Errors
    /// When a server does not start.
    pub(super) async fn start(on: On, folder: &Path) -> anyhow::Result<Self> {
        Ok(match on {
            On::Journal => Self::Journal(OnJournal::in_folder(folder)),
            On::Postgres => Self::Postgres(Box::new(OnPostgres::start().await?)),
            On::Restate => Self::Restate(Box::new(OnRestate::start(folder).await?)),
        })
    }

    /// Starts the orders services. Returns where they are.
    ///
    /// # Errors
    /// When one does not start, the journal can't be read, or the server does not accept the service.
    pub(super) async fn start_orders(
        &mut self,
        fleet: &mut Fleet<'_>,
        options: &[(&'static str, String)],
    ) -> anyhow::Result<Address> {
        let mut all = options.to_vec();
        match self {
            Self::Journal(engine) => {
                all.extend(engine.options());
                let orders = fleet.start("orders", &all).await?;
                engine.orders_has_started().await?;
                Ok(orders)
            }
            Self::Postgres(engine) => {
                for name in ["orders-1", "orders-2"] {
                    engine.start_orders(fleet, name, 1, options).await?;
                }
                Ok(engine.orders().clone())
            }
            Self::Restate(engine) => {
                all.extend(engine.options());
                let orders = fleet.start("orders", &all).await?;
                engine.orders_has_started().await?;
                Ok(orders)
            }
        }
    }

    /// Kills an orders service in the middle, and sees to it that the orders go on.
    ///
    /// # Errors
    /// When one does not start again, or an order that was waiting does not wait any more.
    pub(super) async fn disturb(
        &mut self,
        fleet: &mut Fleet<'_>,
        options: &[(&'static str, String)],
    ) -> anyhow::Result<HashMap<SagaId, CutOff>> {
        match self {
            Self::Postgres(engine) => engine.deploy(fleet, options).await,
            Self::Journal(_) | Self::Restate(_) => kill_orders(fleet, self).await,
        }
    }

    /// A line about the sagas, if there is more to say than the table of the orders does.
    ///
    /// # Errors
    /// When the journal can't be read.
    pub(super) async fn summary(&self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Postgres(engine) => engine.summary().await.map(Some),
            Self::Journal(_) | Self::Restate(_) => Ok(None),
        }
    }

    /// The orders that have begun and not ended, by their request ids.
    ///
    /// # Errors
    /// When nobody can say that.
    pub(super) async fn open(&self) -> anyhow::Result<HashMap<SagaId, CutOff>> {
        match self {
            Self::Journal(engine) => engine.open().await,
            Self::Postgres(engine) => engine.open().await,
            Self::Restate(engine) => engine.open().await,
        }
    }
}

/// An address on the loopback where nobody listens.
fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}
