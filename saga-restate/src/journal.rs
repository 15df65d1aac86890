//! The saga's use of Restate's journal: one thing at a time, in an order that a replay repeats.
//!
//! The SDK freezes when two of its futures are polled together (66 of 80 sagas with a group did), so calls that run at
//! the same time take turns here. While an attempt without a record is made, the attempts that wait for their turn are
//! made as well.
//!
//! Another way does not freeze either: a handler of a helper service for each member, with all handlers called before
//! the first is awaited. Both let 80 of 80 sagas end; `tests/restate/groups.rs` holds the turns to that. Turns were
//! chosen for three reasons. The arguments of a step are borrowed and need not be serializable, while those of a called
//! handler have to be. A called handler is one more invocation for each member. And a cancel takes from the SDK only
//! the answer of the `run` in flight, while the attempt goes on here: its answer becomes an entry of its own, and the
//! other members end in their turns. No step is in doubt unless the process dies as well; then the members without a
//! record are.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use restate_sdk::context::macro_support::SealedDurableFuture;
use restate_sdk::context::{DurableFuture, RunFuture, RunRetryPolicy};
use restate_sdk::endpoint::ContextInternal;
use restate_sdk::errors::{HandlerResult, TerminalError};

use crate::exchange::Exchange;
use crate::form::Form;
use crate::inbox::Inbox;
use crate::turns::{Cancelled, Next, Turns};

/// A recorded result: JSON.
pub(crate) type Recorded = Vec<u8>;

/// Work whose result is recorded.
pub(crate) type Work<'w> = Pin<&'w mut (dyn Future<Output = HandlerResult<Recorded>> + Send)>;

/// The journal of one invocation.
pub(crate) struct Journal {
    context: ContextInternal,
    exchange: Arc<Exchange>,
    turns: Turns,
    inbox: Inbox,
    /// True once this process has done work without a record.
    has_worked: AtomicBool,
}

/// A time longer than any server lives, but not one that clocks don't have.
const LONGEST: Duration = Duration::from_hours(24 * 365 * 100);

impl Journal {
    pub(crate) fn new(context: ContextInternal, exchange: Arc<Exchange>, form: Form) -> Self {
        Self {
            context,
            exchange,
            turns: Turns::default(),
            inbox: Inbox::new(form),
            has_worked: AtomicBool::new(false),
        }
    }

    /// Returns true if a process has ended in the work that this one does first, if that is without a record.
    pub(crate) fn begins_after_crash(&self) -> bool {
        self.exchange.retries() > 0 && !self.has_worked.load(Ordering::Relaxed)
    }

    /// Returns true if this process has done work without a record.
    pub(crate) fn has_worked(&self) -> bool {
        self.has_worked.load(Ordering::Relaxed)
    }

    /// Resolves a promise of the workflow.
    pub(crate) fn resolve(&self, name: &str, value: Recorded) {
        self.context.resolve_promise(name, value);
    }

    /// Sets a part of the workflow's state.
    pub(crate) fn set(&self, name: &str, value: Recorded) {
        self.context.set(name, value);
    }

    /// Removes a part of the workflow's state.
    pub(crate) fn clear(&self, name: &str) {
        self.context.clear(name);
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub(crate) fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// Does `work` and records its result, or returns the recorded result. Restate retries an error of `work`: it ends
    /// this invocation and begins it again.
    pub(crate) async fn run(
        &self,
        entry: &str,
        retry: Option<RunRetryPolicy>,
        mut work: Work<'_>,
    ) -> Result<Recorded, Cancelled> {
        let turn = self.turns.queue();
        let mut done = None;
        let mut has_begun = false;
        let mut has_yielded = false;
        poll_fn(|cx| {
            if turn.has_come(cx) {
                // The other calls of the group ask for their turns before this one goes on. During a replay it would
                // not stop to let them.
                if has_yielded {
                    return Poll::Ready(());
                }
                has_yielded = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // The call whose turn it is does work without a record. So this call, which comes later, has no record
            // either.
            has_begun |= self.turns.has_begun();
            if done.is_none()
                && has_begun
                && let Poll::Ready(result) = work.as_mut().poll(cx)
            {
                done = Some(result);
            }
            Poll::Pending
        })
        .await;
        let work = async {
            let mut work = work;
            let worked = match done {
                Some(done) => {
                    self.turns.begin_work();
                    done
                }
                None => {
                    poll_fn(|cx| {
                        let polled = work.as_mut().poll(cx);
                        self.turns.begin_work();
                        polled
                    })
                    .await
                }
            };
            self.has_worked.store(true, Ordering::Relaxed);
            worked
        };
        let mut run = self.context.run(|| work).name(entry);
        if let Some(retry) = retry {
            run = run.retry_policy(retry);
        }
        // The work never fails for good, so this is the cancellation.
        let written = run.await.map_err(|_: TerminalError| Cancelled);
        drop(turn);
        written
    }

    /// A timer that Restate keeps.
    pub(crate) fn timer(&self, delay: Duration) -> u32 {
        self.context.sleep(delay.min(LONGEST)).handle().into()
    }

    /// A promise that another invocation resolves.
    pub(crate) fn promise(
        &self,
        name: &str,
    ) -> impl DurableFuture<Output = Result<Recorded, TerminalError>> + Send {
        self.context.promise(name)
    }

    /// Waits for the first of these handles and returns its index. Other calls may run meanwhile.
    pub(crate) async fn first(&self, handles: &[u32]) -> Result<usize, Cancelled> {
        self.first_of(handles, None).await
    }

    /// The same for a wait of the inbox. Meanwhile it may be handed more promises: their handles come after these.
    pub(crate) async fn first_event(&self, handles: &[u32], wait: u64) -> Result<usize, Cancelled> {
        self.first_of(handles, Some(wait)).await
    }

    async fn first_of(&self, handles: &[u32], events: Option<u64>) -> Result<usize, Cancelled> {
        let wait = self.turns.wait(handles, events);
        loop {
            if let Next::Over(ended) = poll_fn(|cx| wait.next(cx)).await {
                return ended;
            }
            // No other call is under way; but one that has just been made may not have begun.
            yield_once().await;
            if let Poll::Ready(Next::Lead) = poll_fn(|cx| Poll::Ready(wait.next(cx))).await {
                // All calls wait, so a replay asks for the same promises at the same point.
                let ask = |promise: &str| self.promise(promise).handle().into();
                let all = self.turns.lead(self.inbox.hand_on(ask));
                let handles = all.iter().map(|handle| (*handle).into()).collect();
                let rest = self.exchange.rest();
                let first = pin!(self.context.select(handles)).await;
                drop(rest);
                self.turns
                    .end_waits(first.map_err(|_: TerminalError| Cancelled));
            }
        }
    }

    /// Ends all waits, because the saga is cancelled.
    pub(crate) fn cancel_waits(&self) {
        self.turns.end_waits(Err(Cancelled));
    }
}

/// Lets every other future that can go on do so first.
async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if has_yielded {
            return Poll::Ready(());
        }
        has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
