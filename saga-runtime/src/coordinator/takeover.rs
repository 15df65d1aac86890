//! The claim of an operator: on a saga that no process runs, or on one that this process runs, which is suspended first.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::coordinator::Shared;
use crate::coordinator::error::OperatorError;
use crate::engines::journaled::recorder::Recorder;
use crate::id::SagaId;
use crate::journal::{Claimed, ClaimedOne, Forwarded, Wakeup};
use crate::meta::RetryPolicy;

/// The number of pauses, of 0, 1, 2, … milliseconds, in which this process has to finish claiming or releasing a saga.
pub(super) const PAUSES: u64 = 100;

/// The pauses after which a process is told again that an operator waits for a saga of it: it may not have heard.
const CALL_AGAIN: RetryPolicy =
    RetryPolicy::UNTIL_SUCCESS.backoff(Duration::from_millis(50), Duration::from_secs(1));

/// The end that a running saga answers to, when it is suspended for an operator.
pub(super) type OperatorCall = oneshot::Sender<Result<Claimed, OperatorError>>;

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Claims a saga for an operator. If it runs in this process or another, it is suspended as soon as no attempt is under way.
    pub(super) async fn take(&self, id: &SagaId) -> Result<Claimed, OperatorError> {
        let (mut pauses, mut calls) = (0..PAUSES, CALL_AGAIN.backoffs());
        loop {
            let waiter = self.waiters.wait(id);
            let mut released = pin!(waiter.ended.notified());
            // Enabled before the saga is called, so that no release is missed.
            released.as_mut().enable();
            if let Some(claimed) = self.call(id) {
                // Without an answer it has ended, or was released.
                if let Ok(claimed) = claimed.await {
                    return claimed;
                }
            }
            let claimed = self.journal.claim_one(&self.lease, id).await;
            match self.note_lost_claims(claimed)? {
                ClaimedOne::Claimed(claimed) => return Ok(*claimed),
                // This process is just claiming or releasing it.
                ClaimedOne::Held(worker) if worker == self.lease.worker => {
                    let pause = pauses.next().ok_or(OperatorError::TakenOver)?;
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                ClaimedOne::Held(worker) => match self.journal.call(id).await? {
                    Forwarded::Recorded => {
                        let again = calls.next().unwrap_or_default();
                        let _ = tokio::time::timeout(again, released).await;
                    }
                    Forwarded::NotHeld => {}
                    Forwarded::Impossible => return Err(OperatorError::Held(worker)),
                },
                ClaimedOne::Final(state) => return Err(OperatorError::Final(state)),
                ClaimedOne::Unknown => return Err(OperatorError::Unknown),
            }
            if let Some(stopped) = self.stopped() {
                return Err(stopped.into());
            }
        }
    }

    /// Asks a saga that runs in this process for its claim. `None` if it does not run here, or another operator has asked.
    fn call(&self, id: &SagaId) -> Option<oneshot::Receiver<Result<Claimed, OperatorError>>> {
        // Under the lock, so that the end of the run finds the call.
        let running = self.running();
        let run = running.get(id)?;
        let mut calls = self.calls();
        if calls.contains_key(id) {
            return None;
        }
        let (sender, claimed) = oneshot::channel();
        calls.insert(id.clone(), sender);
        run.recorder.call();
        Some(claimed)
    }

    /// Hands the claim of a suspended saga to the operator who has called it.
    pub(super) async fn hand_to_operator(&self, recorder: &Recorder, call: Option<OperatorCall>) {
        let claim = recorder.claim();
        let Some(call) = call else {
            // An operator of another process has called it: the journal keeps it for that one a moment.
            return self.release(recorder, Wakeup::Now).await;
        };
        let claimed = match self.journal.load(&claim.id).await {
            Ok(Some(history)) => {
                let mut claimed = Claimed::new(claim.clone(), history.record, history.entries);
                claimed.orderly = !recorder.in_doubt().get();
                Ok(claimed)
            }
            Ok(None) => Err(OperatorError::Unknown),
            Err(error) => Err(error.into()),
        };
        let is_released = claimed.is_err();
        let answered = call.send(claimed).is_ok();
        if is_released || !answered {
            self.release(recorder, Wakeup::Now).await;
            self.work.notify_one();
        }
    }

    /// Releases the claim of an operator.
    pub(super) async fn release_taken(&self, claimed: Claimed, rest: Wakeup) {
        let released = self.journal.release(&claimed.claim, !claimed.orderly, rest);
        if released.await.is_err() {
            self.unreleased().push(claimed.claim);
        }
        if rest == Wakeup::Now || self.alarm.is_next(rest) {
            self.work.notify_one();
        }
    }
}
