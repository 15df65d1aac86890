//! The task of a saga that an operator undoes from its record, without a run of its body.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument, Span};

use crate::coordinator::Shared;
use crate::coordinator::task::Claimant;
use crate::engines::journaled::Journaled;
use crate::engines::journaled::recorder::Suspension;
use crate::journal::{Claimed, NewSaga};
use crate::lock::lock;
use crate::meta::SagaMeta;
use crate::panic::contain;
use crate::telemetry;

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Undoes a saga whose claim an operator has, as soon as there is a free slot.
    pub(super) fn undo_taken(self: &Arc<Self>, claimed: Claimed) {
        let inner = Arc::clone(self);
        self.tasks.spawn_on(
            async move {
                if let Ok(slot) = Arc::clone(&inner.slots).acquire_owned().await {
                    inner.resume(claimed, slot);
                }
            },
            &self.runtime,
        );
    }

    /// Undoes a saga in a task of its own.
    pub(super) fn undo(self: &Arc<Self>, claimant: Claimant, saga: &NewSaga) {
        let mut meta = SagaMeta::new(interned(&saga.name));
        if let Some(definition) = self.definitions.of_saga(&saga.name, saga.version) {
            let own = definition.meta();
            meta = meta
                .on_compensation_failure(own.on_compensation_failure)
                .policy(own.policy);
        }
        let (engine, slot) = self.begin(&meta, claimant, None);
        let undoing = Arc::clone(self).undo_all(engine, saga.version, slot);
        self.tasks.spawn_on(Box::pin(undoing), &self.runtime);
    }

    async fn undo_all(
        self: Arc<Self>,
        engine: Journaled,
        version: u32,
        slot: OwnedSemaphorePermit,
    ) {
        let recorder = &engine.recorder;
        let id = &recorder.claim().id;
        let span = if telemetry::is_off() {
            Span::none()
        } else {
            telemetry::saga_span(&engine.instance)
        };
        let undoing = engine.undo(&*self.services, version, &self.definitions.steps);
        let undone = engine
            .until_idle(contain(undoing.instrument(span.clone())))
            .await
            .unwrap_or_else(|panic| {
                // The code of a step has panicked outside of any attempt.
                let suspension = Suspension::stuck("panicked", format!("panicked: {panic}"));
                if let Suspension::Stuck(reason) = &suspension {
                    recorder.note_stuck(reason.clone());
                }
                Err(suspension)
            });
        let outcome = match &undone {
            Ok(error) if error.is_final() => "compensated",
            Ok(_) => "stuck",
            Err(suspension) => suspension.outcome(),
        };
        telemetry::record_outcome(&span, outcome);
        drop(span);
        if let Err(Suspension::Called | Suspension::Paused | Suspension::Shutdown) = undone {
            recorder.close();
        }
        let written = recorder.write().await;
        self.no_longer_running(recorder.claim());
        let call = self.calls().remove(id);
        match written.and(undone) {
            Ok(error) if error.is_final() => {}
            Ok(error) => telemetry::stuck(id, &error.stuck_because().code),
            Err(suspension) => self.suspend(id, recorder, call, &suspension).await,
        }
        drop(slot);
        self.waiters.drop_sender(id);
        self.waiters.wake(id);
        self.work.notify_one();
    }
}

/// The durable name of a saga, for as long as the process lives: its definition may not be registered. There are few of them.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = lock(&NAMES);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    name
}
