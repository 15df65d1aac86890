//! What other processes tell: one connection listens, as long as a coordinator uses the journal.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sqlx::postgres::PgListener;

use crate::id::SagaId;
use crate::journal::postgres::Shared;
use crate::journal::postgres::text::restored;
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
    fn tell(&self, signal: &Signal) {
        let mut listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|listener| listener(signal.clone()));
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
        let Some(news) = news else {
            self.listeners.tell(&Signal::Asked);
            self.listeners.tell(&Signal::Work);
            return;
        };
        if let Some(number) = news.strip_prefix("asked ") {
            if self.may_hold(number) {
                self.listeners.tell(&Signal::Asked);
            }
        } else if let Some(id) = news.strip_prefix("changed ") {
            if let Ok(id) = SagaId::new(restored(id.to_owned())) {
                self.listeners.tell(&Signal::Changed(id));
            }
        } else {
            self.listeners.tell(&Signal::Work);
        }
    }

    /// Returns whether this process holds the saga with this number, or may be about to.
    fn may_hold(&self, number: &str) -> bool {
        let numbers = self.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        self.claiming.load(Ordering::Acquire) > 0
            || number
                .parse()
                .is_ok_and(|number: i64| numbers.values().any(|held| *held == number))
    }
}
