//! Events that are sent to sagas: written down before the sender hears that they are sent.

use std::sync::Arc;
use std::time::Duration;

use crate::coordinator::error::OperatorError;
use crate::coordinator::{Coordinator, Shared, Stopped};
use crate::engines::journaled::recorder::Suspension;
use crate::id::{SagaId, asked};
use crate::journal::{AppendError, ClaimedOne, Event, State, Wakeup};
use crate::language::EventName;

/// How long the one who lets go of a saga may take.
const PAUSES: u64 = 100;

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Sends an event to a saga: it ends one [`event`](crate::event) of that name, the oldest that waits, or one that is
    /// called later. When this returns `Ok`, the event is written down.
    ///
    /// Sent twice, it comes twice.
    ///
    /// # Errors
    /// If the saga is unknown, has ended or is stuck, or is held by another worker, or the journal can't be reached. If the
    /// journal could not be reached, the event may have been written down.
    ///
    /// # Cancel safety
    /// A future that is dropped may or may not have sent the event.
    pub async fn send<T: Sync>(
        &self,
        id: impl TryInto<SagaId>,
        event: EventName<T>,
        value: &T,
    ) -> Result<(), OperatorError> {
        let id = asked(id).ok_or(OperatorError::Unknown)?;
        let payload = event.write(value).map_err(OperatorError::Output)?;
        let limit = self.inner.policies.payload_limit;
        if payload.len() > limit {
            let message = format!("{} bytes, {limit} are allowed", payload.len());
            let error = <serde_json::Error as serde::ser::Error>::custom(message);
            return Err(OperatorError::Output(error));
        }
        if self.inner.stopped() == Some(Stopped::RuntimeEnded) {
            return Err(OperatorError::RuntimeEnded);
        }
        let sending = Arc::clone(&self.inner).send(id, event.name(), payload);
        self.inner.begin(sending).await
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    async fn send(
        self: Arc<Self>,
        id: SagaId,
        name: &'static str,
        payload: String,
    ) -> Result<(), OperatorError> {
        for pause in 0..PAUSES {
            let running = self.running().get(&id).cloned();
            if let Some(running) = running
                && running.recorder.deliver(name.into(), payload.clone())
            {
                return match running.recorder.write().await {
                    Ok(()) => Ok(()),
                    Err(Suspension::Fenced) => Err(OperatorError::TakenOver),
                    Err(suspension) => Err(unreachable_journal(&suspension)),
                };
            }
            match self.send_to_row(&id, name, &payload).await? {
                Sent::Done => return Ok(()),
                // It is just being let go of, or taken over.
                Sent::Held => tokio::time::sleep(Duration::from_millis(pause)).await,
            }
        }
        Err(OperatorError::TakenOver)
    }

    /// Sends an event to a saga that nobody runs.
    async fn send_to_row(
        &self,
        id: &SagaId,
        name: &'static str,
        payload: &str,
    ) -> Result<Sent, OperatorError> {
        let history = self.journal.load(id).await?.ok_or(OperatorError::Unknown)?;
        match history.record.state {
            State::Stuck => return Err(OperatorError::Stuck),
            state if state.is_final() => return Err(OperatorError::Final(state)),
            _ => {}
        }
        let claimed = match self.heard(self.journal.claim_one(&self.lease, id).await)? {
            ClaimedOne::Claimed(claimed) => *claimed,
            ClaimedOne::Held(worker) if worker == self.lease.worker => return Ok(Sent::Held),
            ClaimedOne::Held(worker) => return Err(OperatorError::Held(worker)),
            ClaimedOne::Final(state) => return Err(OperatorError::Final(state)),
            ClaimedOne::Unknown => return Err(OperatorError::Unknown),
        };
        let received = Event::Received {
            name: name.into(),
            payload: payload.to_owned(),
        };
        // It may have got stuck since: then nothing but an operator's decision can follow.
        let is_stuck = claimed.record.state == State::Stuck;
        let appended = if is_stuck {
            Ok(())
        } else {
            self.journal
                .append(&claimed.claim, claimed.next, vec![received])
                .await
        };
        let released = self
            .journal
            .release(&claimed.claim, !claimed.orderly, Wakeup::Now);
        if released.await.is_err() {
            self.abandoned().push(claimed.claim);
        }
        self.work.notify_one();
        match appended {
            Ok(()) if is_stuck => Err(OperatorError::Stuck),
            Ok(()) => Ok(Sent::Done),
            Err(AppendError::Journal(error)) => Err(error.into()),
            Err(AppendError::Fenced { .. } | AppendError::NotContiguous { .. }) => {
                Err(OperatorError::TakenOver)
            }
        }
    }
}

/// What has become of an event that was sent to a saga that nobody runs.
enum Sent {
    Done,
    /// Somebody holds it.
    Held,
}

fn unreachable_journal(suspension: &Suspension) -> OperatorError {
    let message = suspension.to_string();
    OperatorError::Journal(crate::journal::JournalError::Unavailable {
        message,
        source: None,
    })
}
