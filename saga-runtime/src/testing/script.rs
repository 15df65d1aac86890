//! A scripted participant: a service for tests that remembers keys, keeps a ledger, and fails when it is told to.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::pending;
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::place::IdempotencyKey;

/// The answer of a [`Script`] to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScriptedAnswer {
    /// The effect happens, if it is the first request with its key.
    Does,
    /// Nothing happens, and the request gets an error.
    Refuses,
    /// Nothing happens, and no answer comes.
    Hangs,
    /// The effect happens, and no answer comes.
    DoesAndHangs,
}

/// A line of the ledger of a [`Script`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Asked {
    /// The first request with this key, whose effect has happened.
    First(String),
    /// A repeated request: its effect had happened before.
    Repeated(String),
    /// It was refused.
    Refused(String),
    /// It got no answer and had no effect.
    Hung(String),
    /// Its effect has happened, and it got no answer.
    DoneAndHung(String),
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First(key) => write!(f, "{key}: done"),
            Self::Repeated(key) => write!(f, "{key}: repeated"),
            Self::Refused(key) => write!(f, "{key}: refused"),
            Self::Hung(key) => write!(f, "{key}: no answer"),
            Self::DoneAndHung(key) => write!(f, "{key}: done, and no answer"),
        }
    }
}

/// A participant for tests: it remembers the key of each effect, keeps a ledger, and fails when it is told to. Clones are the
/// same participant.
///
/// ```
/// use saga_runtime::testing::{ScriptedAnswer, Asked, Script};
/// use saga_runtime::{Context, step};
///
/// #[step(compensate = refund, timeout = "3s")]
/// async fn charge(cx: Context<'_, Script>, amount: u64) -> Result<u64, String> {
///     cx.ask("charge", cx.idempotency_key(), amount).await
/// }
///
/// async fn refund(cx: Context<'_, Script>, _payment: &u64) -> Result<(), String> {
///     cx.undo("refund", cx.idempotency_key(), &cx.action_key()).await
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let bank = Script::new();
/// bank.next("charge", ScriptedAnswer::Refuses);
/// let cx = Context::for_test(&bank);
/// assert_eq!(charge(cx, 3).await, Err("refused".to_owned()));
/// assert_eq!(charge(cx, 3).await, Ok(3));
/// assert_eq!(bank.effects().len(), 1);
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Script(Arc<Mutex<Ledger>>);

#[derive(Debug, Default)]
struct Ledger {
    /// The coming answers, by the name of the request.
    answers: HashMap<String, VecDeque<ScriptedAnswer>>,
    lines: Vec<Asked>,
    /// The keys whose effects have happened, and of these the ones that are still there.
    known: Vec<String>,
    effects: Vec<String>,
}

impl Script {
    /// A participant that does all that it is asked for.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an answer for the next request with this name for which there is none yet.
    pub fn next(&self, request: &str, answer: ScriptedAnswer) {
        let mut state = lock(&self.0);
        let answers = state.answers.entry(request.to_owned()).or_default();
        answers.push_back(answer);
    }

    /// Asks for an effect under this key. `value` is the answer to the first and to each repeated request.
    ///
    /// # Errors
    /// `refused`, if the script says so.
    pub async fn ask<T>(&self, request: &str, key: IdempotencyKey, value: T) -> Result<T, String> {
        self.request(request, &key, None).await.map(|()| value)
    }

    /// Asks under this key for the removal of the effect that has happened under the key `action`, if it has.
    ///
    /// # Errors
    /// `refused`, if the script says so.
    pub async fn undo(
        &self,
        request: &str,
        key: IdempotencyKey,
        action: &IdempotencyKey,
    ) -> Result<(), String> {
        self.request(request, &key, Some(action)).await
    }

    /// All requests so far, in order.
    #[must_use]
    pub fn ledger(&self) -> Vec<Asked> {
        lock(&self.0).lines.clone()
    }

    /// The keys of the effects that have happened and are not undone.
    #[must_use]
    pub fn effects(&self) -> Vec<String> {
        lock(&self.0).effects.clone()
    }

    async fn request(
        &self,
        request: &str,
        key: &IdempotencyKey,
        undone: Option<&IdempotencyKey>,
    ) -> Result<(), String> {
        let answer = lock(&self.0).answer(request, key.as_str(), undone);
        match answer {
            ScriptedAnswer::Does => Ok(()),
            ScriptedAnswer::Refuses => Err("refused".to_owned()),
            ScriptedAnswer::Hangs | ScriptedAnswer::DoesAndHangs => pending().await,
        }
    }
}

impl Ledger {
    fn answer(
        &mut self,
        request: &str,
        key: &str,
        undone: Option<&IdempotencyKey>,
    ) -> ScriptedAnswer {
        let coming = self.answers.get_mut(request).and_then(VecDeque::pop_front);
        let answer = coming.unwrap_or(ScriptedAnswer::Does);
        let text = key.to_owned();
        let is_known = self.known.contains(&text);
        if matches!(answer, ScriptedAnswer::Does | ScriptedAnswer::DoesAndHangs) && !is_known {
            self.known.push(text.clone());
            match undone {
                Some(undone) => self.effects.retain(|effect| effect != undone.as_str()),
                None => self.effects.push(text.clone()),
            }
        }
        self.lines.push(match answer {
            ScriptedAnswer::Does if is_known => Asked::Repeated(text),
            ScriptedAnswer::Does => Asked::First(text),
            ScriptedAnswer::Refuses => Asked::Refused(text),
            ScriptedAnswer::Hangs => Asked::Hung(text),
            ScriptedAnswer::DoesAndHangs => Asked::DoneAndHung(text),
        });
        answer
    }
}
