//! The process around a service: its logs, its socket, its end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::address::Address;
use crate::logs::Logs;
use crate::server::Server;
use crate::stop::Stop;

/// How the process of any service behaves.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Process")]
pub(super) struct Process {
    /// How long calls under way may take to end once the process is asked to stop
    #[arg(
        long,
        env = "SHOP_GRACE",
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        default_value = "10s"
    )]
    grace: Duration,

    /// Stop also when the standard input, a pipe, is closed
    #[arg(long, env = "SHOP_STOP_WITH_STDIN")]
    stop_with_stdin: bool,

    #[command(flatten)]
    logs: Logs,
}

/// A process that logs, has its socket, and hears when it is asked to stop.
#[derive(Debug)]
pub(super) struct Started {
    listener: TcpListener,
    stop: Stop,
    /// Where the spans go, if they go anywhere.
    traces: Option<SdkTracerProvider>,
    grace: Duration,
}

impl Process {
    pub(super) async fn start(&self, listen: SocketAddr) -> anyhow::Result<Started> {
        let traces = observed::traces::otlp()?;
        self.logs.start(traces.as_ref())?;
        let mut stop = Stop::listen()?;
        if self.stop_with_stdin {
            stop = stop
                .or_end_of_stdin()
                .context("`--stop-with-stdin` needs a pipe as standard input")?;
        }
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen on {listen}"))?;
        Ok(Started {
            listener,
            stop,
            traces,
            grace: self.grace,
        })
    }
}

impl Started {
    /// How this process reaches its own server.
    pub(super) fn address(&self) -> anyhow::Result<Address> {
        Ok(Address::of_own_server(self.listener.local_addr()?)?)
    }

    /// Serves; once asked to stop, waits until `drained`, then for the calls under way, and for both no longer than the
    /// grace period.
    pub(super) async fn serve(
        self,
        server: Server,
        drained: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let Self {
            listener,
            mut stop,
            traces,
            grace,
        } = self;
        let address = listener.local_addr()?;
        println!("listening on http://{address}");
        info!(%address, "listening");

        let stopping = CancellationToken::new();
        let calls = server.run(listener, async {
            stop.requested().await;
            info!("stopping");
            stopping.cancel();
            drained.await;
        });
        let out_of_patience = async {
            stopping.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        tokio::select! {
            result = calls => result.context("the server failed")?,
            () = out_of_patience => warn!("stopped with calls still under way"),
        }
        info!("stopped");
        if let Some(traces) = traces
            && let Err(error) = traces.shutdown()
        {
            warn!(%error, "the last spans are lost");
        }
        Ok(())
    }
}
