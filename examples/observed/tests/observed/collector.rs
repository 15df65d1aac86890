//! The example sends its traces by OTLP: a collector gets them.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// Hands on what it gets.
struct Collector(UnboundedSender<Span>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let resources = request.into_inner().resource_spans;
        let scopes = resources.into_iter().flat_map(|one| one.scope_spans);
        for span in scopes.flat_map(|one| one.spans) {
            // The test may have seen enough.
            let _ = self.0.send(span);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_each_run_as_a_child_of_its_submit() {
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("there is a port");
    let address = listener.local_addr().expect("it listens");
    let (sender, mut spans) = unbounded_channel();
    let collector = Server::builder().add_service(TraceServiceServer::new(Collector(sender)));
    let collecting = tokio::spawn(collector.serve_with_incoming(TcpIncoming::from(listener)));
    let _example = Command::new(env!("CARGO_BIN_EXE_observed"))
        .arg("127.0.0.1:0")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))
        .env("OTEL_BSP_SCHEDULE_DELAY", "100")
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the example is there");
    let mut submits = HashMap::new();
    let adopted = async {
        loop {
            let span = spans.recv().await.expect("the collector lives");
            if span.name == "submit sell" {
                submits.insert(span.span_id, span.trace_id);
            } else if span.name == "sell"
                && submits.get(&span.parent_span_id) == Some(&span.trace_id)
            {
                return;
            }
        }
    };
    let adopted = tokio::time::timeout(Duration::from_mins(1), adopted).await;
    adopted.expect("a run belongs to the submit of its saga");
    collecting.abort();
}
