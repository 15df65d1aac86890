//! The start of a saga: it is checked, recorded, and runs if there is a free slot.

use std::sync::Arc;

use serde::Serialize;

use crate::coordinator::error::{Rejected, SubmitError};
use crate::coordinator::registry::Definition;
use crate::coordinator::task::Claimant;
use crate::coordinator::waiters::AnswerSender;
use crate::coordinator::{Coordinator, Handle, Shared, Stopped};
use crate::id::{InvalidSagaId, SagaId};
use crate::journal::{NewSaga, Record, Started};
use crate::language::json_of;
use crate::panic::drop_caught;
use crate::run::Saga;
use crate::telemetry::Submitting;
use crate::trace::TraceContext;

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Starts a saga and returns as soon as it is recorded. Then it will run to an end, even if this process crashes.
    ///
    /// If a saga with this id, name and input exists, returns a handle of that one. Inputs are the same if the saga would see the same
    /// value: as its `#[derive(PartialEq)]` says, or else by their JSON, with sets and maps in any order.
    ///
    /// # Errors
    /// [`SubmitError`] if the saga was not started. After [`SubmitError::Journal`] it may have been started; it is safe
    /// to repeat the call.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have started the saga. It is safe to repeat the call.
    pub async fn submit<G, I>(&self, id: I, saga: G) -> Result<Handle<S, G>, SubmitError>
    where
        G: Saga<Services = S> + Serialize,
        I: TryInto<SagaId>,
        I::Error: Into<InvalidSagaId>,
    {
        let id = id.try_into().map_err(|error| Rejected::Id(error.into()))?;
        let submitting = self.submitting::<G>(&id);
        let trace = submitting.context.clone();
        let (new, saga, definition) = self.inner.prepare(id, saga, trace).await?;
        let starting = Arc::clone(&self.inner).start(new, saga, definition);
        self.inner.detached(starting).await
    }

    /// A handle of this coordinator whose sagas belong to the trace with this context, which a request has brought along. Other
    /// sagas belong to the trace of the span in which they are submitted, if the coordinator has a
    /// [`TracePropagator`](crate::trace::TracePropagator).
    ///
    /// ```
    /// # use saga_runtime::journal::Memory;
    /// # use saga_runtime::{Context, Coordinator, saga, step};
    /// # #[step(compensate = ())] async fn quote(_: Context<'_, ()>) -> Result<(), String> { Ok(()) }
    /// # saga!(async fn order(cx: Context<'_, ()>) -> Result<(), String> { quote(cx).await?; Ok(()) });
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let coordinator = Coordinator::builder(()).journal(Memory::new()).register::<Order>().start().await?;
    /// # let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    /// // A request without a valid header begins a trace of its own.
    /// let coordinator = match traceparent.parse() {
    ///     Ok(context) => coordinator.in_trace(context),
    ///     Err(_) => coordinator,
    /// };
    /// coordinator.execute("order-17", Order {}).await?;
    /// # Ok(()) }
    /// ```
    pub fn in_trace(&self, context: TraceContext) -> Self {
        let trace = Some(context);
        Self {
            trace,
            ..self.clone()
        }
    }

    /// Opens the span of the start of a saga.
    pub(super) fn submitting<G: Saga>(&self, id: &SagaId) -> Submitting {
        let trace = self.inner.trace_of(self.trace.clone());
        Submitting::new(&trace, G::META.name, id)
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Checks a saga that is to be started. Returns its record, the saga as a later process reads it, and its definition.
    pub(super) async fn prepare<G>(
        &self,
        id: SagaId,
        saga: G,
        trace: Option<TraceContext>,
    ) -> Result<(NewSaga, G, Arc<dyn Definition<S>>), SubmitError>
    where
        G: Saga<Services = S> + Serialize,
    {
        let (name, version) = (G::META.name, G::META.version);
        let definition = self.definitions.get(name, version);
        let definition = definition.ok_or(Rejected::NotRegistered { name, version })?;
        let limit = self.policies.payload_limit;
        let input = json_of(&saga).map_err(Rejected::Input)?;
        if input.len() > limit {
            let bytes = input.len();
            return Err(Rejected::TooLarge { bytes, limit }.into());
        }
        match self.stopped() {
            Some(Stopped::ShuttingDown) => return Err(Rejected::ShuttingDown.into()),
            Some(Stopped::RuntimeEnded) => return Err(Rejected::RuntimeEnded.into()),
            None => {}
        }
        if let Some(highest) = self.definitions.highest(name)
            && highest > version
            && self.journal.record(&id).await?.is_none()
        {
            return Err(Rejected::OldVersion {
                name,
                version,
                highest,
            }
            .into());
        }
        let new = NewSaga {
            id,
            name: name.to_owned(),
            version,
            fingerprint: definition.fingerprint(),
            input,
            trace,
        };
        let saga = saga_as_read(&**definition, &new.input, saga).map_err(Rejected::Input)?;
        Ok((new, saga, Arc::clone(definition)))
    }

    /// Records a new saga, and runs it if there is a free slot.
    async fn start<G>(
        self: Arc<Self>,
        new: NewSaga,
        saga: G,
        definition: Arc<dyn Definition<S>>,
    ) -> Result<Handle<S, G>, SubmitError>
    where
        G: Saga<Services = S>,
    {
        let (id, input) = (new.id.clone(), new.input.clone());
        let trace = new.trace.clone();
        // Without a free slot the saga waits in the journal, not in memory.
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok();
        let slot = slot.filter(|_| !self.is_paused(G::META.name));
        let lease = slot.as_ref().map(|_| &self.lease);
        let waiting = match &slot {
            Some(_) => None,
            None => self.waiters.register::<G>(&id),
        };
        let started = self.note_lost_claims(self.journal.start(new, lease).await);
        if waiting.is_some() && !matches!(started, Ok(Started::New(_))) {
            self.waiters.drop_sender(&id);
        }
        match started? {
            Started::New(claim) => {
                let answer = if let (Some(claim), Some(slot)) = (claim, slot) {
                    let (sender, answer) = AnswerSender::channel();
                    self.spawn(Claimant::new(claim, slot, trace), saga, Some(sender));
                    Some(answer)
                } else {
                    self.work.notify_one();
                    waiting
                };
                Ok(Handle::new(self, id, answer))
            }
            Started::Existing(record) => {
                is_same::<S, G>(&id, *record, &*definition, &input)?;
                Ok(Handle::new(self, id, None))
            }
        }
    }
}

/// Checks that the saga that has this id is the one that is to be started.
pub(super) fn is_same<S: ?Sized + Send + Sync + 'static, G: Saga>(
    id: &SagaId,
    record: Record,
    definition: &dyn Definition<S>,
    input: &str,
) -> Result<(), SubmitError> {
    let id = id.clone();
    if let Some(damage) = record.damage {
        return Err(SubmitError::Damaged { id, damage });
    }
    let name = record.saga.name;
    if name == G::META.name && definition.is_same(&record.saga.input, input) {
        Ok(())
    } else {
        Err(SubmitError::Conflict { id, name })
    }
}

/// Returns the saga as a later process reads it from its recorded input: it begins with that.
fn saga_as_read<S: ?Sized + Send + Sync + 'static, G: Saga>(
    definition: &dyn Definition<S>,
    input: &str,
    saga: G,
) -> serde_json::Result<G> {
    let read = definition.read_back(input);
    match read
        .map_err(<serde_json::Error as serde::ser::Error>::custom)?
        .downcast()
    {
        Ok(read) => {
            drop_caught(saga);
            Ok(*read)
        }
        // Another type is registered under this name.
        Err(_) => Ok(saga),
    }
}
