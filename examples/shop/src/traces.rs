//! One trace over all services of an order: each request says to which span it belongs, in the headers of W3C Trace Context.

use observed::traces::OpenTelemetry;
use saga_runtime::trace::{TraceContext, TracePropagator as _};
use tonic::codegen::http::{HeaderMap, HeaderValue, Request};
use tracing::Span;

/// The request, in the trace of the span that sends it: of a step's attempt, for example.
pub(crate) fn sent<B>(mut request: Request<B>) -> Request<B> {
    if let Some(context) = OpenTelemetry::default().context_of(&Span::current()) {
        for (name, value) in context.headers() {
            if let Ok(value) = HeaderValue::from_str(value) {
                request.headers_mut().insert(name, value);
            }
        }
    }
    request
}

/// Makes the span of a call a child of the span that has sent its request. A request of a sender without traces begins one.
pub(crate) fn received(call: &Span, headers: &HeaderMap) {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let parent: Option<TraceContext> = header("traceparent").and_then(|text| text.parse().ok());
    if let Some(parent) = parent {
        let parent = parent.with_tracestate(header("tracestate").unwrap_or_default());
        OpenTelemetry::default().set_parent(call, &parent);
    }
}
