//! The task of one saga: from its claim to its end or its release.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::attempts::Control;
use crate::coordinator::answer::Answer;
use crate::coordinator::error::{ExecuteError, Stuck};
use crate::coordinator::takeover::OperatorCall;
use crate::coordinator::waiters::AnswerSender;
use crate::coordinator::{Running, Shared};
use crate::engines::control::{Limits, LocalControl};
use crate::engines::journaled::Journaled;
use crate::engines::journaled::recorder::{EventInbox, Recorder, Suspension};
use crate::error::Reason;
use crate::id::SagaId;
use crate::journal::history::{KeptHistory, ReplayState};
use crate::journal::{Claim, Claimed, Damage, NewSaga, PostedEvent, Wakeup};
use crate::meta::SagaMeta;
use crate::panic::{contain, drop_caught};
use crate::place::Instance;
use crate::run::{Saga, SagaEnd};
use crate::telemetry;
use crate::trace::TraceContext;

/// A claimed saga with a slot: all that its task needs apart from its typed input.
#[derive(Debug)]
pub(super) struct Claimant {
    claim: Claim,
    slot: OwnedSemaphorePermit,
    history: KeptHistory,
    next: u64,
    in_doubt: bool,
    /// See [`Claimed::recoveries`].
    recoveries: u32,
    is_cancelled: bool,
    started_at: Option<SystemTime>,
    /// See [`Claimed::posted`].
    posted: Vec<PostedEvent>,
    /// The trace context that is kept with the saga.
    trace: Option<TraceContext>,
    /// The permit of a saga that is tried apart: see [`Suspects`](crate::coordinator::suspects::Suspects).
    pub(super) trial: Option<OwnedSemaphorePermit>,
}

impl Claimant {
    /// Creates the claimant of a saga that was just started.
    pub(super) fn new(
        claim: Claim,
        slot: OwnedSemaphorePermit,
        trace: Option<TraceContext>,
    ) -> Self {
        Self {
            claim,
            slot,
            history: KeptHistory::default(),
            next: 1,
            in_doubt: false,
            recoveries: 0,
            is_cancelled: false,
            started_at: None,
            posted: Vec::new(),
            trace,
            trial: None,
        }
    }

    pub(super) fn id(&self) -> &SagaId {
        &self.claim.id
    }

    /// Returns whether the saga is undone from its record, and not by its body.
    pub(super) fn is_undone_by_record(&self) -> bool {
        self.history.is_undone_by_record()
    }

    /// Creates the claimant of a saga that was claimed from the journal, and returns the start of the saga. With a
    /// damage, the saga can only be parked.
    pub(super) fn from_claimed(
        claimed: Claimed,
        slot: OwnedSemaphorePermit,
    ) -> (Self, NewSaga, Option<Damage>) {
        let (history, damage) = match ReplayState::of_history(claimed.entries) {
            Ok(history) if history.end().is_some() => {
                let message = "the saga has ended with it, and is open all the same";
                let damage = Damage::new(claimed.next.saturating_sub(1), message);
                (ReplayState::default(), Some(damage))
            }
            Ok(history) => (history, None),
            Err(damage) => (ReplayState::default(), Some(damage)),
        };
        let claimant = Self {
            claim: claimed.claim,
            slot,
            history: history.into(),
            next: claimed.next,
            in_doubt: !claimed.orderly,
            recoveries: claimed.recoveries,
            is_cancelled: claimed.record.cancellation.is_some(),
            started_at: Some(claimed.record.started_at),
            posted: claimed.posted,
            trace: claimed.record.saga.trace.clone(),
            trial: None,
        };
        (claimant, claimed.record.saga, damage)
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Runs a saga in a task of its own.
    pub(super) fn spawn<G>(
        self: &Arc<Self>,
        claimant: Claimant,
        saga: G,
        sender: Option<AnswerSender<G>>,
    ) where
        G: Saga<Services = S>,
    {
        let elapsed = |since: SystemTime| self.policies.clock.time_since(since);
        let elapsed = claimant.started_at.map(elapsed).unwrap_or_default();
        let deadline = G::META
            .deadline
            .map(|deadline| deadline.saturating_sub(elapsed));
        let (engine, slot) = self.begin(&G::META, claimant, deadline);
        let run = Arc::clone(self).run(engine, slot, saga, sender);
        // Boxed: otherwise this large future is copied several times on its way into the task.
        self.tasks.spawn_on(Box::pin(run), &self.runtime);
    }

    /// Notes that a claimed saga runs in this process. Returns its engine.
    pub(super) fn begin(
        &self,
        meta: &SagaMeta,
        mut claimant: Claimant,
        deadline: Option<Duration>,
    ) -> (Journaled, OwnedSemaphorePermit) {
        let limits = Limits::new(Some(CancellationToken::new()), deadline);
        let control = LocalControl::new(limits);
        if claimant.history.only_goes_forward() {
            // Before the replay begins: members of a group end in any order, so a step may be replayed before the pivot
            // is.
            control.way_back().close();
        } else if claimant.in_doubt || claimant.history.may_have_done_pivot() {
            // The step that was requested, or that an earlier process may have requested, may be one that can't be undone.
            control.way_back().begin_to_close();
        }
        if claimant.is_cancelled {
            control.cancel();
        }
        let control = Arc::new(control);
        let recorder = self.recorder(&claimant);
        if let Some(trial) = claimant.trial.take() {
            recorder.begin_trial(trial);
        }
        for event in mem::take(&mut claimant.posted) {
            recorder.deliver(event.into());
        }
        let running = Running {
            name: meta.name,
            control: Arc::clone(&control),
            recorder: Arc::clone(&recorder),
        };
        self.running().insert(claimant.claim.id.clone(), running);
        // After that: a pause that comes later finds it among the running ones.
        if self.is_paused(meta.name) {
            recorder.set_paused(true);
        }
        let trace = self.trace_of(claimant.trace);
        let engine = Journaled::new(
            Instance::new(meta.name, Some(claimant.claim.id)).with_trace(trace),
            control,
            claimant.history,
            recorder,
            Arc::clone(&self.policies),
            claimant.recoveries,
            meta,
        );
        (engine, claimant.slot)
    }

    #[expect(
        clippy::manual_async_fn,
        reason = "an `async fn` stores each argument twice, as an argument and as a variable"
    )]
    fn run<G>(
        self: Arc<Self>,
        engine: Journaled,
        slot: OwnedSemaphorePermit,
        saga: G,
        mut sender: Option<AnswerSender<G>>,
    ) -> impl Future<Output = ()> + Send
    where
        G: Saga<Services = S>,
    {
        async move {
            let driven = engine
                .until_idle(contain(saga.drive(&*self.services, &engine)))
                .await;
            let recorder = &engine.recorder;
            let id = &recorder.claim().id;
            let end = driven.unwrap_or_else(|panic| {
                if recorder.has_ended() {
                    // A value panicked while it was dropped. The recorded end stands; callers read it from the journal.
                    sender = None;
                    return SagaEnd::Suspended(Suspension::Fenced);
                }
                // The code of a payload or an error panicked outside of any step.
                let reason = Reason::new("panicked", format!("panicked: {panic}"));
                recorder.note_stuck(reason.clone());
                SagaEnd::Suspended(Suspension::Stuck(reason))
            });
            if let SagaEnd::Suspended(Suspension::Shutdown) = end {
                // The next worker may have gone past the pivot before this task hears that the saga is handed over.
                engine.control.way_back().begin_to_close();
            }
            if let SagaEnd::Suspended(
                Suspension::Asleep(_) | Suspension::Called | Suspension::Paused,
            ) = end
                && let Some(sender) = sender.take()
            {
                // The caller gets its answer after the saga has woken up and ended.
                self.waiters.keep(id, sender);
            }
            let answer = self.finish(id, recorder, end).await;
            drop(slot);
            if engine.control.is_cancelled() {
                // The cancellation may have come after the saga went to sleep: then the dispatcher claims it now.
                self.work.notify_one();
            }
            match sender {
                Some(sender) => sender.send(answer),
                None => drop_caught(answer),
            }
            self.waiters.wake(id);
        }
    }

    /// Records the end of the run, and releases the saga.
    async fn finish<G: Saga>(
        &self,
        id: &SagaId,
        recorder: &Recorder,
        end: SagaEnd<G, Suspension>,
    ) -> Answer<G> {
        if let SagaEnd::Suspended(Suspension::Called | Suspension::Paused | Suspension::Shutdown) =
            end
        {
            // An event that came later would be recorded beside the operator's decision, or after the claim.
            recorder.close();
        }
        let shuts_down = matches!(end, SagaEnd::Suspended(Suspension::Shutdown));
        let written = if shuts_down {
            recorder.hand_over().await
        } else {
            recorder.write().await
        };
        let is_handed_over = shuts_down && written.is_ok();
        self.no_longer_running(recorder.claim());
        // From here on no operator calls this run.
        let call = self.calls().remove(id);
        let suspension = match written {
            Ok(()) => match end {
                SagaEnd::Completed(output) => return Ok(output),
                SagaEnd::Failed(error) if error.is_final() => {
                    return Err(ExecuteError::Failed(error));
                }
                SagaEnd::Failed(error) => {
                    let reason = error.stuck_because();
                    telemetry::stuck(id, &reason.code);
                    return Err(ExecuteError::Stuck(Stuck::new(
                        id,
                        reason.message,
                        Some(error),
                    )));
                }
                SagaEnd::Suspended(suspension) => suspension,
            },
            Err(suspension) => {
                drop_caught(end);
                suspension
            }
        };
        if !is_handed_over {
            self.suspend(id, recorder, call, &suspension).await;
        }
        Err(match suspension {
            Suspension::Stuck(reason) => ExecuteError::Stuck(Stuck::new(id, &reason.message, None)),
            suspension => ExecuteError::InProgress {
                id: id.clone(),
                why: suspension.to_string(),
                state: None,
                waits: Vec::new(),
            },
        })
    }

    /// Suspends a run that has not ended the saga.
    pub(super) async fn suspend(
        &self,
        id: &SagaId,
        recorder: &Recorder,
        call: Option<OperatorCall>,
        suspension: &Suspension,
    ) {
        match suspension {
            Suspension::Stuck(reason) => telemetry::stuck(id, &reason.code),
            Suspension::Shutdown | Suspension::Deferred => {
                self.release(recorder, Wakeup::Now).await;
            }
            Suspension::Paused => {
                self.release(recorder, Wakeup::Now).await;
                // It may have been resumed meanwhile.
                self.work.notify_one();
            }
            // Boxed: it is large, and rare.
            Suspension::Called => Box::pin(self.hand_to_operator(recorder, call)).await,
            Suspension::Asleep(wakeup) => {
                self.release(recorder, *wakeup).await;
                if self.alarm.is_next(*wakeup) {
                    self.work.notify_one();
                }
            }
            // Releasing a claim that is lost already does no harm.
            Suspension::Unreachable(_) | Suspension::Fenced | Suspension::Rehearsed => {
                self.unreleased().push(recorder.claim().clone());
            }
        }
    }

    /// Removes the saga from the running ones, unless it runs again under a later claim: another worker may have taken
    /// it over, and this one claimed it back.
    pub(super) fn no_longer_running(&self, claim: &Claim) {
        let mut running = self.running();
        let run = running.get(&claim.id);
        if run.is_some_and(|run| run.recorder.claim() == claim) {
            running.remove(&claim.id);
        }
        if running.is_empty() && self.is_shutting_down() {
            // The lease need not hold any longer.
            self.work.notify_one();
        }
    }

    pub(super) async fn release(&self, recorder: &Recorder, wakeup: Wakeup) {
        if recorder.release(wakeup).await.is_err() {
            self.unreleased().push(recorder.claim().clone());
        }
    }

    /// Parks a saga that can't run: records that it is stuck, and why.
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
            recorder.note_stuck(reason);
            if recorder.write().await.is_err() {
                inner.unreleased().push(claimant.claim);
            }
            inner.waiters.drop_sender(&id);
            inner.waiters.wake(&id);
        });
    }

    /// Releases a claimed saga without running it.
    pub(super) fn put_back(self: &Arc<Self>, claimant: Claimant, wakeup: Wakeup) {
        let inner = Arc::clone(self);
        self.tasks.spawn(async move {
            let released = inner
                .journal
                .release(&claimant.claim, claimant.in_doubt, wakeup);
            if released.await.is_err() {
                inner.unreleased().push(claimant.claim);
            } else if inner.alarm.is_next(wakeup) {
                inner.work.notify_one();
            }
        });
    }

    fn recorder(&self, claimant: &Claimant) -> Arc<Recorder> {
        Arc::new(Recorder::new(
            Arc::clone(&self.journal),
            claimant.claim.clone(),
            claimant.next,
            claimant.in_doubt,
            EventInbox::from_history(&claimant.history),
            Arc::clone(&self.tenure),
            Arc::clone(&self.on_decision),
        ))
    }
}
