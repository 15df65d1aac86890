//! When a process is asked to stop.

use std::io;
use std::os::fd::AsFd as _;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe::Receiver;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The ways in which this process can be asked to stop.
#[derive(Debug)]
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
    stdin: Option<Receiver>,
}

impl Stop {
    /// Listens for SIGTERM and SIGINT from now on.
    ///
    /// # Errors
    /// When the system has no room for a signal handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            stdin: None,
        })
    }

    /// Listens for the end of the standard input as well, so that this process never outlives the one that holds the
    /// other end.
    ///
    /// # Errors
    /// When the standard input is no pipe.
    pub fn or_end_of_stdin(self) -> io::Result<Self> {
        let stdin = Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
        Ok(Self {
            stdin: Some(stdin),
            ..self
        })
    }

    /// Ready when this process is asked to stop.
    pub async fn requested(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            () = end_of(self.stdin.as_mut()) => {}
        }
    }
}

async fn end_of(pipe: Option<&mut Receiver>) {
    let Some(pipe) = pipe else {
        return std::future::pending().await;
    };
    let mut ignored = [0; 64];
    // An error is an end as well: nobody can be at the other side.
    while matches!(pipe.read(&mut ignored).await, Ok(count) if count > 0) {}
}
