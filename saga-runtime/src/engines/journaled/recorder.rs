//! The record of one saga: events are noted as they happen, and appended together before the next request. Their
//! meaning is in `history.rs`.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Reason;
use crate::escaped::Escaped;
use crate::id::SagaId;
use crate::journal::history::{NOTHING_REQUESTED, ReceivedEvent, ReplayState};
use crate::journal::{AppendError, Claim, Event, Journal, JournalError, StepCall, Wakeup};
use crate::language::EventNames;
use crate::lock::lock;
use crate::meta::RetryPolicy;
use crate::place::Doubt;
use crate::telemetry;

/// The reason for which a coordinator suspends a saga that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Suspension {
    /// The coordinator shuts down; nothing of the saga is under way.
    Shutdown,
    /// Another worker has claimed it.
    Fenced,
    /// It has nothing to do for a while.
    Asleep(Wakeup),
    /// The next attempt to compensate or settle a step comes later, and the earlier steps do not wait for it. The engine
    /// goes on with them: no saga is suspended with this.
    Deferred,
    /// The journal can't be reached, and the lease has run out.
    Unreachable(String),
    /// An operator decides about it; nothing of it is under way.
    Called,
    /// An operator has paused its definition; nothing of it is under way.
    Paused,
    /// It can't go on by itself.
    Stuck(Reason),
    /// It was replayed without effects, and has come to the end of its records.
    Rehearsed,
}

impl fmt::Display for Suspension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asleep(_) | Self::Deferred => {
                f.write_str("it waits for a time, an event or its next attempt")
            }
            Self::Shutdown => f.write_str("the coordinator shuts down"),
            Self::Fenced => f.write_str("another worker has claimed it"),
            Self::Called => f.write_str("an operator decides about it"),
            Self::Paused => f.write_str("an operator has paused its definition"),
            Self::Unreachable(message) => Escaped(message).fmt(f),
            Self::Stuck(reason) => Escaped(&reason.message).fmt(f),
            Self::Rehearsed => f.write_str("its records end here"),
        }
    }
}

impl Suspension {
    /// The outcome of the run, in its span.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Asleep(_) | Self::Deferred => telemetry::RESTS,
            Self::Shutdown => "shut down",
            Self::Fenced => "fenced",
            Self::Unreachable(_) => "journal unavailable",
            Self::Called => "called",
            Self::Paused => "paused",
            Self::Stuck(_) => "stuck",
            Self::Rehearsed => "rehearsed",
        }
    }

    /// The saga is stuck for this reason.
    pub(crate) fn stuck(code: &'static str, message: impl Into<String>) -> Self {
        Self::Stuck(Reason::new(code, message))
    }
}

/// The time until which a worker may act for its sagas, and the signal to stop.
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

    fn lock(&self) -> MutexGuard<'_, Instant> {
        lock(&self.valid_until)
    }
}

/// The events that are not appended yet, and the events that were sent to the saga.
struct Noted {
    events: Vec<Event>,
    inbox: EventInbox,
    /// True once no event may be noted any more.
    is_closed: bool,
}

/// The events that were sent to a saga and have ended no wait.
#[derive(Debug, Default)]
pub(crate) struct EventInbox {
    /// By name: their numbers and payloads, the oldest first.
    events: BTreeMap<Cow<'static, str>, VecDeque<(u64, String)>>,
    /// The number of the next event.
    next: u64,
    /// The names and keys of all events that the saga has not set aside, with their numbers.
    keys: BTreeMap<(Cow<'static, str>, String), u64>,
}

impl EventInbox {
    /// The recorded events.
    pub(crate) fn from_history(history: &ReplayState) -> Self {
        let mut inbox = Self::default();
        for (number, event) in history.untaken() {
            let named = inbox.events.entry(event.name.clone()).or_default();
            named.push_back((number, event.payload.clone()));
        }
        for (number, event) in (0..).zip(history.received()) {
            if let Some(key) = &event.key {
                inbox.keys.insert((event.name.clone(), key.clone()), number);
            }
        }
        inbox.next = history.received().len() as u64;
        inbox
    }

    /// Adds an event. Returns false if it was sent before.
    fn push(&mut self, event: &ReceivedEvent) -> bool {
        let name = &event.name;
        if let Some(key) = &event.key {
            let key = (name.clone(), key.clone());
            if self.keys.contains_key(&key) {
                return false;
            }
            self.keys.insert(key, self.next);
        }
        let named = self.events.entry(name.clone()).or_default();
        named.push_back((self.next, event.payload.clone()));
        self.next += 1;
        true
    }

    /// Takes the oldest event with one of these names: the place of its name, its number and its payload.
    fn take(&mut self, names: EventNames) -> Option<(usize, u64, String)> {
        let oldest = |name: &&str| Some(self.events.get(*name)?.front()?.0);
        let names = names.as_slice().iter();
        let sent = names
            .enumerate()
            .filter_map(|(place, name)| Some((oldest(name)?, place, name)));
        let (_, place, name) = sent.min()?;
        let (number, payload) = self.events.get_mut(*name)?.pop_front()?;
        Some((place, number, payload))
    }

    fn has(&self, name: &str) -> bool {
        self.events.get(name).is_some_and(|named| !named.is_empty())
    }
}

/// The state of the appends.
struct Writes {
    /// The number of the next entry.
    next: u64,
    /// Events submitted but not confirmed. Their caller may have been dropped.
    unanswered: Vec<Event>,
    /// The first write error. All later writes fail with it, because the events that were noted before are lost.
    failed: Option<Box<Suspension>>,
}

/// The recorder of one claimed saga.
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
    /// True if an operator wants to decide about the saga: it is suspended between two attempts.
    is_called: AtomicBool,
    /// True while an operator has paused the definition: the saga is suspended in the same way.
    is_paused: AtomicBool,
    called: Notify,
    /// Called when the decision to undo the saga is recorded.
    on_decision: OnDecision,
    /// The permit of a saga that is tried apart, until it makes progress.
    trial: Mutex<Option<OwnedSemaphorePermit>>,
    /// Set if nothing may have an effect, and nothing is written: the first recorded call that does not fit.
    rehearsal: Option<Box<OnceLock<StepCall>>>,
}

/// A function that is called when the decision to undo a saga is recorded.
pub(crate) type OnDecision = Arc<dyn Fn(&SagaId) + Send + Sync>;

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("claim", &self.claim)
            .finish_non_exhaustive()
    }
}

/// How often an append that fails is repeated during a shutdown: the outcome of a step that has ended is worth half a second.
const TRIES_IN_A_SHUTDOWN: usize = 5;

/// The waits before another append, as long as the lease holds.
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
        on_decision: OnDecision,
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
            trial: Mutex::default(),
            is_called: AtomicBool::new(false),
            is_paused: AtomicBool::new(false),
            called: Notify::new(),
            on_decision,
            rehearsal: None,
        }
    }

    /// The saga may be what ends its process, and is tried apart. An entry, or the end of its run, ends the trial.
    pub(crate) fn begin_trial(&self, trial: OwnedSemaphorePermit) {
        *lock(&self.trial) = Some(trial);
    }

    /// The recorder of a replay without effects: it writes nothing.
    pub(crate) fn rehearsing(
        journal: Arc<dyn Journal>,
        claim: Claim,
        inbox: EventInbox,
        tenure: Arc<Tenure>,
    ) -> Self {
        Self {
            rehearsal: Some(Box::default()),
            ..Self::new(journal, claim, 1, false, inbox, tenure, Arc::new(|_| {}))
        }
    }

    /// Checks that an effect may be requested.
    ///
    /// # Errors
    /// In a replay without effects.
    pub(crate) fn begin_effect(&self) -> Result<(), Suspension> {
        if self.rehearsal.is_some() {
            return Err(Suspension::Rehearsed);
        }
        Ok(())
    }

    /// Keeps the recorded call that does not fit, in a replay without effects. The first one stays.
    pub(crate) fn keep_misfit(&self, recorded: &StepCall) {
        if let Some(rehearsal) = &self.rehearsal {
            rehearsal.get_or_init(|| recorded.clone());
        }
    }

    /// Returns the recorded call that has not fit in a replay without effects.
    pub(crate) fn misfit(&self) -> Option<&StepCall> {
        self.rehearsal.as_ref()?.get()
    }

    /// Suspends the saga for an operator, as soon as no attempt is under way.
    pub(crate) fn call(&self) {
        self.is_called.store(true, Ordering::Release);
        self.called.notify_waiters();
    }

    /// Suspends the saga as soon as no attempt is under way, because its definition is paused, or lets it go on.
    pub(crate) fn set_paused(&self, is_paused: bool) {
        self.is_paused.store(is_paused, Ordering::Release);
        if is_paused {
            self.called.notify_waiters();
        }
    }

    /// The reason to begin no attempt, if there is one.
    pub(crate) fn stop(&self) -> Option<Suspension> {
        if self.tenure.shutdown.is_cancelled() {
            return Some(Suspension::Shutdown);
        }
        if self.is_called.load(Ordering::Acquire) {
            return Some(Suspension::Called);
        }
        let is_paused = self.is_paused.load(Ordering::Acquire);
        is_paused.then_some(Suspension::Paused)
    }

    /// Waits, unless there is a reason to begin no attempt.
    pub(crate) async fn unless_stopped<T>(
        &self,
        waiting: impl Future<Output = T>,
    ) -> Result<T, Suspension> {
        let (called, waiting) = (pin!(self.is_called()), pin!(waiting));
        let waited = select(called, waiting);
        match self.tenure.shutdown.run_until_cancelled(waited).await {
            None => Err(Suspension::Shutdown),
            Some(Either::Left(_)) => Err(self.stop().unwrap_or(Suspension::Paused)),
            Some(Either::Right((waited, _))) => Ok(waited),
        }
    }

    /// Waits until an operator wants to decide about the saga, or has paused its definition.
    async fn is_called(&self) {
        loop {
            let mut called = pin!(self.called.notified());
            // From here on no call is missed.
            called.as_mut().enable();
            let is_called = |flag: &AtomicBool| flag.load(Ordering::Acquire);
            if is_called(&self.is_called) || is_called(&self.is_paused) {
                return;
            }
            called.await;
        }
    }

    /// Delivers no more events here.
    pub(crate) fn close(&self) {
        self.lock().is_closed = true;
    }

    /// Notes that the saga is stuck, and if a step may have been requested whose outcome is not recorded.
    pub(crate) fn note_stuck(&self, reason: Reason) {
        let error = (!self.in_doubt.get()).then(|| NOTHING_REQUESTED.to_owned());
        let reason = Reason { error, ..reason };
        self.note(Event::Stuck { reason });
    }

    pub(crate) fn claim(&self) -> &Claim {
        &self.claim
    }

    /// Notes an event. The next [`write`](Self::write) appends it.
    pub(crate) fn note(&self, mut event: Event) {
        event.cut_text();
        let mut noted = self.lock();
        noted.is_closed |= event.ends_claim();
        noted.events.push(event);
    }

    /// Returns true if the end of the saga is noted: then nothing can follow.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().events.iter().any(Event::ends_claim)
    }

    /// Notes an event that was sent to the saga, unless it was sent before. Returns false if the saga takes no events here any
    /// more.
    pub(crate) fn deliver(&self, event: ReceivedEvent) -> bool {
        let mut noted = self.lock();
        if noted.is_closed {
            return false;
        }
        if !noted.inbox.push(&event) {
            return true;
        }
        let ReceivedEvent { name, payload, key } = event;
        noted.events.push(Event::Received { name, payload, key });
        self.delivered.notify_waiters();
        true
    }

    /// Waits until an event is sent to the saga.
    pub(crate) fn delivery(&self) -> Notified<'_> {
        self.delivered.notified()
    }

    /// Takes the oldest event with one of these names that is not taken yet: the place of its name, its number and its payload.
    pub(crate) fn take_received(&self, names: EventNames) -> Option<(usize, u64, String)> {
        self.lock().inbox.take(names)
    }

    /// Notes that the saga can't read this event. Another one may come under its key.
    pub(crate) fn set_aside(&self, name: &'static str, number: u64, message: String) {
        telemetry::event_set_aside(&self.claim.id, name);
        let mut noted = self.lock();
        noted.inbox.keys.retain(|_, known| *known != number);
        let mut event = Event::EventSetAside {
            name: name.into(),
            number,
            message,
        };
        event.cut_text();
        noted.events.push(event);
    }

    /// Prepares to suspend the saga until one of these events comes: from now on no event is delivered here. Returns
    /// false if one of them has come.
    pub(crate) fn close_until(&self, names: &[&str]) -> bool {
        let mut noted = self.lock();
        let is_there = names.iter().any(|name| noted.inbox.has(name));
        noted.is_closed |= !is_there;
        !is_there
    }

    /// Appends the noted events. Tries again while the journal can't be reached and the lease holds.
    ///
    /// # Errors
    /// The reason for which the saga has to be suspended. The noted events may be appended or not, and nothing is
    /// appended any more.
    ///
    /// # Cancel safety
    /// If the future is dropped, the next write appends its events.
    pub(crate) async fn write(&self) -> Result<(), Suspension> {
        if self.rehearsal.is_some() {
            self.lock().events.clear();
            return Ok(());
        }
        let mut writing = self.writing.lock().await;
        if let Some(suspension) = &writing.failed {
            return Err(Suspension::clone(suspension));
        }
        if !writing.unanswered.is_empty() {
            // The same entries under the same numbers: an append of entries that are there already succeeds.
            self.append(&mut writing, None).await?;
        }
        writing.unanswered = mem::take(&mut self.lock().events);
        if writing.unanswered.is_empty() {
            return Ok(());
        }
        self.append(&mut writing, None).await
    }

    /// Appends the noted events, and releases the claim with them. No step of the saga may run.
    ///
    /// # Errors
    /// As those of [`write`](Self::write). Then the claim may be released or not.
    pub(crate) async fn hand_over(&self) -> Result<(), Suspension> {
        if self.has_ended() {
            // Its last entry ends the claim.
            return self.write().await;
        }
        let mut writing = self.writing.lock().await;
        if let Some(suspension) = &writing.failed {
            return Err(Suspension::clone(suspension));
        }
        if !writing.unanswered.is_empty() {
            self.append(&mut writing, None).await?;
        }
        writing.unanswered = mem::take(&mut self.lock().events);
        if writing.unanswered.is_empty() {
            let released = self.release(Wakeup::Now).await;
            return released.map_err(|error| Suspension::Unreachable(error.to_string()));
        }
        self.append(&mut writing, Some(Wakeup::Now)).await
    }

    /// Appends the events that are not confirmed. With a `rest`, releases the claim as well.
    async fn append(&self, writing: &mut Writes, rest: Option<Wakeup>) -> Result<(), Suspension> {
        let mut waits = RETRY.backoffs();
        let mut tries = 0;
        let suspension = loop {
            tries += 1;
            let events = writing.unanswered.clone();
            let (journal, claim, next) = (&self.journal, &self.claim, writing.next);
            let appending = match rest {
                None => journal.append(claim, next, events),
                Some(rest) => {
                    let in_doubt = self.in_doubt.get();
                    journal.append_and_release(claim, next, events, in_doubt, rest)
                }
            };
            match appending.await {
                Ok(()) => {
                    // Taken: between two writes the saga holds no room for events.
                    let events = mem::take(&mut writing.unanswered);
                    writing.next += events.len() as u64;
                    if events
                        .iter()
                        .any(|event| matches!(event, Event::Compensating { .. }))
                    {
                        (self.on_decision)(&self.claim.id);
                    }
                    lock(&self.trial).take();
                    return Ok(());
                }
                Err(AppendError::Fenced { .. } | AppendError::NotContiguous { .. }) => {
                    break Suspension::Fenced;
                }
                Err(AppendError::Journal(error)) => {
                    let is_late =
                        self.tenure.shutdown.is_cancelled() && tries > TRIES_IN_A_SHUTDOWN;
                    if is_late || self.tenure.is_over() || !error.is_transient() {
                        break Suspension::Unreachable(error.to_string());
                    }
                }
            }
            if let Some(wait) = waits.next() {
                Box::pin(tokio::time::sleep(wait)).await;
            }
        };
        self.lock().is_closed = true;
        writing.failed = Some(Box::new(suspension.clone()));
        Err(suspension)
    }

    /// The doubt about the step after the last entry: an earlier process may have requested it, and the answer is lost.
    pub(crate) fn in_doubt(&self) -> &Doubt {
        &self.in_doubt
    }

    /// Releases the claim. No step of the saga may run.
    pub(crate) async fn release(&self, rest: Wakeup) -> Result<(), JournalError> {
        let in_doubt = self.in_doubt.get();
        self.journal.release(&self.claim, in_doubt, rest).await
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        lock(&self.noted)
    }
}
