//! What all requests of a console share: its operator, its settings, its secrets and its limits.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use saga_runtime::operator::{Accepted, Operator, Refusal, SagaCommand, SagaCounts};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

/// The most pages that follow the journal at the same time.
const MOST_WATCHERS: usize = 64;

/// The time for which counts are not asked for again.
const FRESH: Duration = Duration::from_secs(1);

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
    counts: tokio::sync::Mutex<Option<(Instant, SagaCounts)>>,
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

    /// Takes one command from the budget, if it has one.
    fn take(&mut self, now: Instant) -> bool {
        let filled = now.duration_since(self.at).as_secs_f64() * self.per_second;
        self.left = (self.left + filled).min(10.0 * self.per_second);
        self.at = now;
        let is_there = self.left >= 1.0;
        if is_there {
            self.left -= 1.0;
        }
        is_there
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
    pub(crate) fn admits(&self, given: Option<&str>) -> bool {
        match &self.token {
            None => true,
            Some(token) => given.is_some_and(|given| is_same(given, token)),
        }
    }

    /// Returns whether a form is one of this console.
    pub(crate) fn knows_form(&self, given: &str) -> bool {
        is_same(given, &self.form_token)
    }

    /// Takes one command from the budget, if it has one.
    pub(crate) fn takes_command(&self) -> bool {
        let mut bucket = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(Instant::now())
    }

    /// Takes one of the places for pages that follow the journal.
    pub(crate) fn try_watch(&self) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        Arc::clone(&self.watchers).try_acquire_owned()
    }

    /// The counts of a moment ago: many pages ask for them.
    pub(crate) async fn counts(&self) -> Result<SagaCounts, Refusal> {
        let mut counts = self.counts.lock().await;
        match &*counts {
            Some((at, known)) if at.elapsed() < FRESH => Ok(known.clone()),
            _ => {
                let known = self.operator.counts().await?;
                *counts = Some((Instant::now(), known.clone()));
                Ok(known)
            }
        }
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
fn is_same(given: &str, secret: &str) -> bool {
    given.as_bytes().ct_eq(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_used_up_and_fills_itself() {
        let mut bucket = Bucket::new(2);
        let now = bucket.at;
        let taken = (0..100).filter(|_| bucket.take(now)).count();
        assert_eq!(taken, 20);
        assert!(!bucket.take(now + Duration::from_millis(400)));
        assert!(bucket.take(now + Duration::from_millis(600)));
        let later = now + Duration::from_hours(1);
        assert_eq!((0..100).filter(|_| bucket.take(later)).count(), 20);
    }

    #[test]
    fn only_the_whole_secret_is_the_same() {
        for wrong in ["", "secre", "secret ", "Secret", "secret\0"] {
            assert!(!is_same(wrong, "secret"), "{wrong:?}");
        }
        assert!(is_same("secret", "secret"));
    }
}
