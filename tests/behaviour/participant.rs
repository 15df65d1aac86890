//! A service that records its requests. A test sets its answers.

mod answer;
mod asking;
mod hold;
mod refusal;
mod state;

use std::future::pending;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use saga_runtime::SagaError;
use saga_runtime::coordinator::Registrable;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::answer::Answer;
pub(crate) use self::asking::{act, read, resolve, undo};
pub(crate) use self::hold::Hold;
pub(crate) use self::refusal::Refusal;
use self::state::State;
use crate::engine;

/// Longer than anything here takes. Where time is paused, a test that waits in vain fails at once.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

/// The services of most sagas here. Clones are the same participant.
#[derive(Debug, Clone)]
pub(crate) struct Participant {
    /// Cancels the sagas that [`Participant::run_cancellable`] runs.
    pub(crate) cancellation: CancellationToken,
    /// The engine knows of the cancellation.
    pub(crate) heard: CancellationToken,
    since: Instant,
    state: Arc<Mutex<State>>,
}

/// One thing that the participant was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// `charge`, `undo charge` or `resolve charge`.
    pub(crate) what: String,
    /// The key of the request.
    pub(crate) key: String,
    /// The key of the step that the request belongs to.
    pub(crate) action_key: String,
    /// Which attempt it was.
    pub(crate) attempt: u32,
    /// The id of the saga that asked.
    pub(crate) saga_id: String,
    /// When it came, since the participant was made.
    pub(crate) at: Duration,
}

/// The effect of a step: its output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Effect {
    /// The name of the effect.
    pub(crate) what: String,
    /// No two effects have the same number.
    pub(crate) number: u32,
}

impl Participant {
    /// A participant that answers every request with success.
    pub(crate) fn new() -> Self {
        crate::begin();
        Self {
            cancellation: CancellationToken::new(),
            heard: CancellationToken::new(),
            since: Instant::now(),
            state: Arc::default(),
        }
    }

    /// Sets the answers to the next requests for `what`, or under the key `what`, one each. Later requests succeed.
    pub(crate) fn answers(self, what: &str, answers: impl IntoIterator<Item = Answer>) -> Self {
        self.state()
            .next
            .entry(what.to_owned())
            .or_default()
            .extend(answers);
        self
    }

    /// When all other answers are used up it answers like this for ever.
    pub(crate) fn always(self, what: &str, answer: Answer) -> Self {
        self.state().always.insert(what.to_owned(), answer);
        self
    }

    /// Cancels the saga when the request for `what` with this number comes, counted from 1.
    pub(crate) fn cancels_at(self, what: &str, number: usize) -> Self {
        self.state().cancels_at = Some((what.to_owned(), number));
        self
    }

    /// From now on it answers finally per key: it never refuses a request that it has done, whatever answers are set.
    pub(crate) fn consistent(self) -> Self {
        self.state().is_consistent = true;
        self
    }

    /// Holds the next request for `what` until the test releases it.
    pub(crate) fn holds(&self, what: &str) -> Hold {
        let hold = Hold::new();
        self.state().holds.insert(what.to_owned(), hold.clone());
        hold
    }

    /// Runs `saga` under the id `saga`.
    pub(crate) async fn run<G>(&self, saga: G) -> Result<G::Output, SagaError<G::Error>>
    where
        G: Registrable<Self>,
    {
        ends(engine::run(self, saga, None)).await
    }

    /// Runs `saga` under the id `saga`, so that [`Participant::cancellation`] cancels it.
    pub(crate) async fn run_cancellable<G>(&self, saga: G) -> Result<G::Output, SagaError<G::Error>>
    where
        G: Registrable<Self>,
    {
        ends(engine::run(self, saga, Some(self.cancellation.clone()))).await
    }

    /// All requests, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        let state = self.state();
        state.requests.iter().map(|one| one.what.clone()).collect()
    }

    /// All requests, in order.
    pub(crate) fn all_requests(&self) -> Vec<Request> {
        self.state().requests.clone()
    }

    /// The requests for `what`, in order.
    pub(crate) fn requests(&self, what: &str) -> Vec<Request> {
        let state = self.state();
        let found = state.requests.iter().filter(|one| one.what == what);
        found.cloned().collect()
    }

    /// The waits between the requests for `what`.
    pub(crate) fn waits(&self, what: &str) -> Vec<Duration> {
        let requests = self.requests(what);
        requests
            .windows(2)
            .map(|pair| pair[1].at.saturating_sub(pair[0].at))
            .collect()
    }

    /// The effects that are not undone, in the order in which they happened.
    pub(crate) fn left(&self) -> Vec<String> {
        let state = self.state();
        let left = state.effects.iter();
        left.map(|(_, effect)| effect.what.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics under the lock")
    }

    /// Answers one request; `act` is its effect.
    async fn answer<T>(
        &self,
        request: Request,
        act: impl FnOnce(&mut State, &Request) -> T + Send,
    ) -> Result<T, Refusal> {
        let (answer, hold, cancels) = {
            let mut state = self.state();
            let cancels = state.comes(&request);
            if cancels {
                self.cancellation.cancel();
            }
            let hold = state.holds.remove(&request.what);
            (state.answer(&request), hold, cancels)
        };
        if cancels && engine::HEARS_LATER {
            self.heard.cancelled().await;
        }
        match hold {
            Some(hold) => hold.hold().await,
            None => tokio::task::yield_now().await,
        }
        let acted = answer.acts().then(|| act(&mut self.state(), &request));
        let what = request.what;
        match answer {
            Answer::Done => Ok(acted.expect("it acts when it says that it is done")),
            Answer::Refused => Err(Refusal::Refused(what)),
            Answer::Busy | Answer::BusyButDone => Err(Refusal::Busy(what)),
            Answer::Unclear | Answer::UnclearButDone => Err(Refusal::Unclear(what)),
            Answer::Silent | Answer::SilentButDone => pending().await,
            Answer::Panics | Answer::PanicsButDone => {
                resume_unwind(Box::new(format!("{what} broke")))
            }
        }
    }
}

/// Fails where `future` would never end.
pub(crate) async fn ends<T>(future: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(FOR_EVER, future).await;
    ended.expect("what a test waits for happens")
}
