//! Sending events to sagas: an event is recorded before its sender gets an answer.

use std::sync::Arc;
use std::time::Duration;

use crate::coordinator::error::OperatorError;
use crate::coordinator::{Coordinator, Shared, Stopped};
use crate::engines::journaled::recorder::Suspension;
use crate::id::SagaId;
use crate::journal::history::{ReceivedEvent, ReplayState};
use crate::journal::{
    AppendError, Claimed, ClaimedOne, Event, Forwarded, History, PostedEvent, State, Wakeup, Worker,
};
use crate::language::EventName;

/// The number of pauses, of 0, 1, 2, … milliseconds, in which a process has to finish releasing or claiming the saga.
const PAUSES: u64 = 100;

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Sends an event to a saga. When this returns `Ok`, the event is recorded.
    ///
    /// The event ends one [`event`](crate::event) call with this name: the oldest open wait, or else the next one. An
    /// event that is sent twice is received twice: a sender that may repeat itself uses [`send_once`](Self::send_once). A saga that
    /// sleeps is woken up if it waits for this name; otherwise the event is kept until it asks.
    ///
    /// On Postgres the saga may run in another process: the event is recorded for it, and it hears of it at once.
    ///
    /// # Errors
    /// If the saga is unknown, has ended, is stuck, or is held by another worker on a journal that does not reach that one; if the value
    /// can't be serialized or is too large; if the journal can't be reached. After [`OperatorError::Journal`] the event may have been
    /// recorded.
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the event.
    pub async fn send<T: Sync>(
        &self,
        id: impl TryInto<SagaId>,
        event: EventName<T>,
        value: &T,
    ) -> Result<(), OperatorError> {
        self.send_event(id, event, None, value).await
    }

    /// Sends an event to a saga under a key of the sender. Of events with the same name and key a saga takes the first that it can
    /// read; sending one again is `Ok` and changes nothing, also if its value is another one. An event that was
    /// [set aside](crate::coordinator::Inspection::set_aside) is replaced by the right one under its key.
    ///
    /// # Errors
    /// As those of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the event. It is safe to repeat the call.
    pub async fn send_once<T: Sync>(
        &self,
        id: impl TryInto<SagaId>,
        event: EventName<T>,
        key: &str,
        value: &T,
    ) -> Result<(), OperatorError> {
        self.send_event(id, event, Some(key.to_owned()), value)
            .await
    }

    async fn send_event<T: Sync>(
        &self,
        id: impl TryInto<SagaId>,
        event: EventName<T>,
        key: Option<String>,
        value: &T,
    ) -> Result<(), OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let payload = event.write(value).map_err(OperatorError::Output)?;
        let event = ReceivedEvent {
            name: event.name().into(),
            payload,
            key,
        };
        self.send_received(id, event).await
    }

    /// Sends an event to a saga, like [`send`](Self::send), without the type of its value: for operators, who have the value as
    /// JSON. Nothing checks that the saga can read it.
    ///
    /// # Errors
    /// Like [`send`](Self::send).
    ///
    /// # Cancel safety
    /// A dropped future may or may not have sent the event.
    pub async fn send_json(
        &self,
        id: impl TryInto<SagaId>,
        event: &str,
        value: &serde_json::Value,
    ) -> Result<(), OperatorError> {
        self.send_keyed(id, event, None, value).await
    }

    /// Sends an event, like [`send_json`](Self::send_json), under a key.
    #[cfg(feature = "testing")]
    pub(crate) async fn send_json_once(
        &self,
        id: impl TryInto<SagaId>,
        event: &str,
        key: &str,
        value: &serde_json::Value,
    ) -> Result<(), OperatorError> {
        self.send_keyed(id, event, Some(key.to_owned()), value)
            .await
    }

    async fn send_keyed(
        &self,
        id: impl TryInto<SagaId>,
        event: &str,
        key: Option<String>,
        value: &serde_json::Value,
    ) -> Result<(), OperatorError> {
        let id = id.try_into().map_err(|_| OperatorError::Unknown)?;
        let event = ReceivedEvent {
            name: event.to_owned().into(),
            payload: value.to_string(),
            key,
        };
        self.send_received(id, event).await
    }

    async fn send_received(&self, id: SagaId, event: ReceivedEvent) -> Result<(), OperatorError> {
        let limit = self.inner.policies.payload_limit;
        if event.payload.len() > limit {
            let message = format!("{} bytes, {limit} are allowed", event.payload.len());
            let error = <serde_json::Error as serde::ser::Error>::custom(message);
            return Err(OperatorError::Output(error));
        }
        if self.inner.stopped() == Some(Stopped::RuntimeEnded) {
            return Err(OperatorError::RuntimeEnded);
        }
        let sending = Arc::clone(&self.inner).send(id, event);
        self.inner.detached(sending).await
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    async fn send(self: Arc<Self>, id: SagaId, event: ReceivedEvent) -> Result<(), OperatorError> {
        for pause in 0..PAUSES {
            let running = self.running().get(&id).cloned();
            if let Some(running) = running
                && running.recorder.deliver(event.clone())
            {
                return match running.recorder.write().await {
                    Ok(()) => Ok(()),
                    Err(Suspension::Fenced) => Err(OperatorError::TakenOver),
                    Err(suspension) => Err(unreachable_journal(&suspension)),
                };
            }
            match self.send_to_row(&id, &event).await? {
                Sent::Done => return Ok(()),
                Sent::Held => tokio::time::sleep(Duration::from_millis(pause)).await,
            }
        }
        Err(OperatorError::TakenOver)
    }

    /// The answer of a saga that takes no more events: one that it has by its key was sent, and any other is `refused`.
    async fn unless_sent(
        &self,
        id: &SagaId,
        event: &ReceivedEvent,
        refused: OperatorError,
    ) -> Result<Sent, OperatorError> {
        if event.key.is_some()
            && let Some(history) = self.journal.load(id).await?
            && history.entries.is_ok_and(|entries| event.is_in(&entries))
        {
            return Ok(Sent::Done);
        }
        Err(refused)
    }

    /// Sends an event to a saga that no process runs.
    async fn send_to_row(&self, id: &SagaId, event: &ReceivedEvent) -> Result<Sent, OperatorError> {
        let record = self.journal.record(id).await?;
        match record.ok_or(OperatorError::Unknown)?.state {
            State::Stuck => return self.unless_sent(id, event, OperatorError::Stuck).await,
            state if state.is_final() => {
                let refused = OperatorError::Final(state);
                return self.unless_sent(id, event, refused).await;
            }
            _ => {}
        }
        let claimed = self.journal.claim_one(&self.lease, id).await;
        let claimed = match self.note_lost_claims(claimed)? {
            ClaimedOne::Claimed(claimed) => *claimed,
            ClaimedOne::Held(worker) if worker == self.lease.worker => return Ok(Sent::Held),
            ClaimedOne::Held(worker) => return self.post(id, event, worker).await,
            ClaimedOne::Final(state) => {
                let refused = OperatorError::Final(state);
                return self.unless_sent(id, event, refused).await;
            }
            ClaimedOne::Unknown => return Err(OperatorError::Unknown),
        };
        let known = claimed
            .entries
            .as_ref()
            .is_ok_and(|entries| event.is_in(entries));
        let rest = if !known && waits_for(&claimed, &event.name) {
            Wakeup::Now
        } else {
            claimed.rest_again()
        };
        let received = Event::Received {
            name: event.name.clone(),
            payload: event.payload.clone(),
            key: event.key.clone(),
        };
        // The saga may have got stuck since it was loaded. Then only an operator's decision can follow.
        let is_stuck = claimed.record.state == State::Stuck;
        let appended = if is_stuck || known {
            Ok(())
        } else {
            self.journal
                .append(&claimed.claim, claimed.next, vec![received])
                .await
        };
        let released = self.journal.release(&claimed.claim, !claimed.orderly, rest);
        if released.await.is_err() {
            self.unreleased().push(claimed.claim);
        }
        if rest == Wakeup::Now || self.alarm.is_next(rest) {
            self.work.notify_one();
        }
        match appended {
            Ok(()) if is_stuck && !known => Err(OperatorError::Stuck),
            Ok(()) => Ok(Sent::Done),
            Err(AppendError::Journal(error)) => Err(error.into()),
            Err(AppendError::Fenced { .. } | AppendError::NotContiguous { .. }) => {
                Err(OperatorError::TakenOver)
            }
        }
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Sends an event to a saga that another worker holds. It gets a key if it has none: after a crash of that worker, the key tells
    /// whether the event is recorded.
    async fn post(
        &self,
        id: &SagaId,
        event: &ReceivedEvent,
        holder: Worker,
    ) -> Result<Sent, OperatorError> {
        let history = self.journal.load(id).await?;
        let History { record, entries } = history.ok_or(OperatorError::Unknown)?;
        if entries.is_ok_and(|entries| event.is_in(&entries)) {
            return Ok(Sent::Done);
        }
        match record.state {
            State::Stuck => return Err(OperatorError::Stuck),
            state if state.is_final() => return Err(OperatorError::Final(state)),
            _ => {}
        }
        let key = event.key.clone();
        let key = key.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let posted = PostedEvent::new(&*event.name, &*event.payload, key);
        match self.journal.post(id, posted).await? {
            Forwarded::Recorded => Ok(Sent::Done),
            Forwarded::NotHeld => Ok(Sent::Held),
            Forwarded::Impossible => Err(OperatorError::Held(holder)),
        }
    }
}

/// Returns whether a saga waits for an event with this name. If its entries can't be read, it is woken up, and then set aside. It is woken
/// as well if it rests until it is called, and no wait is there: the entry of the wait is lost.
fn waits_for(claimed: &Claimed, event: &str) -> bool {
    let Ok(entries) = &claimed.entries else {
        return true;
    };
    ReplayState::new(entries).map_or(true, |history| {
        let is_lost = claimed.rest == Wakeup::WhenCalled && history.waits().next().is_none();
        is_lost || history.waits().any(|(call, _)| call.is_ended_by(event))
    })
}

/// The result of sending an event to a saga that no process runs.
enum Sent {
    Done,
    /// It is just being claimed or released.
    Held,
}

fn unreachable_journal(suspension: &Suspension) -> OperatorError {
    let message = suspension.to_string();
    OperatorError::Journal(crate::journal::JournalError::Unavailable {
        message,
        source: None,
    })
}
