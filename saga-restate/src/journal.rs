//! What a saga does with Restate's journal, in the order in which it may: one thing at a time.
//!
//! The SDK freezes when two of its futures are polled together (66 of 80 sagas with a group did), so whatever runs at the same
//! time takes turns here. While one attempt is made that is not written down yet, those that wait for their turn are made as well.
//!
//! The other way that does not freeze is a handler of a helper service for each member, all of them called before the first is
//! awaited. Both let 80 of 80 sagas end; `tests/restate/groups.rs` holds the turns to that. They were chosen because the
//! arguments of a step are borrowed and need not be serializable, which those of a called handler have to be; because a called
//! handler is an invocation more for each member; and because of what a cancel leaves. It takes from the SDK only the answer of
//! the `run` in flight, and the attempt goes on here: its answer is written down as an entry of its own, and the other members
//! end in their turns. Nothing is in doubt unless the process dies as well; then the members that are not written down are.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use restate_sdk::context::macro_support::SealedDurableFuture;
use restate_sdk::context::{DurableFuture, RunFuture, RunRetryPolicy};
use restate_sdk::endpoint::ContextInternal;
use restate_sdk::errors::{HandlerResult, TerminalError};

use crate::turns::{Next, Turns};

/// The invocation is cancelled: what was awaited is not known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cancelled;

/// What is written down: JSON.
pub(crate) type Recorded = Vec<u8>;

/// Work whose result is written down.
pub(crate) type Work<'w> = Pin<&'w mut (dyn Future<Output = HandlerResult<Recorded>> + Send)>;

/// The journal of one invocation.
pub(crate) struct Journal {
    context: ContextInternal,
    turns: Turns,
}

/// Longer than any server lives, and no time that clocks don't have.
const LONGEST: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 100);

impl Journal {
    pub(crate) fn new(context: ContextInternal) -> Self {
        Self {
            context,
            turns: Turns::default(),
        }
    }

    /// Does `work` and writes down its result, unless that is written down already. An error of it is retried by Restate,
    /// which ends this invocation and begins it again.
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
                // Whatever runs at the same time asks for its turn before this one goes on: if it is replayed, it would not
                // stop to let them.
                if has_yielded {
                    return Poll::Ready(());
                }
                has_yielded = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            // What has its turn is asked for first, and is not written down yet: then this is not either.
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
            match done {
                Some(done) => {
                    self.turns.begin();
                    done
                }
                None => {
                    poll_fn(|cx| {
                        let polled = work.as_mut().poll(cx);
                        self.turns.begin();
                        polled
                    })
                    .await
                }
            }
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

    /// A promise that somebody resolves.
    pub(crate) fn promise(
        &self,
        name: &str,
    ) -> impl DurableFuture<Output = Result<Recorded, TerminalError>> + Send {
        self.context.promise(name)
    }

    /// Waits for the first of these, and says which it is. Others may do something meanwhile.
    pub(crate) async fn first(&self, handles: &[u32]) -> Result<usize, Cancelled> {
        let wait = self.turns.wait(handles);
        loop {
            if let Next::Over(ended) = poll_fn(|cx| wait.next(cx)).await {
                return ended;
            }
            // Nothing else is under way; but what has just been called may not have begun.
            yield_once().await;
            if let Poll::Ready(Next::Lead(all)) = poll_fn(|cx| Poll::Ready(wait.next(cx))).await {
                let handles = all.iter().map(|handle| (*handle).into()).collect();
                let first = pin!(self.context.select(handles)).await;
                self.turns.over(first.map_err(|_: TerminalError| Cancelled));
            }
        }
    }

    /// Ends all waits, because the saga is cancelled.
    pub(crate) fn cancel_waits(&self) {
        self.turns.over(Err(Cancelled));
    }
}

/// Lets everything else that can go on do so first.
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
