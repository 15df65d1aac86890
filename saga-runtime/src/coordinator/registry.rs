//! The registered sagas of a coordinator, by durable name.

use std::any::Any;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::coordinator::Shared;
use crate::coordinator::error::StartError;
use crate::coordinator::task::Claimant;
use crate::engines::journaled::undo::RecordedSteps;
use crate::language::recorded::found_steps;
use crate::language::{input_read_back, is_same_input};
use crate::meta::OnCompensationFailure;
use crate::panic::caught;
use crate::run::Saga;
use crate::shape::Shape;

/// A saga that a coordinator for the services `S` can run. Every saga that [`saga!`](crate::saga!) defines implements
/// it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be registered with a coordinator for `{S}`",
    label = "not a saga that uses these services",
    note = "a coordinator runs sagas whose context is `Context<'_, {S}>`"
)]
pub trait Registrable<S: ?Sized>: Saga<Services = S> + Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<S: ?Sized, G: Saga<Services = S> + Serialize + DeserializeOwned> Registrable<S> for G {}

/// A type-erased registered saga.
pub(super) trait Definition<S: ?Sized + Send + Sync + 'static>: Send + Sync {
    fn fingerprint(&self) -> u64;

    fn shape(&self) -> Shape;

    /// Reads the input of a saga that was just written, if it is read back as the same value.
    ///
    /// # Errors
    /// The problem. It names the field where it can.
    fn read_back(&self, input: &str) -> Result<Box<dyn Any + Send>, String>;

    /// Returns whether two inputs are the same value for the saga.
    fn is_same(&self, recorded: &str, given: &str) -> bool;

    /// The reaction to a compensation that has failed for good.
    fn on_compensation_failure(&self) -> OnCompensationFailure;

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

    fn shape(&self) -> Shape {
        G::shape()
    }

    fn read_back(&self, input: &str) -> Result<Box<dyn Any + Send>, String> {
        let saga: G = input_read_back(input)?;
        Ok(Box::new(saga))
    }

    fn is_same(&self, recorded: &str, given: &str) -> bool {
        is_same_input::<G>(recorded, given)
    }

    fn on_compensation_failure(&self) -> OnCompensationFailure {
        G::META.on_compensation_failure
    }

    fn resume(&self, inner: &Arc<Shared<S>>, claimant: Claimant, input: &str) {
        // The input's code may panic. That must not harm the other sagas of the same claim.
        let read = caught(|| serde_json::from_str::<G>(input).map_err(|error| error.to_string()));
        match read.unwrap_or_else(|panic| Err(format!("panicked: {panic}"))) {
            Ok(saga) => {
                let sender = inner.waiters.take_sender::<G>(claimant.id());
                inner.spawn(claimant, saga, sender);
            }
            Err(error) => {
                let message = format!("the recorded input can't be read: {error}");
                inner.park(claimant, "unreadable", message);
            }
        }
    }
}

/// All registered sagas, and the steps that they call.
pub(super) struct Definitions<S: ?Sized + Send + Sync + 'static> {
    sagas: BTreeMap<&'static str, Arc<dyn Definition<S>>>,
    pub(super) steps: RecordedSteps<S>,
}

impl<S: ?Sized + Send + Sync + 'static> Definitions<S> {
    pub(super) fn new() -> Self {
        Self {
            sagas: BTreeMap::new(),
            steps: RecordedSteps::new(),
        }
    }

    /// Adds a saga.
    ///
    /// # Errors
    /// If another saga has the same name, or if two different steps of this one have.
    pub(super) fn add<G: Registrable<S>>(&mut self) -> Result<(), StartError> {
        let name = G::META.name;
        let (mut fingerprint, mut shared) = (0, None);
        let found = found_steps(|| {
            let shape = G::shape();
            fingerprint = shape.fingerprint();
            shared = shape.shared_name();
        });
        if let Some(shared) = shared {
            return Err(StartError::SharedName { saga: name, shared });
        }
        self.steps.add_found(found);
        let definition = DefinitionOf::<G> {
            fingerprint,
            saga: PhantomData,
        };
        match self.sagas.insert(name, Arc::new(definition)) {
            None => Ok(()),
            Some(_) => Err(StartError::RegisteredTwice { name }),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<dyn Definition<S>>> {
        self.sagas.get(name)
    }

    pub(super) fn shapes(&self) -> Vec<Shape> {
        self.sagas.values().map(|saga| saga.shape()).collect()
    }

    pub(super) fn names(&self) -> Vec<&'static str> {
        self.sagas.keys().copied().collect()
    }
}
