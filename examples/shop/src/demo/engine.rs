//! What runs the sagas of the demo: the orders process itself, on a journal, or a Restate server that the demo starts. The
//! demo is the same; it only has to know how to look at what is under way.

mod journal;
mod restate;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;

use saga_runtime::SagaId;

use self::journal::OnJournal;
use self::restate::OnRestate;
use super::kill::CutOff;

/// Where the sagas are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum On {
    /// In a file of the orders service
    #[default]
    Journal,
    /// On a Restate server, which the demo starts; `make services` installs it
    Restate,
}

/// What runs the sagas, and says what they are about.
#[derive(Debug)]
pub(super) enum Engine {
    Journal(OnJournal),
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
            On::Restate => Self::Restate(Box::new(OnRestate::start(folder).await?)),
        })
    }

    /// How the orders service has to be started for it.
    pub(super) fn options(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Journal(engine) => engine.options(),
            Self::Restate(engine) => engine.options(),
        }
    }

    /// Does what can be done only when the orders service is there.
    ///
    /// # Errors
    /// When the journal can't be read, or the server does not accept the service.
    pub(super) async fn orders_has_started(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Journal(engine) => engine.orders_has_started().await,
            Self::Restate(engine) => engine.orders_has_started().await,
        }
    }

    /// The orders that have begun and not ended, by their request ids.
    ///
    /// # Errors
    /// When nobody can say that.
    pub(super) async fn open(&self) -> anyhow::Result<HashMap<SagaId, CutOff>> {
        match self {
            Self::Journal(engine) => engine.open().await,
            Self::Restate(engine) => engine.open().await,
        }
    }
}

/// An address on the loopback where nobody listens.
fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}
