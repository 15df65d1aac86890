//! The order in which calls use the journal. It depends on the records only, so that a replay has the same one.
//!
//! Calls that record something come first, in the order in which they asked. If every call waits, for a time or an
//! event, then one of them waits for all.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use crate::inbox::Handed;
use crate::lock::lock;

/// The invocation is cancelled, and the result that it awaited is lost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cancelled;

/// The turns in one saga.
#[derive(Default)]
pub(crate) struct Turns(Mutex<State>);

#[derive(Default)]
struct State {
    last: u64,
    queue: VecDeque<u64>,
    /// True if the first call in the queue does work without a record.
    has_begun: bool,
    waits: Vec<Waiting>,
    wakers: Vec<Waker>,
}

struct Waiting {
    ticket: u64,
    /// The number of the wait in the inbox, if it waits for events.
    events: Option<u64>,
    handles: Vec<u32>,
    over: Option<Result<usize, Cancelled>>,
}

impl State {
    fn ticket(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    fn sleeps(&mut self, waker: &Waker) {
        if !self.wakers.iter().any(|known| known.will_wake(waker)) {
            self.wakers.push(waker.clone());
        }
    }
}

impl Turns {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// The call whose turn it is begins work without a record.
    pub(crate) fn begin_work(&self) {
        let mut state = self.state();
        if !state.has_begun {
            state.has_begun = true;
            state.wake();
        }
    }

    /// Returns true if the call whose turn it is does work without a record.
    pub(crate) fn has_begun(&self) -> bool {
        self.state().has_begun
    }

    /// Asks for a turn.
    pub(crate) fn queue(&self) -> Turn<'_> {
        let mut state = self.state();
        let ticket = state.ticket();
        state.queue.push_back(ticket);
        Turn {
            turns: self,
            ticket,
        }
    }

    /// Begins to wait for one of these handles.
    pub(crate) fn wait(&self, handles: &[u32], events: Option<u64>) -> Wait<'_> {
        let mut state = self.state();
        let ticket = state.ticket();
        state.waits.push(Waiting {
            ticket,
            events,
            handles: handles.to_vec(),
            over: None,
        });
        Wait {
            turns: self,
            ticket,
        }
    }

    /// Adds what waits were handed, and returns the handles of all waits.
    pub(crate) fn lead(&self, handed: Vec<Handed>) -> Vec<u32> {
        let mut state = self.state();
        for Handed { wait, handle } in handed {
            let waiting = state.waits.iter_mut();
            for waiting in waiting.filter(|waiting| waiting.events == Some(wait)) {
                waiting.handles.push(handle);
            }
        }
        let all = state.waits.iter().flat_map(|wait| wait.handles.clone());
        all.collect()
    }

    /// Ends the wait for the first of all handles, or all waits.
    pub(crate) fn end_waits(&self, first: Result<usize, Cancelled>) {
        let mut state = self.state();
        match first {
            Err(cancelled) => {
                for wait in &mut state.waits {
                    wait.over.get_or_insert(Err(cancelled));
                }
            }
            Ok(mut index) => {
                for wait in &mut state.waits {
                    if index < wait.handles.len() {
                        wait.over = Some(Ok(index));
                        break;
                    }
                    index -= wait.handles.len();
                }
            }
        }
        state.wake();
    }
}

/// A turn that was asked for. It ends when this is dropped.
pub(crate) struct Turn<'t> {
    turns: &'t Turns,
    ticket: u64,
}

impl Turn<'_> {
    /// Returns true if it is this call's turn.
    pub(crate) fn has_come(&self, cx: &Context<'_>) -> bool {
        let mut state = self.turns.state();
        let has_come = state.queue.front() == Some(&self.ticket);
        if !has_come {
            state.sleeps(cx.waker());
        }
        has_come
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        if state.queue.front() == Some(&self.ticket) {
            state.has_begun = false;
        }
        state.queue.retain(|ticket| *ticket != self.ticket);
        state.wake();
    }
}

/// The next thing for a wait to do.
pub(crate) enum Next {
    /// Its handle with this index has come, or it ends.
    Over(Result<usize, Cancelled>),
    /// It waits for the handles of all waits.
    Lead,
}

/// A wait that has begun. It ends when this is dropped.
pub(crate) struct Wait<'t> {
    turns: &'t Turns,
    ticket: u64,
}

impl Wait<'_> {
    pub(crate) fn next(&self, cx: &Context<'_>) -> Poll<Next> {
        let mut state = self.turns.state();
        let first = state.waits.first().map(|wait| wait.ticket);
        let is_idle = state.queue.is_empty() && state.waits.iter().all(|wait| wait.over.is_none());
        let own = state.waits.iter().find(|wait| wait.ticket == self.ticket);
        let Some(own) = own else {
            return Poll::Ready(Next::Over(Err(Cancelled)));
        };
        if let Some(over) = own.over {
            return Poll::Ready(Next::Over(over));
        }
        if first == Some(self.ticket) && is_idle {
            return Poll::Ready(Next::Lead);
        }
        state.sleeps(cx.waker());
        Poll::Pending
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        state.waits.retain(|wait| wait.ticket != self.ticket);
        state.wake();
    }
}
