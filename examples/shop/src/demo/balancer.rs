//! One address in front of several processes: each connection goes to the next one of them that answers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::address::Address;

/// A balancer on the loopback. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Balancer {
    address: Address,
    targets: Targets,
    accepting: JoinHandle<()>,
}

type Targets = Arc<Mutex<Vec<SocketAddr>>>;

impl Balancer {
    /// A balancer in front of nothing yet.
    ///
    /// # Errors
    /// When no port is free.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = Address::of_own_server(listener.local_addr()?)?;
        let targets = Targets::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&targets)));
        Ok(Self {
            address,
            targets,
            accepting,
        })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends connections to this process as well.
    ///
    /// # Errors
    /// When the address has no port.
    pub(super) fn add(&self, address: &Address) -> anyhow::Result<()> {
        let text = address.to_string();
        let socket = text.trim_start_matches("http://").parse()?;
        lock(&self.targets).push(socket);
        Ok(())
    }

    /// Sends no more connections to this process.
    pub(super) fn remove(&self, address: &Address) {
        let text = address.to_string();
        let text = text.trim_start_matches("http://");
        lock(&self.targets).retain(|target| target.to_string() != text);
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, targets: Targets) {
    for number in 0_usize.. {
        let Ok((mut client, _)) = listener.accept().await else {
            continue;
        };
        let mut targets = lock(&targets).clone();
        tokio::spawn(async move {
            if targets.is_empty() {
                return;
            }
            let first = number % targets.len();
            targets.rotate_left(first);
            for target in targets {
                if let Ok(mut server) = TcpStream::connect(target).await {
                    // However it ends, both sides hear of it when these are dropped.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    return;
                }
            }
        });
    }
}

fn lock(targets: &Targets) -> std::sync::MutexGuard<'_, Vec<SocketAddr>> {
    targets.lock().unwrap_or_else(PoisonError::into_inner)
}
