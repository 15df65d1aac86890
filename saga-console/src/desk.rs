//! What all requests of a console share: its operator, its settings, its secrets and its limits.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use saga_runtime::operator::{Accepted, Operator, Refusal, SagaCommand, SagaCounts};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// The most pages that follow the journal at the same time.
const MOST_WATCHERS: usize = 64;

/// The time for which counts are not asked for again.
const FRESH: Duration = Duration::from_secs(1);

/// The time over which the pace of sagas is counted.
const WINDOW: Duration = Duration::from_mins(1);

/// The least time after which a pace is told.
const LEAST_SEEN: Duration = Duration::from_secs(2);

/// What a console lets operators do.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) operator: Operator,
    pub(crate) is_writable: bool,
    pub(crate) shows_payloads: bool,
    pub(crate) token: Option<String>,
    pub(crate) commands_per_second: u32,
}

pub(crate) struct Desk {
    pub(crate) operator: Operator,
    pub(crate) is_writable: bool,
    pub(crate) shows_payloads: bool,
    token: Option<String>,
    /// The text that each form of this console has, and no other site knows.
    pub(crate) form_token: String,
    commands: Mutex<Bucket>,
    watchers: Arc<Semaphore>,
    counts: tokio::sync::Mutex<Counted>,
}

/// The counts of the last minute, as far as pages have asked for them: the oldest first.
type Counted = VecDeque<(Instant, SagaCounts)>;

/// The numbers of sagas that start and end in a minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PerMinute {
    pub(crate) started: f64,
    pub(crate) ended: f64,
}

/// A budget of commands that fills itself.
struct Bucket {
    per_second: f64,
    left: f64,
    at: Instant,
}

impl Bucket {
    fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self {
            per_second,
            left: 10.0 * per_second,
            at: Instant::now(),
        }
    }

    /// Takes one command from the budget.
    ///
    /// # Errors
    /// The time after which it has one.
    fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let filled = now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + filled).min(10.0 * self.per_second);
        self.at = now;
        if self.left < 1.0 {
            let wait = (1.0 - self.left) / self.per_second;
            return Err(Duration::from_secs_f64(wait));
        }
        self.left -= 1.0;
        Ok(())
    }
}

impl Desk {
    pub(crate) fn new(console: Settings) -> Self {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).expect("the operating system has random numbers");
        Self {
            operator: console.operator,
            is_writable: console.is_writable,
            shows_payloads: console.shows_payloads,
            token: console.token,
            form_token: hexadecimal(&secret),
            commands: Mutex::new(Bucket::new(console.commands_per_second)),
            watchers: Arc::new(Semaphore::new(MOST_WATCHERS)),
            counts: tokio::sync::Mutex::default(),
        }
    }

    /// Returns whether no token is asked for, or this is it.
    pub(crate) fn admits(&self, given: Option<&[u8]>) -> bool {
        match &self.token {
            None => true,
            Some(token) => given.is_some_and(|given| is_same(given, token)),
        }
    }

    /// Returns whether a form is one of this console.
    pub(crate) fn knows_form(&self, given: &str) -> bool {
        is_same(given.as_bytes(), &self.form_token)
    }

    /// Takes one command from the budget.
    ///
    /// # Errors
    /// The time after which it has one.
    pub(crate) fn take_command(&self) -> Result<(), Duration> {
        let mut bucket = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(Instant::now())
    }

    /// Takes one of the places for pages that follow the journal.
    pub(crate) fn try_watch(&self) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        Arc::clone(&self.watchers).try_acquire_owned()
    }

    /// The counts of a moment ago: many pages ask for them.
    pub(crate) async fn counts(&self) -> Result<SagaCounts, Refusal> {
        Ok(self.counts_and_pace().await?.0)
    }

    /// The counts of a moment ago, and how many sagas start and end in a minute, once pages have asked for a while.
    pub(crate) async fn counts_and_pace(&self) -> Result<(SagaCounts, Option<PerMinute>), Refusal> {
        let mut counted = self.counts.lock().await;
        let fresh = counted
            .back()
            .filter(|(at, _)| at.elapsed() < FRESH)
            .map(|(_, known)| known.clone());
        let known = if let Some(known) = fresh {
            known
        } else {
            let known = self.operator.counts().await?;
            note(&mut counted, Instant::now(), known.clone());
            known
        };
        Ok((known, pace(&counted)))
    }

    /// Pauses a definition, with an audit trail: an event, and the name in the reason.
    pub(crate) async fn pause(
        &self,
        name: &str,
        reason: &str,
        by: &str,
    ) -> Result<Accepted, Refusal> {
        let answer = self.operator.pause(name, &signed(reason, by)?).await;
        audit(&answer, name, by, "pause");
        answer
    }

    /// Resumes a definition, with an event as the audit trail.
    pub(crate) async fn resume(&self, name: &str, by: &str) -> Result<Accepted, Refusal> {
        has_name(by)?;
        let answer = self.operator.resume(name).await;
        audit(&answer, name, by, "resume");
        answer
    }

    /// Removes the sagas that ended before this time, with an event as the audit trail.
    pub(crate) async fn purge(&self, before: SystemTime, by: &str) -> Result<u64, Refusal> {
        has_name(by)?;
        let purged = self.operator.purge(before).await;
        tracing::info!(target: "saga", by, sagas = purged.as_ref().ok(), "operator's purge");
        purged
    }

    /// Carries out a command of this operator, with an audit trail: an event, and the name in the reason.
    pub(crate) async fn command(
        &self,
        id: &str,
        command: &SagaCommand,
        reason: &str,
        by: &str,
    ) -> Result<Accepted, Refusal> {
        let reason = signed(reason, by)?;
        let answer = self.operator.command(id, command, &reason).await;
        let outcome = answer
            .as_ref()
            .map_or_else(|error| &*error.code, |_| "accepted");
        tracing::info!(target: "saga", { saga.id = id, by, %command, outcome }, "operator's command");
        answer
    }
}

fn has_name(by: &str) -> Result<(), Refusal> {
    if by.trim().is_empty() {
        return Err(Refusal::new("no_reason", "a command needs your name"));
    }
    Ok(())
}

fn audit(answer: &Result<Accepted, Refusal>, name: &str, by: &str, command: &str) {
    let outcome = answer
        .as_ref()
        .map_or_else(|error| &*error.code, |_| "accepted");
    tracing::info!(target: "saga", { saga.name = name, by, command, outcome }, "operator's command");
}

/// Notes counts, and forgets the ones that are too old, or that tell nothing any more because sagas were removed.
fn note(counted: &mut Counted, now: Instant, counts: SagaCounts) {
    let tells = |(at, earlier): &(Instant, SagaCounts)| {
        now.duration_since(*at) <= WINDOW && counts.since(earlier).is_some()
    };
    while counted.front().is_some_and(|oldest| !tells(oldest)) {
        counted.pop_front();
    }
    counted.push_back((now, counts));
}

/// The numbers of sagas that start and end in a minute. `None` before a few seconds were seen.
fn pace(counted: &Counted) -> Option<PerMinute> {
    let ((from, earlier), (to, now)) = (counted.front()?, counted.back()?);
    let seen = to.duration_since(*from);
    if seen < LEAST_SEEN {
        return None;
    }
    let (started, ended) = now.since(earlier)?;
    #[expect(clippy::cast_precision_loss, reason = "the pace is rounded for people")]
    let per_minute = |sagas: u64| sagas as f64 * 60.0 / seen.as_secs_f64();
    Some(PerMinute {
        started: per_minute(started),
        ended: per_minute(ended),
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A reason with the name of the operator who gives it.
pub(crate) fn signed(reason: &str, by: &str) -> Result<String, Refusal> {
    let (reason, by) = (reason.trim(), by.trim());
    if reason.is_empty() || by.is_empty() {
        let message = "a command needs a reason and your name: the journal keeps both";
        return Err(Refusal::new("no_reason", message));
    }
    Ok(format!("{reason} (by {by})"))
}

/// Compares a secret in a time that does not depend on where the texts differ.
fn is_same(given: &[u8], secret: &str) -> bool {
    given.ct_eq(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_used_up_and_fills_itself() {
        let mut bucket = Bucket::new(2);
        let now = bucket.at;
        let taken = (0..100).filter(|_| bucket.take(now).is_ok()).count();
        assert_eq!(taken, 20);
        assert_eq!(bucket.take(now), Err(Duration::from_millis(500)));
        let early = bucket.take(now + Duration::from_millis(400));
        let wait = early.expect_err("it has none").as_secs_f64();
        assert!((0.09..0.11).contains(&wait), "{wait}");
        assert_eq!(bucket.take(now + Duration::from_millis(600)), Ok(()));
        let later = now + Duration::from_hours(1);
        let taken = (0..100).filter(|_| bucket.take(later).is_ok()).count();
        assert_eq!(taken, 20);
    }

    #[test]
    fn the_pace_is_that_of_the_last_minute() {
        let counts = |open: u64, completed: u64| -> SagaCounts {
            let counts = serde_json::json!({
                "open": [{"name": "sell", "version": 1, "state": "running", "sagas": open, "oldest": 0}],
                "ended": [["completed", completed]],
            });
            serde_json::from_value(counts).expect("they are counts")
        };
        let mut counted = Counted::new();
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        note(&mut counted, at(0), counts(1000, 0));
        assert_eq!(pace(&counted), None, "one look tells nothing");
        note(&mut counted, at(50), counts(10, 1040));
        let first = pace(&counted).expect("some time was seen");
        assert_eq!((first.started, first.ended), (60.0, 1248.0));
        note(&mut counted, at(100), counts(20, 1040));
        let now = pace(&counted).expect("some time was seen");
        assert_eq!((now.started, now.ended), (12.0, 0.0));
        note(&mut counted, at(110), counts(20, 40));
        assert_eq!(pace(&counted), None, "sagas were removed");
    }

    #[test]
    fn only_the_whole_secret_is_the_same() {
        for wrong in ["", "secre", "secret ", "Secret", "secret\0"] {
            assert!(!is_same(wrong.as_bytes(), "secret"), "{wrong:?}");
        }
        assert!(is_same(b"secret", "secret"));
    }
}
