//! The services of the recorded sagas: they log the idempotency key of each request, and answer as a test tells them to.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use saga_runtime::Context;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// The answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Succeeds,
    Refuses,
    Panics,
    Never,
}

#[derive(Debug, Default)]
struct State {
    asked: Vec<String>,
    answers: HashMap<String, VecDeque<Answer>>,
    held: HashSet<String>,
}

/// Clones are the same desk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desk {
    state: Arc<Mutex<State>>,
    is_asked: Arc<Notify>,
}

/// The error of every step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused(pub(crate) String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} was refused", self.0)
    }
}

impl std::error::Error for Refused {}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the answers to the next requests under a key. The last one stays; without one, every request succeeds.
    pub(crate) fn answers(&self, key: String, answers: &[Answer]) {
        let answers = answers.iter().copied().collect();
        self.state().answers.insert(key, answers);
    }

    /// The keys of all requests for one saga, in order.
    pub(crate) fn asked(&self, saga: &str) -> Vec<String> {
        let prefix = format!("{saga}/");
        let state = self.state();
        let asked = state
            .asked
            .iter()
            .filter_map(|key| key.strip_prefix(&prefix));
        asked.map(ToOwned::to_owned).collect()
    }

    /// Waits until a request under this key gets no answer.
    pub(crate) async fn is_held(&self, key: &str) {
        loop {
            let asked = self.is_asked.notified();
            if self.state().held.contains(key) {
                return;
            }
            asked.await;
        }
    }

    fn answer(&self, key: &str) -> Option<Answer> {
        let mut state = self.state();
        state.asked.push(key.to_owned());
        let answers = state.answers.get_mut(key)?;
        let answer = match answers.len() {
            0 | 1 => answers.front().copied(),
            _ => answers.pop_front(),
        };
        if answer == Some(Answer::Never) {
            state.held.insert(key.to_owned());
        }
        answer
    }
}

/// Asks the desk for the effect that the attempt is for, and returns the key of that effect.
pub(super) async fn ask(cx: Context<'_, Desk>) -> Result<String, Refused> {
    let key = cx.idempotency_key().to_string();
    let answer = cx.answer(&key);
    cx.is_asked.notify_waiters();
    match answer {
        None | Some(Answer::Succeeds) => Ok(key),
        Some(Answer::Refuses) => Err(Refused(key)),
        Some(Answer::Panics) => std::panic::resume_unwind(Box::new(format!("{key} broke"))),
        Some(Answer::Never) => std::future::pending().await,
    }
}

/// Asks for a compensation of the effect that has this output.
pub(super) async fn undo(cx: Context<'_, Desk>, output: &str) -> Result<(), Refused> {
    assert_eq!(
        cx.action_key().as_str(),
        output,
        "a compensation gets the output of its own step"
    );
    ask(cx).await.map(drop)
}

/// The saga's key as it stands before the keys of its steps.
pub(super) fn key(id: &str) -> String {
    let visible = |byte: u8| (0x21..=0x7e).contains(&byte) && byte != b'%' && byte != b'/';
    id.bytes().fold(String::new(), |mut key, byte| {
        if visible(byte) {
            key.push(byte.into());
        } else {
            write!(key, "%{byte:02X}").expect("writing to a `String` never fails");
        }
        key
    })
}
