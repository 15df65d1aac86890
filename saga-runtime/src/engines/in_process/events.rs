//! Events for sagas that run in process.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::language::{EventName, EventNames};
use crate::lock::lock;

/// The mailbox of a saga that runs in process: see [`InProcess::receives`](crate::InProcess::receives). Clones share
/// it.
#[derive(Clone, Default)]
pub struct Events(Arc<Mailbox>);

#[derive(Default)]
struct Mailbox {
    /// The names and values of the events that no wait has taken, the oldest first.
    events: Mutex<VecDeque<(&'static str, String)>>,
    sent: Notify,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    /// An empty mailbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends an event: it ends one wait for it, now or later.
    ///
    /// # Errors
    /// If `value` can't be serialized.
    pub fn send<T>(&self, name: EventName<T>, value: &T) -> serde_json::Result<()> {
        let json = name.write(value)?;
        self.events().push_back((name.name(), json));
        self.0.sent.notify_waiters();
        Ok(())
    }

    /// Takes the next event with one of these names: its place among them, and its value. Waits until one is sent.
    pub(crate) async fn take(&self, names: EventNames) -> (usize, String) {
        loop {
            let sent = self.0.sent.notified();
            if let Some(taken) = self.take_sent(names) {
                return taken;
            }
            sent.await;
        }
    }

    fn take_sent(&self, names: EventNames) -> Option<(usize, String)> {
        let mut events = self.events();
        let mut places = events.iter().map(|(name, _)| names.position(name));
        let number = places.position(|place| place.is_some())?;
        let (name, json) = events.remove(number)?;
        Some((names.position(name)?, json))
    }

    fn events(&self) -> MutexGuard<'_, VecDeque<(&'static str, String)>> {
        lock(&self.0.events)
    }
}
