//! The spans of a saga and the names of their fields. Ids, names and outcomes only: payloads and error texts may
//! hold secrets and are never recorded.

use tracing::level_filters::LevelFilter;
use tracing::{Span, field};

use crate::context::{Instance, Role, Scope};

/// How the saga or the attempt ended.
pub(crate) const OUTCOME: &str = "outcome";

/// Whether no subscriber wants the spans of sagas.
#[inline]
pub(crate) fn is_off() -> bool {
    LevelFilter::current() < LevelFilter::INFO
}

/// The span of one saga, from its first step to its last compensation.
pub(crate) fn saga_span(instance: &Instance) -> Span {
    if is_off() {
        return Span::none();
    }
    tracing::info_span!(
        target: "saga",
        "saga",
        saga.name = instance.name(),
        saga.id = %instance.id(),
        outcome = field::Empty,
    )
}

/// Says how the saga ended.
pub(crate) fn record_outcome(span: &Span, outcome: &'static str) {
    if !span.is_none() {
        span.record(OUTCOME, outcome);
    }
}

/// The span of one attempt of a step or of a compensation.
pub(crate) fn attempt_span(scope: &Scope<'_>, role: Role) -> Span {
    let position = scope.position();
    let step = position.map(|position| position.step().name);
    let occurrence = position.map(crate::context::Position::occurrence);
    match role {
        Role::Action => tracing::info_span!(
            target: "saga",
            "step",
            saga.id = %scope.instance().id(),
            step.name = step,
            step.occurrence = occurrence,
            attempt = scope.attempt(),
            outcome = field::Empty,
        ),
        Role::Compensation => tracing::info_span!(
            target: "saga",
            "compensation",
            saga.id = %scope.instance().id(),
            step.name = step,
            step.occurrence = occurrence,
            attempt = scope.attempt(),
            outcome = field::Empty,
        ),
    }
}
