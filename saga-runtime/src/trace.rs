//! The trace to which a saga belongs, over all of its runs: the W3C trace context, and the hook of the service's tracing.
//!
//! A span of `tracing` ends with its process, and has no id of its own. So the coordinator keeps with each saga the *trace context*
//! of the span that submitted it, in the journal, and each run of the saga becomes a child of that span, in whatever process. What a
//! context is, only the service's tracing knows: a [`TracePropagator`] tells the coordinator.
//!
//! There is no feature for OpenTelemetry here. `tracing-opentelemetry` finds its spans only from its own version, and says nothing
//! if another one asks: with a service on another version, each trace would silently end at the coordinator. The guide has the
//! propagator for OpenTelemetry, of twenty lines: [Observing](crate::guide::observing).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tracing::Span;

use crate::panic::caught;

/// The place of a span in a trace, as services tell it to each other: the headers `traceparent` and `tracestate` of
/// [W3C Trace Context](https://www.w3.org/TR/trace-context/).
///
/// A step gets the one to send on from [`Context::trace_context`](crate::Context::trace_context). A caller can give one by
/// [`Coordinator::in_trace`](crate::Coordinator::in_trace).
///
/// ```
/// use saga_runtime::trace::TraceContext;
///
/// let context: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse()?;
/// assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
/// let context = context.with_tracestate("vendor=7");
/// let headers: Vec<_> = context.headers().collect();
/// assert_eq!(headers[0].0, "traceparent");
/// assert_eq!(headers[1], ("tracestate", "vendor=7"));
/// # Ok::<(), saga_runtime::trace::InvalidTraceContext>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TraceContext {
    traceparent: Arc<str>,
    tracestate: Option<Arc<str>>,
}

/// The lengths of the version, the trace's id, the span's id and the flags, in hexadecimal digits.
const PARTS: [usize; 4] = [2, 32, 16, 2];

impl TraceContext {
    /// The longest `tracestate` that is kept, in bytes.
    pub const MAX_STATE: usize = 512;

    /// Reads a `traceparent`. One of a version that is not known yet is read as far as it is like version `00`, as the standard
    /// says.
    ///
    /// # Errors
    /// [`InvalidTraceContext`] if it is none. Then a service starts a new trace.
    pub fn new(traceparent: &str) -> Result<Self, InvalidTraceContext> {
        let invalid = || InvalidTraceContext(());
        let mut parts = traceparent.trim().split('-');
        let mut part = |length: usize| {
            let part = parts.next()?;
            let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            (part.len() == length && part.bytes().all(is_hex)).then_some(part)
        };
        let read = PARTS.map(&mut part);
        let [Some(version), Some(trace), Some(span), Some(flags)] = read else {
            return Err(invalid());
        };
        let is_empty = |id: &str| id.bytes().all(|byte| byte == b'0');
        let has_more = parts.next().is_some();
        if version == "ff" || version == "00" && has_more || is_empty(trace) || is_empty(span) {
            return Err(invalid());
        }
        Ok(Self {
            traceparent: format!("00-{trace}-{span}-{flags}").into(),
            tracestate: None,
        })
    }

    /// Adds a `tracestate`. One that no header can carry, or that is longer than [`MAX_STATE`](Self::MAX_STATE), is left out: the
    /// trace goes on without it.
    #[must_use]
    pub fn with_tracestate(self, tracestate: &str) -> Self {
        let tracestate = tracestate.trim();
        let is_fine = (1..=Self::MAX_STATE).contains(&tracestate.len())
            && tracestate.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        Self {
            tracestate: is_fine.then(|| tracestate.into()),
            ..self
        }
    }

    /// The context that a journal holds in these columns. A text that is none is left out: a saga does not fail for its trace.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn recorded(traceparent: Option<&str>, tracestate: Option<&str>) -> Option<Self> {
        let context = Self::new(traceparent?).ok()?;
        Some(match tracestate {
            Some(tracestate) => context.with_tracestate(tracestate),
            None => context,
        })
    }

    /// The value of the header `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> &str {
        &self.traceparent
    }

    /// The value of the header `tracestate`, if there is one.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.tracestate.as_deref()
    }

    /// The id of the trace: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.traceparent[3..35]
    }

    /// The id of the span: 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> &str {
        &self.traceparent[36..52]
    }

    /// The names and values of the headers, for the request of a step.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let state = self.tracestate().map(|state| ("tracestate", state));
        [("traceparent", self.traceparent())]
            .into_iter()
            .chain(state)
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    fn from_str(traceparent: &str) -> Result<Self, Self::Err> {
        Self::new(traceparent)
    }
}

/// The `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.traceparent)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceContext")
            .field(&self.traceparent)
            .finish()
    }
}

/// A text that is no `traceparent`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a `traceparent`: four numbers in small hexadecimal digits, `00-<trace>-<span>-<flags>`, are one"
)]
pub struct InvalidTraceContext(());

/// The service's tracing, as far as a coordinator needs it to keep sagas in their traces:
/// [`Builder::trace_propagator`](crate::coordinator::Builder::trace_propagator).
///
/// A panic in it has no effect on a saga.
pub trait TracePropagator: Send + Sync + 'static {
    /// The context of this span, for the spans that go on from it. `None` if the tracing does not know the span.
    fn context_of(&self, span: &Span) -> Option<TraceContext>;

    /// Makes this span, which was just created, a child of the span with that context, which may have ended long ago and in
    /// another process.
    fn set_parent(&self, span: &Span, parent: &TraceContext);
}

/// The trace of one saga: the context that is kept with it, and the service's tracing.
#[derive(Clone, Default)]
pub(crate) struct SagaTrace {
    pub(crate) context: Option<TraceContext>,
    pub(crate) propagator: Option<Arc<dyn TracePropagator>>,
}

impl fmt::Debug for SagaTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SagaTrace").field(&self.context).finish()
    }
}

impl SagaTrace {
    pub(crate) fn is_none(&self) -> bool {
        self.context.is_none() && self.propagator.is_none()
    }

    pub(crate) fn has_propagator(&self) -> bool {
        self.propagator.is_some()
    }

    /// Puts the span of a run into the trace of its saga.
    pub(crate) fn adopt(&self, span: &Span) {
        if let (Some(propagator), Some(context)) = (&self.propagator, &self.context) {
            // Without its parent a run is a trace of its own. That is no reason to fail.
            let _ = caught(|| propagator.set_parent(span, context));
        }
    }

    /// The context to hand on from this span; the one of the saga, if the tracing does not know the span.
    pub(crate) fn context_at(&self, span: &Span) -> Option<TraceContext> {
        let propagator = self.propagator.as_ref();
        let known = propagator.and_then(|known| caught(|| known.context_of(span)).ok().flatten());
        known.or_else(|| self.context.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_traceparent_is_read_and_written() {
        let context = TraceContext::new(PARENT).expect("it is one");
        assert_eq!(context.to_string(), PARENT);
        assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id(), "b7ad6b7169203331");
    }

    #[test]
    fn one_of_a_later_version_is_read_as_far_as_it_is_known() {
        let later = format!("cc{}-what-is-to-come", &PARENT[2..]);
        let context = TraceContext::new(&later).expect("it begins like one");
        assert_eq!(context.traceparent(), PARENT);
    }

    #[test]
    fn what_is_no_traceparent_is_refused() {
        let others = [
            String::new(),
            "-".repeat(55),
            PARENT[..54].to_owned(),
            format!("{PARENT}-more"),
            format!("ff{}", &PARENT[2..]),
            PARENT.to_uppercase(),
            PARENT.replace("b7ad6b7169203331", "0000000000000000"),
            PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            PARENT.replace('7', "ü"),
        ];
        for other in others {
            assert!(TraceContext::new(&other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_tracestate_that_no_header_can_carry_is_left_out() {
        let context = TraceContext::new(PARENT).expect("it is one");
        let state = |state: &str| context.clone().with_tracestate(state);
        assert_eq!(state(" a=1,b=2 ").tracestate(), Some("a=1,b=2"));
        for other in ["", "a=1\r\nx-admin: 1", "a=ü", &"a".repeat(513)] {
            assert_eq!(state(other).tracestate(), None, "{other}");
        }
    }
}
