//! Cancellations. Their answer agrees with the fate of the saga, also if they come at its end.

use std::sync::Arc;
use std::time::Duration;

use crate::attempts::{Control, StopAnswer};
use crate::coordinator::error::OperatorError;
use crate::coordinator::operator::Effect;
use crate::coordinator::subject::Subject;
use crate::coordinator::takeover::PAUSES;
use crate::coordinator::{Running, Shared};
use crate::id::SagaId;
use crate::journal::{Event, History, State};

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    pub(super) async fn cancel(
        self: &Arc<Self>,
        id: &SagaId,
        reason: &str,
    ) -> Result<Effect, OperatorError> {
        let History { record, entries } =
            self.journal.load(id).await?.ok_or(OperatorError::Unknown)?;
        if record.state.is_final() {
            return Err(OperatorError::Final(record.state));
        }
        let Subject {
            history, damage, ..
        } = Subject::new(&record, &entries, true);
        if let Some(damage) = damage {
            return Err(damage.into());
        }
        let is_closed = |running: &Running| running.control.way_back().is_closed();
        if history.only_goes_forward() || self.running().get(id).is_some_and(is_closed) {
            return Err(OperatorError::PastPivot);
        }
        let is_stuck = record.state == State::Stuck;
        // Its body would be stuck before it undoes anything.
        if let Some(misfit) = self.misfit_at_rest(History { record, entries }).await {
            return Err(misfit.into());
        }
        if history.decision().is_some() && !is_stuck {
            // It is being compensated already.
            return Ok(Effect::Done);
        }
        if is_stuck && !history.can_go_back_by_its_body() {
            return Err(OperatorError::Stuck);
        }
        if !self.journal.request_cancel(id, reason).await? {
            return Err(OperatorError::Final(self.state(id).await?));
        }
        if is_stuck {
            // It goes on, but only to be compensated.
            let reason = reason.to_owned();
            let retried = self.apply_decision(id.clone(), |subject| {
                subject.stuck().map(|_| Event::Retried { reason })
            });
            return match retried.await {
                Ok(_) | Err(OperatorError::NotStuck(_)) => Ok(Effect::Requested),
                Err(error) => Err(error),
            };
        }
        let effect = self.tell(id).await;
        // The saga may sleep, or be about to: then the dispatcher claims it now.
        self.work.notify_one();
        effect
    }

    /// Tells the holder of the saga that a cancellation is recorded, if that is this process.
    async fn tell(&self, id: &SagaId) -> Result<Effect, OperatorError> {
        for pause in 0..PAUSES {
            let running = self.running().get(id).cloned();
            if let Some(running) = running {
                return self.cancel_running(id, &running).await;
            }
            let Some(History { record, .. }) = self.journal.load(id).await? else {
                return Err(OperatorError::Unknown);
            };
            match (record.state, record.worker) {
                (State::Compensated, _) => return Ok(Effect::Done),
                (state, _) if state.is_final() => return Err(OperatorError::Final(state)),
                // This process is just claiming or releasing it.
                (_, Some(worker)) if worker == self.lease.worker => {
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                _ => break,
            }
        }
        Ok(Effect::Requested)
    }

    async fn cancel_running(
        &self,
        id: &SagaId,
        running: &Running,
    ) -> Result<Effect, OperatorError> {
        match running.control.cancel() {
            StopAnswer::Stopped => Ok(Effect::Done),
            StopAnswer::Uncertain => Ok(Effect::Requested),
            StopAnswer::Closed => Err(OperatorError::PastPivot),
            StopAnswer::Ended => self.await_end(id, running).await,
        }
    }

    /// Waits for the end of a saga whose body has returned its output: that is on its way to the journal.
    async fn await_end(&self, id: &SagaId, running: &Running) -> Result<Effect, OperatorError> {
        for pause in 0..PAUSES {
            if running.recorder.write().await.is_err() {
                break;
            }
            match self.state(id).await? {
                State::Stuck => return Err(OperatorError::Stuck),
                state if state.is_final() => return Err(OperatorError::Final(state)),
                _ => tokio::time::sleep(Duration::from_millis(pause)).await,
            }
        }
        // It could not be recorded. The next holder hears of the cancellation.
        Ok(Effect::Requested)
    }

    pub(super) async fn state(&self, id: &SagaId) -> Result<State, OperatorError> {
        let history = self.journal.load(id).await?.ok_or(OperatorError::Unknown)?;
        Ok(history.record.state)
    }
}
