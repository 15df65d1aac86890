//! Traces of sagas by OpenTelemetry: which context a span has, and where the spans go.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use saga_runtime::trace::{TraceContext, TracePropagator};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

/// Keeps the spans of sagas in the traces of OpenTelemetry.
#[derive(Debug, Default)]
pub struct OpenTelemetry(TraceContextPropagator);

impl TracePropagator for OpenTelemetry {
    fn context_of(&self, span: &Span) -> Option<TraceContext> {
        let mut headers = HashMap::new();
        self.0.inject_context(&span.context(), &mut headers);
        let context = TraceContext::new(headers.get("traceparent")?).ok()?;
        Some(context.with_tracestate(headers.get("tracestate").map_or("", String::as_str)))
    }

    fn set_parent(&self, span: &Span, parent: &TraceContext) {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let headers: HashMap<_, _> = parent.headers().map(owned).collect();
        // It fails if the subscriber has no layer of OpenTelemetry: then there are no traces.
        let _ = span.set_parent(self.0.extract(&headers));
    }
}

/// A subscriber that hands all spans to this provider.
#[must_use]
pub fn subscriber(provider: &SdkTracerProvider) -> impl Subscriber + Send + Sync + use<> {
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("shop"));
    tracing_subscriber::registry()
        .with(LevelFilter::INFO)
        .with(traces)
}

/// A provider that sends the spans to a collector by OTLP: to `OTEL_EXPORTER_OTLP_ENDPOINT`, or else to `http://localhost:4317`.
///
/// # Errors
/// If that is no address.
pub fn otlp() -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder().with_tonic().build()?;
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .build())
}
