//! The registered sagas of a coordinator, by durable name and version.

use std::any::Any;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::Dispatch;
use tracing::instrument::WithSubscriber;

use crate::attempts::BoxFuture;
use crate::coordinator::Shared;
use crate::coordinator::check::{Stage, Unfit};
use crate::coordinator::error::StartError;
use crate::coordinator::task::Claimant;
use crate::engines::journaled::recorder::Suspension;
use crate::engines::journaled::undo::RecordedSteps;
use crate::error::Reason;
use crate::journal::history::ReplayState;
use crate::journal::{self, NewSaga, SagaVersion};
use crate::language::recorded::found_steps;
use crate::language::{input_read_back, is_same_input};
use crate::meta::{Overrides, SagaMeta};
use crate::panic::{caught, contain, drop_caught};
use crate::run::{Saga, SagaEnd};
use crate::shape::Shape;

/// A saga that a coordinator for the services `S` can run. Every saga that [`saga!`](crate::saga!) defines implements
/// it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be registered with a coordinator for `{S}`",
    label = "not a saga that uses these services",
    note = "a coordinator runs sagas whose context is `Context<'_, {S}>`; for sagas with `Context<'_, dyn Services>`, give its builder an `Arc<dyn Services>`"
)]
pub trait Registrable<S: ?Sized>: Saga<Services = S> + Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<S: ?Sized, G: Saga<Services = S> + Serialize + DeserializeOwned> Registrable<S> for G {}

/// A type-erased registered saga.
pub(super) trait Definition<S: ?Sized + Send + Sync + 'static>: Send + Sync {
    fn fingerprint(&self) -> u64;

    /// Replays an open saga without effects, and returns why that fails.
    fn rehearse<'a>(
        &'a self,
        services: &'a S,
        history: journal::History,
        stage: &'a Stage,
    ) -> BoxFuture<'a, Option<Unfit>>;

    fn shape(&self) -> Shape;

    /// Reads the input of a saga that was just written, if it is read back as the same value.
    ///
    /// # Errors
    /// The problem. It names the field where it can.
    fn read_back(&self, input: &str) -> Result<Box<dyn Any + Send>, String>;

    /// Returns whether two inputs are the same value for the saga.
    fn is_same(&self, recorded: &str, given: &str) -> bool;

    /// The options of the saga.
    fn meta(&self) -> &'static SagaMeta;

    /// Reads the input of a claimed saga, and runs the saga in a task of its own.
    fn resume(&self, inner: &Arc<Shared<S>>, claimant: Claimant, input: &str);
}

struct DefinitionOf<G> {
    fingerprint: u64,
    saga: PhantomData<fn() -> G>,
}

impl<S, G> Definition<S> for DefinitionOf<G>
where
    S: ?Sized + Send + Sync + 'static,
    G: Registrable<S>,
{
    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn rehearse<'a>(
        &'a self,
        services: &'a S,
        history: journal::History,
        stage: &'a Stage,
    ) -> BoxFuture<'a, Option<Unfit>> {
        Box::pin(async move {
            let entries = match ReplayState::of_history(history.entries) {
                Ok(entries) => entries,
                Err(damage) => return Some(Reason::new("damaged", damage.to_string()).into()),
            };
            if entries.is_undone_by_record() {
                // Its body does not run any more.
                return None;
            }
            let NewSaga { id, input, .. } = history.record.saga;
            let saga: G = match read_input(&input) {
                Ok(saga) => saga,
                Err(message) => return Some(Reason::new("unreadable", message).into()),
            };
            let engine = stage.engine(&G::META, id, entries);
            let driven = contain(saga.drive(services, &engine)).with_subscriber(Dispatch::none());
            match driven.await {
                Ok(SagaEnd::Suspended(Suspension::Stuck(reason))) => Some(Unfit {
                    reason,
                    step: engine.recorder.misfit().cloned(),
                }),
                Ok(end) => {
                    drop_caught(end);
                    None
                }
                Err(panic) => Some(Reason::new("panicked", format!("panicked: {panic}")).into()),
            }
        })
    }

    fn shape(&self) -> Shape {
        G::shape()
    }

    fn read_back(&self, input: &str) -> Result<Box<dyn Any + Send>, String> {
        let saga: G = input_read_back(input)?;
        Ok(Box::new(saga))
    }

    fn is_same(&self, recorded: &str, given: &str) -> bool {
        is_same_input(G::equality(), recorded, given)
    }

    fn meta(&self) -> &'static SagaMeta {
        &const { G::META }
    }

    fn resume(&self, inner: &Arc<Shared<S>>, claimant: Claimant, input: &str) {
        match read_input::<G>(input) {
            Ok(saga) => {
                let sender = inner.waiters.take_sender::<G>(claimant.id());
                inner.spawn(claimant, saga, sender);
            }
            Err(message) => inner.park(claimant, "unreadable", message),
        }
    }
}

/// Reads a recorded input. Its code may panic, and that must not harm other sagas.
fn read_input<G: DeserializeOwned>(input: &str) -> Result<G, String> {
    let read = caught(|| serde_json::from_str::<G>(input).map_err(|error| error.to_string()));
    let read = read.unwrap_or_else(|panic| Err(format!("panicked: {panic}")));
    read.map_err(|error| format!("the recorded input can't be read: {error}"))
}

/// All registered sagas, each in one or more versions, and the steps that they call.
pub(super) struct Definitions<S: ?Sized + Send + Sync + 'static> {
    sagas: BTreeMap<SagaVersion, Arc<dyn Definition<S>>>,
    pub(super) steps: RecordedSteps<S>,
}

impl<S: ?Sized + Send + Sync + 'static> Definitions<S> {
    pub(super) fn new() -> Self {
        Self {
            sagas: BTreeMap::new(),
            steps: RecordedSteps::new(),
        }
    }

    /// Checks that each step with a policy is one of these.
    ///
    /// # Errors
    /// The first step that is not.
    pub(super) fn refuse_unknown(&self, overrides: &Overrides) -> Result<(), StartError> {
        let known = self.steps.names();
        match overrides.steps().find(|step| !known.contains(step)) {
            None => Ok(()),
            Some(step) => Err(StartError::UnknownStep {
                step: step.to_owned(),
                known,
            }),
        }
    }

    /// Adds a saga.
    ///
    /// # Errors
    /// If another saga has the same name and version, or if two different steps of this one have.
    pub(super) fn add<G: Registrable<S>>(&mut self) -> Result<(), StartError> {
        let SagaVersion { name, version } = SagaVersion::new(G::META.name, G::META.version);
        let (mut fingerprint, mut shared) = (0, None);
        let found = found_steps(|| {
            let shape = G::shape();
            fingerprint = shape.fingerprint();
            shared = shape.shared_name();
        });
        if let Some(shared) = shared {
            return Err(StartError::SharedName { saga: name, shared });
        }
        self.steps.add_found(SagaVersion::new(name, version), found);
        let definition = DefinitionOf::<G> {
            fingerprint,
            saga: PhantomData,
        };
        match self
            .sagas
            .insert(SagaVersion { name, version }, Arc::new(definition))
        {
            None => Ok(()),
            Some(_) => Err(StartError::RegisteredTwice { name, version }),
        }
    }

    /// The definition of a saga of this name and version.
    pub(super) fn get(&self, name: &str, version: u32) -> Option<&Arc<dyn Definition<S>>> {
        // A recorded name does not live long enough to be looked up.
        let same_name = self.sagas.keys().find(|one| one.name == name)?;
        self.sagas.get(&SagaVersion::new(same_name.name, version))
    }

    /// The definition of a saga of this name: of this version, or else of the highest one.
    pub(super) fn of_saga(&self, name: &str, version: u32) -> Option<&Arc<dyn Definition<S>>> {
        let all = self.sagas.iter().filter(|(one, _)| one.name == name);
        let best = all.max_by_key(|(one, _)| (one.version == version, one.version));
        best.map(|(_, definition)| definition)
    }

    /// The highest version of the saga with this name.
    pub(super) fn highest(&self, name: &'static str) -> Option<u32> {
        let all = SagaVersion::new(name, 0)..=SagaVersion::new(name, u32::MAX);
        self.sagas
            .range(all)
            .next_back()
            .map(|(one, _)| one.version)
    }

    pub(super) fn shapes(&self) -> Vec<Shape> {
        self.sagas.values().map(|saga| saga.shape()).collect()
    }

    pub(super) fn versions(&self) -> Vec<SagaVersion> {
        self.sagas.keys().copied().collect()
    }
}
