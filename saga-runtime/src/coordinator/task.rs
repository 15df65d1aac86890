//! One saga in a task of its own: from its claim to its end, or until it is let go of.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;

use crate::coordinator::error::{ExecuteError, Stuck};
use crate::coordinator::{Running, Shared};
use crate::engines::control::{Control, Limits};
use crate::engines::journaled::Journaled;
use crate::engines::journaled::recorder::{EventInbox, Recorder, Suspension};
use crate::error::Reason;
use crate::id::SagaId;
use crate::journal::history::ReplayState;
use crate::journal::{Claim, Claimed, Damage, Event, NewSaga, Wakeup};
use crate::panic::message;
use crate::place::Instance;
use crate::run::{Saga, SagaEnd};
use crate::telemetry;

/// A saga that is held, and may run.
#[derive(Debug)]
pub(super) struct Claimant {
    claim: Claim,
    slot: OwnedSemaphorePermit,
    history: ReplayState,
    next: u64,
    in_doubt: bool,
    is_cancelled: bool,
    started_at: Option<SystemTime>,
}

impl Claimant {
    /// A saga that has just been started.
    pub(super) fn new(claim: Claim, slot: OwnedSemaphorePermit) -> Self {
        Self {
            claim,
            slot,
            history: ReplayState::default(),
            next: 1,
            in_doubt: false,
            is_cancelled: false,
            started_at: None,
        }
    }

    pub(super) fn id(&self) -> &SagaId {
        &self.claim.id
    }

    /// A saga that was taken over, how it was started, and what of it can't be read: then it can only be parked.
    pub(super) fn resuming(
        claimed: Claimed,
        slot: OwnedSemaphorePermit,
    ) -> (Self, NewSaga, Option<Damage>) {
        let history = claimed
            .entries
            .and_then(|entries| ReplayState::new(&entries));
        let (history, damage) = match history {
            Ok(history) => (history, None),
            Err(damage) => (ReplayState::default(), Some(damage)),
        };
        let claimant = Self {
            claim: claimed.claim,
            slot,
            history,
            next: claimed.next,
            in_doubt: !claimed.orderly,
            is_cancelled: claimed.record.cancellation.is_some(),
            started_at: Some(claimed.record.started_at),
        };
        (claimant, claimed.record.saga, damage)
    }
}

/// Where the one who started a saga waits for its end.
pub(super) struct AnswerSender<G: Saga>(oneshot::Sender<Answer<G>>);

/// How a saga ended, for the one who started it.
pub(super) type Answer<G> = Result<<G as Saga>::Output, ExecuteError<<G as Saga>::Error>>;

impl<G: Saga> AnswerSender<G> {
    /// Whether nobody waits for the end.
    pub(super) fn is_unheard(&self) -> bool {
        self.0.is_closed()
    }

    pub(super) fn channel() -> (Self, oneshot::Receiver<Answer<G>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Runs a saga in a task of its own.
    pub(super) fn spawn<G>(
        self: &Arc<Self>,
        claimant: Claimant,
        saga: G,
        reply: Option<AnswerSender<G>>,
    ) where
        G: Saga<Services = S>,
    {
        let cancellation = CancellationToken::new();
        if claimant.is_cancelled {
            cancellation.cancel();
        }
        let elapsed = |since: SystemTime| since.elapsed().unwrap_or_default();
        let elapsed = claimant.started_at.map(elapsed).unwrap_or_default();
        let deadline = G::META
            .deadline
            .map(|deadline| deadline.saturating_sub(elapsed));
        let limits = Limits::new(Some(cancellation.clone()), deadline);
        let control = Control::new(limits);
        if claimant.history.only_goes_forward() {
            // Also for a step that is replayed before the one that is done: members of a group may end in any order.
            control.go_forward_only();
        }
        let control = Arc::new(control);
        let recorder = self.recorder(&claimant);
        let running = Running {
            cancellation,
            control: Arc::clone(&control),
            recorder: Arc::clone(&recorder),
        };
        self.running().insert(claimant.claim.id.clone(), running);
        let engine = Journaled::new(
            Instance::new(G::META.name, Some(claimant.claim.id)),
            control,
            claimant.history,
            recorder,
            self.policies,
        );
        let run = Arc::clone(self).run(engine, claimant.slot, saga, reply);
        // Boxed: a future of this size would be copied several times on its way into the task.
        self.tasks.spawn_on(Box::pin(run), &self.runtime);
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "what an `async fn` is given is kept twice, as an argument and as a variable"
    )]
    fn run<G>(
        self: Arc<Self>,
        engine: Journaled,
        slot: OwnedSemaphorePermit,
        saga: G,
        mut reply: Option<AnswerSender<G>>,
    ) -> impl Future<Output = ()> + Send
    where
        G: Saga<Services = S>,
    {
        async move {
            let driven = caught(saga.drive(&*self.services, &engine)).await;
            let recorder = &engine.recorder;
            let id = &recorder.claim().id;
            let end = driven.unwrap_or_else(|panic| {
                if recorder.has_ended() {
                    // A value has panicked when it was dropped. The end stands, and whoever waits for it reads it.
                    reply = None;
                    return SagaEnd::Suspended(Suspension::Fenced);
                }
                // Code of a payload or an error has panicked, outside of any step.
                let reason = Reason::new("panicked", format!("panicked: {panic}"));
                recorder.note(Event::Stuck {
                    reason: reason.clone(),
                });
                SagaEnd::Suspended(Suspension::Stuck(reason))
            });
            if let SagaEnd::Suspended(Suspension::Asleep(_)) = end
                && let Some(reply) = reply.take()
            {
                // Whoever started it hears of its end when it has gone on.
                self.replies.keep(id, reply);
            }
            let answer = self.finish(id, recorder, end).await;
            drop(slot);
            if engine.control.is_cancelled() {
                // If it sleeps it may not have heard of that.
                self.work.notify_one();
            }
            self.waiters.wake(id);
            if let Some(AnswerSender(reply)) = reply {
                // Whoever started it may have stopped waiting.
                let _ = reply.send(answer);
            }
        }
    }

    /// Writes down how the run ended, and lets go of the saga.
    async fn finish<G: Saga>(
        &self,
        id: &SagaId,
        recorder: &Recorder,
        end: SagaEnd<G, Suspension>,
    ) -> Answer<G> {
        let written = recorder.write().await;
        self.no_longer_running(recorder.claim());
        if self.is_shutting_down() {
            self.work.notify_one();
        }
        let suspension = match (written, end) {
            (Ok(()), SagaEnd::Completed(output)) => return Ok(output),
            (Ok(()), SagaEnd::Failed(error)) if error.is_final() => {
                return Err(ExecuteError::Failed(error));
            }
            (Ok(()), SagaEnd::Failed(error)) => {
                let reason = error.stuck_because();
                telemetry::stuck(id, &reason.code);
                return Err(ExecuteError::Stuck(Stuck::new(
                    id,
                    reason.message,
                    Some(error),
                )));
            }
            (Ok(()), SagaEnd::Suspended(suspension)) | (Err(suspension), _) => suspension,
        };
        match &suspension {
            Suspension::Stuck(reason) => {
                telemetry::stuck(id, &reason.code);
                return Err(ExecuteError::Stuck(Stuck::new(id, &reason.message, None)));
            }
            Suspension::Shutdown => self.release(recorder, Wakeup::Now).await,
            Suspension::Asleep(rest) => {
                self.release(recorder, *rest).await;
                if self.alarm.is_next(*rest) {
                    self.work.notify_one();
                }
            }
            // If it is not held any more, that does no harm.
            Suspension::Unreachable(_) | Suspension::Fenced => {
                self.abandoned().push(recorder.claim().clone());
            }
        }
        Err(ExecuteError::InProgress {
            id: id.clone(),
            why: suspension.to_string(),
        })
    }

    /// The saga does not run here any more under this claim. If it was lost to another worker, it may have been taken over
    /// again since.
    fn no_longer_running(&self, claim: &Claim) {
        let mut running = self.running();
        let run = running.get(&claim.id);
        if run.is_some_and(|run| run.recorder.claim() == claim) {
            running.remove(&claim.id);
        }
    }

    async fn release(&self, recorder: &Recorder, rest: Wakeup) {
        if recorder.release(rest).await.is_err() {
            self.abandoned().push(recorder.claim().clone());
        }
    }

    /// Writes down that a saga that can't be run is stuck.
    pub(super) fn park(
        self: &Arc<Self>,
        claimant: Claimant,
        code: &'static str,
        message: impl Into<String>,
    ) {
        let reason = Reason::new(code, message);
        let inner = Arc::clone(self);
        self.tasks.spawn(async move {
            let id = claimant.claim.id.clone();
            let recorder = inner.recorder(&claimant);
            telemetry::stuck(&id, &reason.code);
            recorder.note(Event::Stuck { reason });
            if recorder.write().await.is_err() {
                inner.abandoned().push(claimant.claim);
            }
            inner.replies.remove(&id);
            inner.waiters.wake(&id);
        });
    }

    /// Lets go of a saga that was not run.
    pub(super) fn put_back(self: &Arc<Self>, claimant: Claimant) {
        let inner = Arc::clone(self);
        self.tasks.spawn(async move {
            let released = inner
                .journal
                .release(&claimant.claim, claimant.in_doubt, Wakeup::Now);
            if released.await.is_err() {
                inner.abandoned().push(claimant.claim);
            }
        });
    }

    fn recorder(&self, claimant: &Claimant) -> Arc<Recorder> {
        Arc::new(Recorder::new(
            Arc::clone(&self.journal),
            claimant.claim.clone(),
            claimant.next,
            claimant.in_doubt,
            EventInbox::of(&claimant.history),
            Arc::clone(&self.tenure),
        ))
    }
}

/// Polls `future` to its end; `Err` with the text of a panic.
async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(message(&*panic))),
        }
    })
    .await
}
