//! The spans and events of a saga, and the names of their fields. They hold ids, names and outcomes only: payloads and
//! error texts may contain secrets.

use tracing::level_filters::LevelFilter;
use tracing::{Span, field};

use crate::id::SagaId;
use crate::place::{Instance, Place, Position, Role};
use crate::trace::{SagaTrace, TraceContext};

/// The field for the end of a saga or an attempt.
pub(crate) const OUTCOME: &str = "outcome";

/// The outcome of a run whose saga goes on later.
pub(crate) const RESTS: &str = "rests";

/// Returns whether no subscriber wants the spans of sagas.
#[inline]
pub(crate) fn is_off() -> bool {
    LevelFilter::current() < LevelFilter::INFO
}

/// The span of one run of a saga: until it ends or rests. A saga that rests has another one when it goes on, in the same trace.
pub(crate) fn saga_span(instance: &Instance) -> Span {
    let trace = instance.trace();
    let span = tracing::info_span!(
        target: "saga",
        "saga",
        otel.name = is_traced(instance).then(|| instance.name()),
        saga.name = instance.name(),
        saga.id = %instance.id(),
        outcome = field::Empty,
    );
    if let Some(trace) = trace {
        trace.adopt(&span);
    }
    span
}

/// Returns whether the service's tracing names spans by the field `otel.name`. Other subscribers would show the name twice.
fn is_traced(instance: &Instance) -> bool {
    instance.trace().is_some_and(SagaTrace::has_propagator)
}

/// The span of the start of a saga. All runs of the saga are its children.
pub(crate) struct Submitting {
    /// Open until the saga is recorded.
    _span: Span,
    /// The trace context that is kept with the saga.
    pub(crate) context: Option<TraceContext>,
}

impl Submitting {
    /// Opens the span in the trace that the caller has given, or else in that of the current span. Without a propagator the
    /// span would have no context to keep, and there is none.
    pub(crate) fn new(trace: &SagaTrace, name: &str, id: &SagaId) -> Self {
        let span = if trace.has_propagator() && !is_off() {
            tracing::info_span!(
                target: "saga",
                "submit",
                otel.name = format_args!("submit {name}"),
                saga.name = name,
                saga.id = %id,
            )
        } else {
            Span::none()
        };
        trace.adopt(&span);
        let context = if span.is_disabled() {
            let current = || trace.context_at(&Span::current());
            trace.context.clone().or_else(current)
        } else {
            trace.context_at(&span)
        };
        Self {
            _span: span,
            context,
        }
    }
}

/// Records the end of the saga in its span.
pub(crate) fn record_outcome(span: &Span, outcome: &'static str) {
    span.record(OUTCOME, outcome);
}

/// Warns that a step ended without a definite answer. It is settled before the saga continues.
pub(crate) fn in_doubt(position: Position<'_>) {
    tracing::warn!(
        target: "saga", { saga.id = %position.instance().id(),
        step.name = &*position.name(),
        step.occurrence = position.occurrence() }, "step in doubt");
}

/// Reports a step whose compensation failed for good. An operator has to look at the saga.
pub(crate) fn compensation_failed(position: Position<'_>, attempts: u32) {
    tracing::error!(
        target: "saga", { saga.id = %position.instance().id(),
        step.name = &*position.name(),
        step.occurrence = position.occurrence(),
        attempts }, "compensation failed");
}

/// Says that a new journal was created: a wrong path shows here.
#[cfg(feature = "sqlite")]
pub(crate) fn journal_created(path: &std::path::Path) {
    tracing::info!(target: "saga", { journal = %path.display() }, "journal created");
}

/// Warns that the journal could not be reached.
pub(crate) fn journal_trouble(error: &dyn std::fmt::Display) {
    tracing::warn!(target: "saga", { error = %error }, "journal unavailable");
}

/// Reports a stuck saga. An operator has to decide how it continues.
pub(crate) fn stuck(id: &SagaId, code: &str) {
    tracing::error!(target: "saga", { saga.id = %id, code }, "saga stuck");
}

/// Reports an open saga that does not fit its definition. It will be stuck when it wakes.
/// `step` is the recorded call that does not fit, if the reason is in one.
pub(crate) fn misfit(
    id: &SagaId,
    (name, version): (&str, u32),
    step: Option<(&str, u32)>,
    code: &str,
) {
    let (step, occurrence) = step.unzip();
    tracing::error!(
        target: "saga", { saga.id = %id,
        saga.name = name,
        saga.version = version,
        step.name = step,
        step.occurrence = occurrence,
        code }, "saga does not fit its definition");
}

/// Warns of open sagas that this process can't run.
pub(crate) fn unregistered(name: &str, version: u32, count: u64) {
    tracing::warn!(target: "saga", { saga.name = name, saga.version = version, count }, "saga not registered");
}

/// Says how many open sagas were checked.
pub(crate) fn checked(sagas: u64, misfits: u64) {
    tracing::info!(target: "saga", { sagas, misfits }, "open sagas checked");
}

/// Warns that an operator has ended a saga as it is.
pub(crate) fn abandoned(id: &SagaId) {
    tracing::warn!(target: "saga", { saga.id = %id }, "saga abandoned");
}

/// Warns that a saga can't read an event that was sent to it.
pub(crate) fn event_set_aside(id: &SagaId, name: &str) {
    tracing::warn!(target: "saga", { saga.id = %id, event = name }, "event set aside");
}

/// Warns that an operator has paused a definition.
pub(crate) fn paused(name: &str) {
    tracing::warn!(target: "saga", { saga.name = name }, "definition paused");
}

/// Says that an operator has resumed a definition.
pub(crate) fn resumed(name: &str) {
    tracing::info!(target: "saga", { saga.name = name }, "definition resumed");
}

/// The span of one attempt of a step or of a compensation.
pub(crate) fn attempt_span(place: &dyn Place) -> Span {
    let instance = place.instance();
    let is_traced = is_traced(instance);
    let position = place.position();
    let step = position.as_ref().map(Position::name);
    let step = step.as_deref();
    let occurrence = position.as_ref().map(Position::occurrence);
    match place.role() {
        Role::Action => tracing::info_span!(
            target: "saga",
            "step",
            otel.name = is_traced.then_some(step).flatten(),
            saga.name = instance.name(),
            saga.id = %instance.id(),
            step.name = step,
            step.occurrence = occurrence,
            attempt = place.attempt(),
            outcome = field::Empty,
        ),
        Role::Compensation => tracing::info_span!(
            target: "saga",
            "compensation",
            otel.name = is_traced.then(|| field::display(format!("compensate {}", step.unwrap_or_default()))),
            saga.name = instance.name(),
            saga.id = %instance.id(),
            step.name = step,
            step.occurrence = occurrence,
            attempt = place.attempt(),
            outcome = field::Empty,
        ),
    }
}
