//! The second loop of a coordinator: renews its lease, and releases the claims that nothing here uses.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::coordinator::{BATCH, Shared};
use crate::journal::{Ahead, Claim, Filter, JournalError, Signal, State, Wakeup};
use crate::lock::lock;
use crate::telemetry;

/// The time after the end of a lease that no rounding takes away.
const MARGIN: Duration = Duration::from_millis(2);

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Renews the lease, and cancels the sagas for which a cancellation was requested elsewhere. Ends when the
    /// coordinator has shut down and runs no saga.
    pub(super) async fn renew_leases(self: Arc<Self>) {
        let shutdown = self.tenure.shutdown.clone();
        let mut unused = None;
        let mut looks = Looks::default();
        // The lease has to hold until the last saga has ended after a shutdown.
        while !(shutdown.is_cancelled() && self.running().is_empty()) {
            let asked = Instant::now();
            let definitions = self.definitions_to_run();
            let pause = match self.journal.look(&self.lease, &definitions).await {
                Ok(look) => {
                    self.tenure.extend(asked + self.lease.duration);
                    for id in look.cancelled {
                        if let Some(running) = self.running().get(&id) {
                            running.control.cancel();
                        }
                    }
                    if look.is_asked {
                        self.answer_requests(&mut looks).await;
                    } else {
                        looks.note(false);
                    }
                    self.release_unreleased().await;
                    self.release_unused(&mut unused).await;
                    self.look_ahead(look.ahead).await
                }
                Err(error) => {
                    telemetry::journal_trouble(&error);
                    self.rhythm.after_a_failure()
                }
            };
            if !shutdown.is_cancelled() {
                let pause = looks.pause().min(pause);
                let pause = tokio::time::timeout(pause, self.requests.notified());
                shutdown.run_until_cancelled(pause).await;
            } else if !self.running().is_empty() {
                let _ = tokio::time::timeout(self.rhythm.third(), self.work.notified()).await;
            }
        }
        self.release_unreleased().await;
    }

    /// Wakes the loop that a signal of another process is for. Returns whether this coordinator still listens.
    pub(super) fn hear(&self, signal: Signal) -> bool {
        match signal {
            Signal::Work => self.work.notify_one(),
            Signal::Asked => self.requests.notify_one(),
            Signal::Changed(id) => self.waiters.wake(&id),
        }
        !self.is_shutting_down()
    }

    /// Wakes the dispatcher if there is something to claim. Returns the pause before the next look.
    async fn look_ahead(&self, ahead: Option<Ahead>) -> Duration {
        let Some(ahead) = ahead else {
            return self.rhythm.third();
        };
        self.rhythm.note(ahead.workers);
        if ahead.paused != *lock(&self.paused)
            && let Err(error) = self.read_paused().await
        {
            telemetry::journal_trouble(&error);
        }
        if ahead.is_work {
            self.work.notify_one();
        }
        let pause = self.rhythm.between_looks(self.running().is_empty());
        if !self.rhythm.is_watcher() {
            return pause;
        }
        let soon = ahead.next_rest.filter(|rest| *rest < pause);
        let soon = soon.map(|rest| Wakeup::At(self.policies.clock.now() + rest));
        if soon.is_some_and(|soon| self.alarm.is_next(soon)) {
            self.work.notify_one();
        }
        // A worker that renews in time has more left than this pause: one that has less is gone when it is over.
        ahead
            .next_orphans
            .map_or(pause, |orphans| pause.min(orphans + MARGIN))
    }

    /// Does what other processes have asked for the sagas that run here.
    async fn answer_requests(&self, looks: &mut Looks) {
        let requests = match self.journal.requests(&self.lease.worker).await {
            Ok(requests) => requests,
            Err(error) => return telemetry::journal_trouble(&error),
        };
        let mut has_missed = false;
        for id in requests.called {
            match self.running().get(&id) {
                Some(run) => run.recorder.call(),
                None => has_missed = true,
            }
        }
        let mut delivered = HashMap::new();
        for (id, event) in requests.posted {
            let running = self.running().get(&id).cloned();
            // One that is closed is about to be released: its next claim has the event.
            match running {
                Some(running) if running.recorder.deliver(event.into()) => {
                    delivered.insert(id, running.recorder);
                }
                Some(_) => {}
                None => has_missed = true,
            }
        }
        for recorder in delivered.into_values() {
            // If this fails, the saga is suspended, and the event stays posted.
            self.tasks
                .spawn(async move { drop(recorder.write().await) });
        }
        looks.note(has_missed);
    }

    /// Releases the claims that could not be released before, because the journal did not answer.
    pub(super) async fn release_unreleased(&self) {
        let mut unreleased = std::mem::take(&mut *self.unreleased()).into_iter();
        while let Some(claim) = unreleased.next() {
            let released = self.journal.release(&claim, true, Wakeup::Now).await;
            if released.is_err() {
                // It does not answer yet, and would not answer for the others.
                let mut again = self.unreleased();
                again.push(claim);
                return again.extend(unreleased);
            }
            self.work.notify_one();
        }
    }

    /// Releases claims of this worker that it does not use, because the journal's answer was lost.
    ///
    /// A claim's answer may still be on its way, so a claim is released only if it was already unused some time `before`.
    async fn release_unused(&self, before: &mut Option<Unused>) {
        // Two looks may be close together.
        let is_due = match before {
            Some(before) => before.seen.elapsed() >= self.rhythm.third() / 2,
            None => self.has_lost_claims.swap(false, Ordering::Acquire),
        };
        if !is_due {
            return;
        }
        let Ok(unused) = self.unused_claims().await else {
            self.has_lost_claims.store(true, Ordering::Release);
            return;
        };
        let before_that = before
            .take()
            .map(|before| before.claims)
            .unwrap_or_default();
        let (again, new): (Vec<_>, Vec<_>) = unused
            .into_iter()
            .partition(|claim| before_that.contains(claim));
        self.unreleased().extend(again);
        self.release_unreleased().await;
        *before = (!new.is_empty()).then(|| Unused {
            claims: new,
            seen: Instant::now(),
        });
    }

    /// Lists the claims that this worker holds in the journal for sagas that it does not run.
    async fn unused_claims(&self) -> Result<Vec<Claim>, JournalError> {
        let mut unused = Vec::new();
        for state in [State::Running, State::Compensating, State::Stuck] {
            let mut filter = Filter::default().state(state).limit(BATCH);
            loop {
                let page = self.journal.list(&filter).await?;
                let running = self.running();
                let mine = page.sagas.into_iter().filter_map(|record| {
                    let is_held = record.worker.as_ref() == Some(&self.lease.worker);
                    let (id, epoch) = (record.saga.id, record.epoch);
                    let run = running.get(&id).map(|run| run.recorder.claim());
                    let is_run = run.is_some_and(|claim| claim.epoch == epoch);
                    (is_held && !is_run).then_some(Claim { id, epoch })
                });
                unused.extend(mine);
                match page.next {
                    Some(next) => filter.after = Some(next),
                    None => break,
                }
            }
        }
        Ok(unused)
    }
}

/// Claims that nothing here has used at one time.
struct Unused {
    claims: Vec<Claim>,
    seen: Instant,
}

/// The pauses between looks for requests, while one is for a saga that is held and does not run: it is just being claimed or
/// released.
#[derive(Debug, Default)]
struct Looks(u32);

impl Looks {
    fn note(&mut self, has_missed: bool) {
        self.0 = if has_missed { self.0 + 1 } else { 0 };
    }

    /// The pause before the next look: 10 milliseconds after the first one in vain, and twice as much after each further one.
    fn pause(&self) -> Duration {
        match self.0 {
            0 => Duration::MAX,
            looks => Duration::from_millis(5 << looks.min(16)),
        }
    }
}
