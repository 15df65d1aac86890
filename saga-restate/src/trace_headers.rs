//! The trace of a saga in the headers of its start.

use http::HeaderMap;
use saga_runtime::trace::TraceContext;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// The trace context that a caller has given.
pub(crate) fn context(headers: &HeaderMap<String>) -> Option<TraceContext> {
    let context = TraceContext::new(headers.get(PARENT)?).ok()?;
    Some(match headers.get(STATE) {
        Some(state) => context.with_tracestate(state),
        None => context,
    })
}

/// The headers of a caller that are handed on with the start of a saga.
pub(crate) fn kept(headers: &HeaderMap<String>) -> Vec<(String, String)> {
    let kept = [PARENT, STATE].into_iter();
    kept.filter_map(|name| Some((name.to_owned(), headers.get(name)?.clone())))
        .collect()
}
