//! Pauses: an operator stops all sagas of a definition, and lets them go on later.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::coordinator::{Coordinator, Shared};
use crate::journal::{JournalError, Pause, SagaVersion};
use crate::lock::lock;
use crate::telemetry;

impl<S: ?Sized + Send + Sync + 'static> Coordinator<S> {
    /// Pauses a definition in every process on this journal, until it is [resumed](Self::resume): no saga of it begins an attempt,
    /// forward or to undo a step. Attempts under way end, and their outcomes are recorded; then their sagas wait as rows. New
    /// sagas are recorded, and wait. The pause and its reason survive restarts; of two reasons the newer one stays.
    ///
    /// `name` is the durable name of the saga: `place_order`. It need not be registered here. Deadlines and waits run on.
    ///
    /// Other processes hear of it when they look at the journal again: at once on Postgres, otherwise within a third of the
    /// [lease](crate::coordinator::Builder::lease).
    ///
    /// # Errors
    /// If the journal can't be reached, or can't pause definitions.
    ///
    /// # Cancel safety
    /// Once polled, the call takes effect also if the future is dropped.
    pub async fn pause(&self, name: &str, reason: &str) -> Result<(), JournalError> {
        let inner = Arc::clone(&self.inner);
        let (name, reason) = (name.to_owned(), reason.to_owned());
        let pausing = async move {
            inner.journal.pause(&name, &reason).await?;
            inner.read_paused().await
        };
        self.inner.detached(pausing).await
    }

    /// Lets the sagas of a paused definition go on. Returns `false` if it was not paused.
    ///
    /// # Errors
    /// If the journal can't be reached.
    ///
    /// # Cancel safety
    /// Once polled, the call takes effect also if the future is dropped.
    pub async fn resume(&self, name: &str) -> Result<bool, JournalError> {
        let inner = Arc::clone(&self.inner);
        let name = name.to_owned();
        let resuming = async move {
            let is_resumed = inner.journal.resume(&name).await?;
            inner.read_paused().await?;
            Ok(is_resumed)
        };
        self.inner.detached(resuming).await
    }

    /// The paused definitions, by name.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub async fn paused(&self) -> Result<Vec<Pause>, JournalError> {
        self.inner.journal.paused().await
    }
}

impl<S: ?Sized + Send + Sync + 'static> Shared<S> {
    /// Returns whether the definition with this name is paused, as far as this process knows.
    pub(super) fn is_paused(&self, name: &str) -> bool {
        lock(&self.paused).contains(name)
    }

    /// Reads which definitions are paused. The sagas of them that run here are suspended when their attempts have ended.
    pub(super) async fn read_paused(&self) -> Result<(), JournalError> {
        // One after the other: an older answer must not come behind a newer one.
        let _reading = self.reading_paused.lock().await;
        let paused = self.journal.paused().await?;
        let paused: BTreeSet<_> = paused.into_iter().map(|pause| pause.name).collect();
        {
            let mut known = lock(&self.paused);
            if *known == paused {
                return Ok(());
            }
            for name in paused.difference(&known) {
                telemetry::paused(name);
            }
            for name in known.difference(&paused) {
                telemetry::resumed(name);
            }
            *known = paused;
        }
        // A saga that begins to run after this looks itself.
        for running in self.running().values() {
            running.recorder.set_paused(self.is_paused(running.name));
        }
        self.work.notify_one();
        Ok(())
    }

    /// The registered definitions that are not paused.
    pub(super) async fn definitions_to_claim(&self) -> Vec<SagaVersion> {
        if let Err(error) = self.read_paused().await {
            telemetry::journal_trouble(&error);
        }
        self.definitions_to_run()
    }

    /// The registered definitions that are not paused, as far as this process knows.
    pub(super) fn definitions_to_run(&self) -> Vec<SagaVersion> {
        let mut definitions = self.definitions.versions();
        definitions.retain(|definition| !self.is_paused(definition.name));
        definitions
    }
}
