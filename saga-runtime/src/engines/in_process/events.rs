//! Events for sagas that run in process.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::language::EventName;
use crate::lock::lock;

/// The mailbox of a saga that runs in process: see [`InProcess::receives`](crate::InProcess::receives). Clones share
/// it.
#[derive(Clone, Default)]
pub struct Events(Arc<Mailbox>);

#[derive(Default)]
struct Mailbox {
    events: Mutex<HashMap<&'static str, VecDeque<String>>>,
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
        self.events()
            .entry(name.name())
            .or_default()
            .push_back(json);
        self.0.sent.notify_waiters();
        Ok(())
    }

    /// Takes the next event with this name. Waits until one is sent.
    pub(crate) async fn take(&self, name: &str) -> String {
        loop {
            let sent = self.0.sent.notified();
            let next = self.events().get_mut(name).and_then(VecDeque::pop_front);
            if let Some(json) = next {
                return json;
            }
            sent.await;
        }
    }

    fn events(&self) -> MutexGuard<'_, HashMap<&'static str, VecDeque<String>>> {
        lock(&self.0.events)
    }
}
