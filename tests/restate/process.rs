//! A process that runs sagas.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    pub(crate) fn start(database: &Path, address: SocketAddr, arguments: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_restate-child"))
            .arg(database)
            .arg(address.to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .spawn()
            .expect("the child process starts");
        Self { child, address }
    }

    /// Waits until Restate can find it.
    pub(crate) async fn listens(&mut self) {
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            assert!(!self.has_ended(), "it ended before it listened");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.child.id()).expect("ids are small")
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        self.child.wait().expect("it can be waited for")
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free address. No other process takes it meanwhile, since this one has loopback addresses of its own where the system
/// has more than one.
pub(crate) fn free_address() -> SocketAddr {
    static LAST: AtomicU8 = AtomicU8::new(0);
    let [.., high, low] = std::process::id().to_be_bytes();
    let own = Ipv4Addr::new(127, high, low, LAST.fetch_add(1, Ordering::Relaxed) | 1);
    let listener = TcpListener::bind((own, 0));
    let listener = listener.or_else(|_| TcpListener::bind("127.0.0.1:0"));
    let address = listener.expect("a port").local_addr();
    address.expect("it is bound")
}
