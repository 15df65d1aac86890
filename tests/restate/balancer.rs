//! One address for two processes: connections go to one after the other, and to the one that is left.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use crate::process::free_address;

pub(crate) struct Balancer {
    pub(crate) address: String,
    pub(crate) first: SocketAddr,
    pub(crate) second: SocketAddr,
}

impl Balancer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let (first, second) = (free_address(), free_address());
        tokio::spawn(async move {
            let mut turn = [first, second];
            while let Ok((mut incoming, _)) = listener.accept().await {
                turn.swap(0, 1);
                tokio::spawn(async move {
                    for backend in turn {
                        if let Ok(mut outgoing) = TcpStream::connect(backend).await {
                            // It ends when either side does, whatever the reason.
                            let _ = copy_bidirectional(&mut incoming, &mut outgoing).await;
                            return;
                        }
                    }
                });
            }
        });
        Self {
            address: format!("http://{address}"),
            first,
            second,
        }
    }
}
