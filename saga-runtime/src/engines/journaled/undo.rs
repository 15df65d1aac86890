//! Undoing without the body: the recorded steps are compensated by their names and their recorded outputs, last first.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;

use crate::attempts::Compensate;
use crate::engines::journaled::Journaled;
use crate::engines::journaled::recorder::Suspension;
use crate::error::{Cause, Compensation, CompensationFailure, CompensationOutcome, SagaError};
use crate::journal::history::CallToUndo;
use crate::journal::{Event, SagaVersion, Settled, StepCall};
use crate::language::recorded::{FoundStep, RecordedStep};
use crate::meta::{Kind, OnCompensationFailure};
use crate::place::{Calls, Failure, Instance, Place, Position, Scope};

/// The steps that compensate recorded calls: in the version of a saga that is registered, by the saga that calls them, and by
/// their own names. A name that stands for several steps is none.
#[derive(Debug)]
pub(crate) struct RecordedSteps<V: ?Sized> {
    of_versions: HashMap<(SagaVersion, &'static str, &'static str), Option<RecordedStep<V>>>,
    of_sagas: HashMap<(&'static str, &'static str), Option<RecordedStep<V>>>,
    by_name: HashMap<&'static str, Option<RecordedStep<V>>>,
}

impl<V: ?Sized + Sync + 'static> RecordedSteps<V> {
    pub(crate) fn new() -> Self {
        Self {
            of_versions: HashMap::new(),
            of_sagas: HashMap::new(),
            by_name: HashMap::new(),
        }
    }

    /// Adds the steps of a saga in this version, and of all sagas that it calls.
    pub(crate) fn add_found(&mut self, version: SagaVersion, found: Vec<FoundStep>) {
        for FoundStep { saga, step } in found {
            // Another saga may have other services. Its steps can't be called here.
            if let Ok(step) = step.downcast::<RecordedStep<V>>() {
                let name = step.meta().name;
                let key = (version, saga, name);
                note(self.of_versions.entry(key).or_insert(Some(*step)), *step);
                let key = (saga, name);
                note(self.of_sagas.entry(key).or_insert(Some(*step)), *step);
                self.add(*step);
            }
        }
    }

    /// Adds a step for all sagas that are not known.
    pub(crate) fn add(&mut self, step: RecordedStep<V>) {
        note(
            self.by_name.entry(step.meta().name).or_insert(Some(step)),
            step,
        );
    }

    /// The durable names of all steps, in order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self.by_name.keys().copied().collect();
        names.sort_unstable();
        names
    }

    /// The step of this call in a saga of this name and version.
    pub(crate) fn find(
        &self,
        (saga, version): (&str, u32),
        call: &StepCall,
    ) -> Option<RecordedStep<V>> {
        let is_root = |known: &SagaVersion| known.name == saga && known.version == version;
        let name = call.name.rsplit('/').next().unwrap_or_default();
        let inside = call.lane().rsplit('/').next().unwrap_or_default();
        let inside = inside.split('#').next().unwrap_or_default();
        let saga = if inside.is_empty() { saga } else { inside };
        let mut of_versions = self.of_versions.iter();
        let of_version =
            of_versions.find(|((root, of, step), _)| is_root(root) && *of == saga && *step == name);
        if let Some((_, step)) = of_version {
            return *step;
        }
        let of_saga = self
            .of_sagas
            .iter()
            .find(|((of, step), _)| *of == saga && *step == name);
        match of_saga {
            Some((_, step)) => *step,
            None => self.by_name.get(name).copied().flatten(),
        }
    }
}

/// Notes that a name stands for this step as well.
fn note<V: ?Sized + Sync + 'static>(known: &mut Option<RecordedStep<V>>, step: RecordedStep<V>) {
    if known.is_some_and(|known| !known.is_same(&step)) {
        *known = None;
    }
}

/// A recorded call, as the position of its compensation.
struct RecordedCalls {
    instance: Instance,
    scope: Option<Scope>,
    name: &'static str,
    occurrence: usize,
}

impl Calls for RecordedCalls {
    fn instance(&self) -> &Instance {
        &self.instance
    }

    fn count(&self) -> usize {
        0
    }

    fn name(&self, _: usize) -> &'static str {
        self.name
    }

    fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    fn occurrence(&self, _: &str, _: usize) -> usize {
        self.occurrence
    }
}

/// A step that is done, by its recorded output.
struct DoneStep<'a, V: ?Sized> {
    services: &'a V,
    step: RecordedStep<V>,
    output: &'a str,
}

impl<V: ?Sized + Sync + 'static> Compensate for DoneStep<'_, V> {
    fn compensate<'a>(
        &'a self,
        place: &'a dyn Place,
    ) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>> {
        self.step.compensate(self.services, self.output, place)
    }
}

/// The end of a saga that was undone from its record.
pub(crate) type UndoneByRecord = Result<SagaError<Infallible>, Suspension>;

impl Journaled {
    /// Compensates what is recorded, last first, without the body.
    pub(crate) async fn undo<V: ?Sized + Sync + 'static>(
        &self,
        services: &V,
        version: u32,
        steps: &RecordedSteps<V>,
    ) -> UndoneByRecord {
        let halts = self.on_compensation_failure == OnCompensationFailure::Halt;
        if let Some(decision) = self.history.decision() {
            let step = decision.step.clone().map(Into::into);
            let reason = &decision.reason;
            let failure = Failure::new(step, reason.code.clone(), reason.message.clone());
            self.instance.fail(&failure);
        }
        let mut compensations = Vec::new();
        for (call, outcome) in self.history.settled() {
            compensations.push(compensation(call, outcome));
        }
        for to_undo in self.history.calls_to_undo().rev() {
            let (call, outcome) = match to_undo {
                CallToUndo::InDoubt(call) => (call, self.leave_in_doubt(call)),
                CallToUndo::Compensate { call, .. }
                    if halts && compensations.iter().any(Compensation::has_failed) =>
                {
                    (call, CompensationOutcome::Pending)
                }
                CallToUndo::Compensate { call, output } => {
                    let found = steps.find((self.instance.name(), version), call);
                    match self.undo_call(services, call, output, found).await {
                        Ok(outcome) => (call, outcome),
                        Err(Suspension::Asleep(_)) => {
                            return Err(Suspension::Asleep(self.activity.wakeup()));
                        }
                        Err(suspension) => return Err(suspension),
                    }
                }
            };
            compensations.push(compensation(call, outcome));
        }
        if self.activity.has_deferred() {
            // The compensations that keep failing are attempted again when the saga wakes up.
            self.recorder.close();
            return Err(Suspension::Asleep(self.activity.wakeup()));
        }
        let decision = self.history.decision();
        let message = decision.map(|decision| decision.reason.message.clone());
        let error = SagaError::new(
            self.instance.name(),
            Some(self.instance.id().clone()),
            decision.and_then(|decision| decision.step.clone().map(Into::into)),
            Cause::Recorded {
                message: message.unwrap_or_default(),
            },
            compensations,
            false,
            |_| None,
        );
        if error.is_final() {
            self.recorder.note(Event::Compensated);
        } else {
            self.recorder.note_stuck(error.stuck_because());
        }
        Ok(error)
    }

    /// Compensates one call by the code of its step, if that is there.
    async fn undo_call<V: ?Sized + Sync + 'static>(
        &self,
        services: &V,
        call: &StepCall,
        output: &str,
        found: Option<RecordedStep<V>>,
    ) -> Result<CompensationOutcome, Suspension> {
        if let Some(outcome) = self.history.compensation(call) {
            return Ok(outcome.clone());
        }
        let found = found.filter(|step| step.meta().kind == Kind::Compensatable);
        let Some(step) = found else {
            return Ok(self.leave(call, "the code of the step is not registered".to_owned()));
        };
        if let Err(error) = step.can_read(output) {
            return Ok(self.leave(call, format!("its output can't be read: {error}")));
        }
        let instance = self.instance.for_scope();
        let scope = match call.lane() {
            "" => None,
            lane => Some(Scope::recorded(self.instance.for_scope(), lane)),
        };
        let calls = RecordedCalls {
            instance,
            scope,
            name: step.meta().name,
            occurrence: call.occurrence as usize,
        };
        let position = Position::new(&calls, step.meta(), 0);
        let done = DoneStep {
            services,
            step,
            output,
        };
        let _call = self.activity.call();
        self.compensate_call(call.clone(), position, &done).await
    }

    /// Leaves a compensation to an operator.
    fn leave(&self, call: &StepCall, message: String) -> CompensationOutcome {
        self.recorder.note(Event::CompensationFailed {
            step: call.clone(),
            attempts: 0,
            message: message.clone(),
        });
        CompensationOutcome::Failed(CompensationFailure::new(0, message))
    }

    /// Leaves a step in doubt to an operator.
    fn leave_in_doubt(&self, call: &StepCall) -> CompensationOutcome {
        let message =
            "its inputs are not recorded: without the body of the saga it can't be asked again"
                .to_owned();
        self.recorder.note(Event::StepSettled {
            step: call.clone(),
            settled: Settled::Unresolved {
                attempts: 0,
                message: message.clone(),
            },
        });
        CompensationOutcome::Failed(CompensationFailure::new(0, message))
    }
}

/// The report on one call.
fn compensation(call: &StepCall, outcome: CompensationOutcome) -> Compensation {
    Compensation {
        step: call.name.clone(),
        occurrence: call.occurrence,
        outcome,
    }
}
