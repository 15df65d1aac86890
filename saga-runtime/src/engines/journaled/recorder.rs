//! Writes down what one saga does: events are noted as they happen, and written together before the next request.
//! What they mean is `history.rs`.

use std::borrow::Cow;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Reason;
use crate::journal::history::ReplayState;
use crate::journal::{AppendError, Claim, Event, Journal, JournalError, Wakeup};
use crate::meta::RetryPolicy;
use crate::place::Doubt;

/// Why a coordinator lets go of a saga that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Suspension {
    /// The coordinator shuts down; nothing of the saga is under way.
    Shutdown,
    /// Somebody else has claimed it.
    Fenced,
    /// It has nothing to do for a while.
    Asleep(Wakeup),
    /// The journal can't be reached, and the lease has run out.
    Unreachable(String),
    /// It can't go on by itself.
    Stuck(Reason),
}

impl fmt::Display for Suspension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asleep(_) => f.write_str("it waits for a time or an event"),
            Self::Shutdown => f.write_str("the coordinator shuts down"),
            Self::Fenced => f.write_str("somebody else has taken it over"),
            Self::Unreachable(message) => f.write_str(message),
            Self::Stuck(reason) => f.write_str(&reason.message),
        }
    }
}

impl Suspension {
    /// The saga is stuck for this reason.
    pub(crate) fn stuck(code: &'static str, message: impl Into<String>) -> Self {
        Self::Stuck(Reason::new(code, message))
    }
}

/// For how long a worker may act for the sagas that it holds, and whether it is about to stop.
#[derive(Debug)]
pub(crate) struct Tenure {
    valid_until: Mutex<Instant>,
    pub(crate) shutdown: CancellationToken,
}

impl Tenure {
    pub(crate) fn new(valid_until: Instant) -> Self {
        Self {
            valid_until: Mutex::new(valid_until),
            shutdown: CancellationToken::new(),
        }
    }

    /// The journal has extended the lease.
    pub(crate) fn extend(&self, until: Instant) {
        *self.lock() = until;
    }

    fn is_over(&self) -> bool {
        *self.lock() <= Instant::now()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.valid_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has happened and is not written yet, and what was sent to the saga.
struct Noted {
    events: Vec<Event>,
    inbox: EventInbox,
    /// Whether nothing is noted any more.
    is_closed: bool,
}

/// The events that were sent to a saga.
#[derive(Debug, Default)]
pub(crate) struct EventInbox {
    events: Vec<(Cow<'static, str>, String)>,
    /// The numbers of those that have ended a wait.
    taken: Vec<u64>,
}

impl EventInbox {
    /// What is written down of them.
    pub(crate) fn of(history: &ReplayState) -> Self {
        let (events, taken) = history.received();
        Self { events, taken }
    }

    /// The oldest event with this name that is not taken yet.
    fn next(&self, name: &str) -> Option<u64> {
        let numbered = self.events.iter().zip(0..);
        let mut numbered =
            numbered.filter(|((one, _), number)| one == name && !self.taken.contains(number));
        numbered.next().map(|(_, number)| number)
    }
}

/// What is being written.
struct Writes {
    /// The number of the next entry.
    next: u64,
    /// What was taken to be written, and is not known to be: whoever waited for that may have stopped waiting.
    unanswered: Vec<Event>,
    /// Why nothing can be written any more. Whoever comes later is told so as well: what was noted before is lost.
    failed: Option<Suspension>,
}

/// The entries of one saga that is held.
pub(crate) struct Recorder {
    journal: Arc<dyn Journal>,
    claim: Claim,
    tenure: Arc<Tenure>,
    noted: Mutex<Noted>,
    /// An event was sent to the saga.
    delivered: Notify,
    /// Held while entries are written, so that they stay in order.
    writing: tokio::sync::Mutex<Writes>,
    in_doubt: Doubt,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}

/// How long the recorder waits before it tries again to write, as long as the lease holds.
const RETRY: RetryPolicy =
    RetryPolicy::UNTIL_SUCCESS.backoff(Duration::from_millis(20), Duration::from_secs(1));

impl Recorder {
    pub(crate) fn new(
        journal: Arc<dyn Journal>,
        claim: Claim,
        next: u64,
        in_doubt: bool,
        inbox: EventInbox,
        tenure: Arc<Tenure>,
    ) -> Self {
        Self {
            journal,
            claim,
            tenure,
            noted: Mutex::new(Noted {
                events: Vec::new(),
                inbox,
                is_closed: false,
            }),
            delivered: Notify::new(),
            writing: tokio::sync::Mutex::new(Writes {
                next,
                unanswered: Vec::new(),
                failed: None,
            }),
            in_doubt: Doubt::new(in_doubt),
        }
    }

    pub(crate) fn claim(&self) -> &Claim {
        &self.claim
    }

    pub(crate) fn tenure(&self) -> &Tenure {
        &self.tenure
    }

    /// Notes what has happened; it is written with the next [`write`](Self::write).
    pub(crate) fn note(&self, event: Event) {
        let mut noted = self.lock();
        noted.is_closed |= event.ends_claim();
        noted.events.push(event);
    }

    /// Whether the end of the saga is noted: then nothing can follow.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().events.iter().any(Event::ends_claim)
    }

    /// Notes that an event was sent to the saga; `false` if the saga does not take anything here any more.
    pub(crate) fn deliver(&self, name: Cow<'static, str>, payload: String) -> bool {
        let mut noted = self.lock();
        if noted.is_closed {
            return false;
        }
        noted.inbox.events.push((name.clone(), payload.clone()));
        noted.events.push(Event::Received { name, payload });
        self.delivered.notify_waiters();
        true
    }

    /// Waits until an event is sent to the saga.
    pub(crate) fn delivery(&self) -> Notified<'_> {
        self.delivered.notified()
    }

    /// Takes the oldest event with this name that is not taken yet.
    pub(crate) fn take_received(&self, name: &str) -> Option<(u64, String)> {
        let inbox = &mut self.lock().inbox;
        let number = inbox.next(name)?;
        inbox.taken.push(number);
        let (_, payload) = &inbox.events[usize::try_from(number).ok()?];
        Some((number, payload.clone()))
    }

    /// The saga is about to be let go of until this event comes: from now on nothing is delivered here. `false` if it has
    /// come.
    pub(crate) fn rest(&self, name: Option<&str>) -> bool {
        let mut noted = self.lock();
        let is_there = name.is_some_and(|name| noted.inbox.next(name).is_some());
        noted.is_closed |= !is_there;
        !is_there
    }

    /// Writes what was noted. Tries again while the journal can't be reached and the lease holds.
    ///
    /// # Errors
    /// Why the saga has to be let go of. What was noted may be written or not, and nothing is written any more.
    ///
    /// # Cancel safety
    /// What a future that is dropped was about to write is written by the next one.
    pub(crate) async fn write(&self) -> Result<(), Suspension> {
        let mut writing = self.writing.lock().await;
        if let Some(suspension) = &writing.failed {
            return Err(suspension.clone());
        }
        if !writing.unanswered.is_empty() {
            // The same entries under the same numbers: if they are there, that is fine.
            self.append(&mut writing).await?;
        }
        writing.unanswered = mem::take(&mut self.lock().events);
        if writing.unanswered.is_empty() {
            return Ok(());
        }
        self.append(&mut writing).await
    }

    /// Appends what is not known to be written.
    async fn append(&self, writing: &mut Writes) -> Result<(), Suspension> {
        let mut waits = RETRY.backoffs();
        let suspension = loop {
            let events = writing.unanswered.clone();
            match self.journal.append(&self.claim, writing.next, events).await {
                Ok(()) => {
                    writing.next += writing.unanswered.len() as u64;
                    writing.unanswered.clear();
                    return Ok(());
                }
                Err(AppendError::Fenced { .. } | AppendError::NotContiguous { .. }) => {
                    break Suspension::Fenced;
                }
                Err(AppendError::Journal(error)) => {
                    let is_over = self.tenure.is_over() || self.tenure.shutdown.is_cancelled();
                    if is_over || !error.is_transient() {
                        break Suspension::Unreachable(error.to_string());
                    }
                }
            }
            if let Some(wait) = waits.next() {
                tokio::time::sleep(wait).await;
            }
        };
        self.lock().is_closed = true;
        writing.failed = Some(suspension.clone());
        Err(suspension)
    }

    /// Whether the step after the last entry may have been requested, and its answer is not known.
    pub(crate) fn in_doubt(&self) -> &Doubt {
        &self.in_doubt
    }

    /// Lets go of the saga, while nothing of it is under way.
    pub(crate) async fn release(&self, rest: Wakeup) -> Result<(), JournalError> {
        let in_doubt = self.in_doubt.get();
        self.journal.release(&self.claim, in_doubt, rest).await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
