//! Steps by their recorded outputs: what compensates one without a run of the saga's body.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;

use crate::language::{Callee, Step, from_json};
use crate::meta::StepMeta;
use crate::place::{Context, Place};

/// An attempt to compensate a step, type-erased.
type StepCompensation<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// A step on the services `V`, known by its recorded outputs.
pub(crate) struct RecordedStep<V: ?Sized> {
    meta: &'static StepMeta,
    step: TypeId,
    can_read: fn(&str) -> serde_json::Result<()>,
    compensate: for<'a> fn(&'a V, &'a str, &'a dyn Place) -> StepCompensation<'a>,
}

impl<V: ?Sized + Sync + 'static> RecordedStep<V> {
    pub(crate) fn of<S: Step<Services = V>>() -> Self {
        Self {
            meta: &const { S::META },
            step: TypeId::of::<S>(),
            can_read: |output| from_json::<S::Output>(output).map(drop),
            compensate: |services, output, place| {
                Box::pin(async move {
                    let output: S::Output = from_json(output).map_err(|error| error.to_string())?;
                    S::compensate(Context::at(services, place), &output).await
                })
            },
        }
    }

    /// The facts about the step.
    pub(crate) fn meta(&self) -> &'static StepMeta {
        self.meta
    }

    /// Returns whether both are the same step.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.step == other.step
    }

    /// Checks that its type can read an output.
    ///
    /// # Errors
    /// If it can't.
    pub(crate) fn can_read(&self, output: &str) -> serde_json::Result<()> {
        (self.can_read)(output)
    }

    /// Makes one attempt to compensate the call that gave this output.
    pub(crate) fn compensate<'a>(
        &self,
        services: &'a V,
        output: &'a str,
        place: &'a dyn Place,
    ) -> StepCompensation<'a> {
        (self.compensate)(services, output, place)
    }
}

impl<V: ?Sized> Clone for RecordedStep<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: ?Sized> Copy for RecordedStep<V> {}

impl<V: ?Sized> fmt::Debug for RecordedStep<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordedStep")
            .field("step", &self.meta.name)
            .finish_non_exhaustive()
    }
}

/// A step that a saga calls: a [`RecordedStep`] on some services.
pub(crate) type AnyStep = Box<dyn Any + Send + Sync>;

/// A step, with the durable name of the saga in whose body it is called.
pub(crate) struct FoundStep {
    pub(crate) saga: &'static str,
    pub(crate) step: AnyStep,
}

/// The steps that are found while a shape is built.
struct Finding {
    /// The sagas whose bodies are being read, the innermost last.
    sagas: Vec<&'static str>,
    steps: Vec<FoundStep>,
}

thread_local! {
    static FINDING: RefCell<Option<Finding>> = const { RefCell::new(None) };
}

/// Finds the steps that are called while `shape` builds the shape of a saga.
pub(crate) fn found_steps(shape: impl FnOnce()) -> Vec<FoundStep> {
    let (sagas, steps) = (Vec::new(), Vec::new());
    let before = FINDING.replace(Some(Finding { sagas, steps }));
    shape();
    let found = FINDING.replace(before);
    found.map(|found| found.steps).unwrap_or_default()
}

/// Notes that the body of a saga is read from here on.
pub(crate) fn begin_saga(name: &'static str) {
    FINDING.with_borrow_mut(|finding| {
        if let Some(finding) = finding {
            finding.sagas.push(name);
        }
    });
}

/// Notes that the body of the innermost saga has been read.
pub(crate) fn end_saga() {
    FINDING.with_borrow_mut(|finding| {
        if let Some(finding) = finding {
            finding.sagas.pop();
        }
    });
}

/// Notes a call in the body of the innermost saga.
pub(crate) fn note_callee<P: Callee>() {
    FINDING.with_borrow_mut(|finding| {
        if let Some(finding) = finding
            && let Some(saga) = finding.sagas.last()
            && let Some(step) = P::recorded()
        {
            finding.steps.push(FoundStep { saga, step });
        }
    });
}
