//! What operators do to sagas by hand. Each of these is written down with its reason.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::coordinator::error::OperatorError;
use crate::coordinator::inspection::{Inspection, Inspector};
use crate::coordinator::{Coordinator, Shared};
use crate::id::{SagaId, asked};
use crate::journal::history::ReplayState;
use crate::journal::{
    AppendError, Claimed, ClaimedOne, Entry, Event, Filter, JournalError, Page, State, StepCall,
    Wakeup,
};

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Lists sagas, the newest first.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn list(&self, filter: &Filter) -> Result<Page, JournalError> {
        self.inspector().list(filter).await
    }

    /// Everything that is written down about one saga; `None` if there is none with this id, which may be a text here and
    /// elsewhere.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn inspect(
        &self,
        id: impl TryInto<SagaId>,
    ) -> Result<Option<Inspection>, JournalError> {
        self.inspector().inspect(id).await
    }

    /// Reads the sagas of this coordinator's journal.
    #[must_use]
    pub fn inspector(&self) -> Inspector {
        Inspector::shared(Arc::clone(&self.inner.journal))
    }

    /// Cancels a saga, wherever it runs: the current attempt ends, then what was done is compensated. A saga that waits is
    /// compensated when its turn comes.
    ///
    /// # Errors
    /// If there is none with this id, it has ended, or is past its pivot, or the journal can't be reached.
    pub async fn cancel(
        &self,
        id: impl TryInto<SagaId>,
        reason: &str,
    ) -> Result<(), OperatorError> {
        let id = asked(id).ok_or(OperatorError::Unknown)?;
        self.inner.cancel(&id, reason).await
    }

    /// Lets a stuck saga go on: the compensations that failed are tried again, a step in doubt is settled again, and a
    /// definition that has changed is compared again. Returns when that is written down; the saga goes on by itself.
    ///
    /// # Errors
    /// If it is not stuck, or the journal can't be reached.
    pub async fn retry(&self, id: impl TryInto<SagaId>, reason: &str) -> Result<(), OperatorError> {
        let id = asked(id).ok_or(OperatorError::Unknown)?;
        let reason = reason.to_owned();
        self.inner
            .by_hand(id, move |_| Ok(Event::Retried { reason }))
            .await
    }

    /// Says that a step of a stuck saga is undone, by hand. `step` is its durable name as [`inspect`](Self::inspect) shows it:
    /// with `#1` behind it for the second call, and so on, and with the saga before it that has called it, as in
    /// `pack/reserve#1`. The saga goes on with what is left to compensate.
    ///
    /// # Errors
    /// If the step is neither in doubt nor has its compensation failed, or the saga is not stuck, or the journal can't be
    /// reached.
    pub async fn resolve_compensation(
        &self,
        id: impl TryInto<SagaId>,
        step: &str,
        reason: &str,
    ) -> Result<(), OperatorError> {
        let id = asked(id).ok_or(OperatorError::Unknown)?;
        let (step, reason) = (step.to_owned(), reason.to_owned());
        let resolved = move |history: &ReplayState| {
            open(history, &step).map(|step| Event::CompensationResolved { step, reason })
        };
        self.inner.by_hand(id, resolved).await
    }

    /// Says that a step of a stuck saga stays as it is. The saga goes on with what is left to compensate, and says for ever
    /// that this step is not undone.
    ///
    /// # Errors
    /// Like [`resolve_compensation`](Self::resolve_compensation).
    pub async fn skip_compensation(
        &self,
        id: impl TryInto<SagaId>,
        step: &str,
        reason: &str,
    ) -> Result<(), OperatorError> {
        let id = asked(id).ok_or(OperatorError::Unknown)?;
        let (step, reason) = (step.to_owned(), reason.to_owned());
        let skipped = move |history: &ReplayState| {
            open(history, &step).map(|step| Event::CompensationSkipped { step, reason })
        };
        self.inner.by_hand(id, skipped).await
    }

    /// Says that a step in doubt of a stuck saga was done, with this output. A pivot is then behind, and the saga goes
    /// forward; any other step is compensated with the rest.
    ///
    /// # Errors
    /// If the step is not in doubt, or the saga is not stuck, or the journal can't be reached.
    pub async fn complete_step(
        &self,
        id: impl TryInto<SagaId>,
        step: &str,
        output: &(impl Serialize + Sync),
        reason: &str,
    ) -> Result<(), OperatorError> {
        let id = asked(id).ok_or(OperatorError::Unknown)?;
        let output = serde_json::to_string(output).map_err(OperatorError::Output)?;
        let (step, reason) = (step.to_owned(), reason.to_owned());
        let completed = move |history: &ReplayState| {
            let (name, occurrence) = parsed(&step);
            let call = history.in_doubt(name, occurrence);
            let step = call
                .cloned()
                .ok_or_else(|| nothing_to_decide(history, &step))?;
            Ok(Event::StepCompleted {
                step,
                output,
                reason,
            })
        };
        self.inner.by_hand(id, completed).await
    }

    /// Removes sagas that ended before this time, and says how many. Sagas that are open or stuck stay.
    ///
    /// The ids of removed sagas are forgotten: starting one again runs it again. Running sagas do not wait for the removal
    /// of many others. If this is dropped or fails, what was removed by then is removed.
    ///
    /// # Errors
    /// If the journal can't be reached.
    pub async fn purge(&self, before: SystemTime) -> Result<u64, JournalError> {
        self.inner.journal.purge(before).await
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    pub(super) async fn cancel(
        self: &Arc<Self>,
        id: &SagaId,
        reason: &str,
    ) -> Result<(), OperatorError> {
        let history = self.journal.load(id).await?.ok_or(OperatorError::Unknown)?;
        let state = history.record.state;
        if state.is_final() {
            return Err(OperatorError::Final(state));
        }
        let running = self.running().get(id).cloned();
        if ReplayState::new(&history.entries?)?.only_goes_forward()
            || running
                .as_ref()
                .is_some_and(|running| running.control.only_goes_forward())
        {
            return Err(OperatorError::PastPivot);
        }
        if !self.journal.request_cancel(id, reason).await? {
            return Err(OperatorError::Unknown);
        }
        if let Some(running) = running {
            running.cancellation.cancel();
        }
        // It may have been at rest, or about to be.
        self.work.notify_one();
        Ok(())
    }

    /// Takes over a stuck saga, writes down what an operator has decided, and goes on with it.
    async fn by_hand(
        self: &Arc<Self>,
        id: SagaId,
        decide: impl FnOnce(&ReplayState) -> Result<Event, OperatorError> + Send + 'static,
    ) -> Result<(), OperatorError> {
        if let Some(stopped) = self.stopped() {
            return Err(stopped.into());
        }
        let slot = Arc::clone(&self.slots).acquire_owned().await;
        let slot = slot.map_err(|_| OperatorError::ShuttingDown)?;
        if let Some(stopped) = self.stopped() {
            return Err(stopped.into());
        }
        let deciding = Arc::clone(self).decide(id, slot, decide);
        self.begin(deciding).await
    }

    async fn decide(
        self: Arc<Self>,
        id: SagaId,
        slot: OwnedSemaphorePermit,
        decide: impl FnOnce(&ReplayState) -> Result<Event, OperatorError> + Send,
    ) -> Result<(), OperatorError> {
        let mut claimed = match self.heard(self.journal.claim_one(&self.lease, &id).await)? {
            ClaimedOne::Claimed(claimed) => *claimed,
            ClaimedOne::Held(worker) => {
                if worker == self.lease.worker {
                    return Err(OperatorError::NotStuck(State::Running));
                }
                return Err(OperatorError::Held(worker));
            }
            ClaimedOne::Final(state) => return Err(OperatorError::Final(state)),
            ClaimedOne::Unknown => return Err(OperatorError::Unknown),
        };
        match self.decided(&mut claimed, decide).await {
            Ok(()) => {
                self.resume(claimed, slot);
                Ok(())
            }
            Err(error) => {
                let released = self
                    .journal
                    .release(&claimed.claim, !claimed.orderly, Wakeup::Now);
                if released.await.is_err() {
                    self.abandoned().push(claimed.claim);
                }
                Err(error)
            }
        }
    }

    async fn decided(
        &self,
        claimed: &mut Claimed,
        decide: impl FnOnce(&ReplayState) -> Result<Event, OperatorError>,
    ) -> Result<(), OperatorError> {
        let entries = claimed.entries.as_mut().map_err(|damage| damage.clone())?;
        if claimed.record.state != State::Stuck {
            return Err(OperatorError::NotStuck(claimed.record.state));
        }
        let event = decide(&ReplayState::new(&*entries)?)?;
        let appended = self
            .journal
            .append(&claimed.claim, claimed.next, vec![event.clone()]);
        appended.await.map_err(|error| match error {
            AppendError::Journal(error) => error.into(),
            AppendError::Fenced { .. } | AppendError::NotContiguous { .. } => {
                OperatorError::TakenOver
            }
        })?;
        entries.push(Entry {
            seq: claimed.next,
            at: SystemTime::now(),
            event,
        });
        claimed.next += 1;
        claimed.recoveries = 0;
        // What got it stuck may have been a step whose answer was lost: that is not written down.
        claimed.orderly = false;
        Ok(())
    }
}

/// `charge` and 0, or `charge` and 1 for `charge#1`.
fn parsed(step: &str) -> (&str, usize) {
    match step.rsplit_once('#') {
        Some((name, occurrence)) => match occurrence.parse() {
            Ok(occurrence) => (name, occurrence),
            Err(_) => (step, 0),
        },
        None => (step, 0),
    }
}

/// The call of a step that an operator can decide about.
fn open(history: &ReplayState, step: &str) -> Result<StepCall, OperatorError> {
    let (name, occurrence) = parsed(step);
    let call = history
        .failed(name, occurrence)
        .or_else(|| history.in_doubt(name, occurrence));
    call.cloned()
        .ok_or_else(|| nothing_to_decide(history, step))
}

fn nothing_to_decide(history: &ReplayState, step: &str) -> OperatorError {
    let open: Vec<_> = history.open().map(ToString::to_string).collect();
    OperatorError::NothingToDecide {
        step: step.to_owned(),
        open: if open.is_empty() {
            "none".to_owned()
        } else {
            open.join(", ")
        },
    }
}
