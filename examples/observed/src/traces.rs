//! Traces of sagas by OpenTelemetry: which context a span has, and where the spans go.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use saga_runtime::trace::{TraceContext, TracePropagator};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::registry::LookupSpan;

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

/// The layer of a subscriber that hands all spans to this provider.
#[must_use]
pub fn layer<S>(provider: &SdkTracerProvider) -> OpenTelemetryLayer<S, SdkTracer>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_opentelemetry::layer().with_tracer(provider.tracer("shop"))
}

/// A provider that sends the spans by OTLP to the collector at `OTEL_EXPORTER_OTLP_ENDPOINT`. `None` if that is not set.
///
/// # Errors
/// If that is no address.
pub fn otlp() -> anyhow::Result<Option<SdkTracerProvider>> {
    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_none() {
        return Ok(None);
    }
    let exporter = SpanExporter::builder().with_tonic().build()?;
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter);
    Ok(Some(provider.build()))
}
