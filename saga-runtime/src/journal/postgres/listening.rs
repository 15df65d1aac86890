//! What other processes tell: one connection listens, as long as a coordinator uses the journal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sqlx::postgres::PgListener;

use crate::journal::postgres::Shared;
use crate::journal::{Listener, Signal};

/// The wait before another attempt, if the server can't be reached. Coordinators poll meanwhile.
const PAUSE: Duration = Duration::from_secs(1);

/// How often a task without news looks if its journal is still in use.
const LOOK: Duration = Duration::from_secs(10);

/// The listeners of the coordinators of this process.
#[derive(Default)]
pub(super) struct Listeners {
    listeners: Mutex<Vec<Listener>>,
    is_started: AtomicBool,
}

impl Listeners {
    pub(super) fn add(&self, listener: Listener) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.push(listener);
    }

    /// Tells all of them, and drops the ones that want no more.
    fn tell(&self, signal: Signal) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener(signal));
    }
}

/// Starts the task that listens, unless it runs. It ends with the journal.
pub(super) fn start(shared: &Arc<Shared>) {
    if !shared.listeners.is_started.swap(true, Ordering::AcqRel) {
        tokio::spawn(listen_for_ever(Arc::downgrade(shared)));
    }
}

async fn listen_for_ever(journal: Weak<Shared>) {
    while let Some(shared) = journal.upgrade() {
        let (pool, channel) = (shared.pool.clone(), shared.schema.channel());
        drop(shared);
        // An error leaves the sagas to the polls.
        let _ = listen(&journal, &pool, &channel).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen(
    journal: &Weak<Shared>,
    pool: &sqlx::PgPool,
    channel: &str,
) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    // What was told before is lost.
    let mut news = None;
    loop {
        let Some(shared) = journal.upgrade() else {
            return Ok(());
        };
        shared.tell(news.as_deref());
        drop(shared);
        news = loop {
            match tokio::time::timeout(LOOK, listener.try_recv()).await {
                Ok(heard) => break heard?.map(|heard| heard.payload().to_owned()),
                Err(_) if journal.strong_count() == 0 => return Ok(()),
                Err(_) => {}
            }
        };
    }
}

impl Shared {
    /// Passes on what was told; nothing: something may have been missed.
    fn tell(&self, news: Option<&str>) {
        let cancelled = news.and_then(|news| news.strip_prefix("cancelled "));
        let is_held = |number: &str| {
            let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
            number
                .parse()
                .is_ok_and(|number: i64| numbers.values().any(|held| *held == number))
        };
        if news.is_none() || cancelled.is_some_and(is_held) {
            self.listeners.tell(Signal::Cancelled);
        }
        // A saga that nobody holds wakes up to be cancelled.
        if !cancelled.is_some_and(is_held) {
            self.listeners.tell(Signal::Work);
        }
    }
}
