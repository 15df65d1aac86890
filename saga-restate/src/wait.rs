//! Waits: for a time, which Restate keeps, and for an event, which is a promise that `send` resolves.

use std::time::Duration;

use restate_sdk::context::macro_support::SealedDurableFuture;
use saga_runtime::engine::{Control, Escaped, Interruption, ReadEvent, Wait, WaitEnd};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::invocation::{Invocation, Suspended};
use crate::lock::lock;

/// The value of an event's promise.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    /// The invocation that sent it.
    pub(crate) by: String,
    /// The time at which it was sent, in milliseconds since 1970.
    pub(crate) at: u64,
    /// The value of the event.
    pub(crate) value: Box<RawValue>,
}

/// The name of the promise of the event `name` with this number, counted from 0.
pub(crate) fn promise(name: &str, number: u32) -> String {
    format!("event/{name}/{number}")
}

/// The possible ends of a wait.
#[derive(Clone, Copy)]
enum Winner {
    Event,
    Limit(Duration),
    Deadline,
}

impl Invocation {
    /// Waits until the time is over, or the saga is cancelled.
    pub(crate) async fn pause(&self, delay: Duration) {
        if self
            .journal
            .first(&[self.journal.timer(delay)])
            .await
            .is_err()
        {
            self.interrupt(Interruption::Cancelled);
        }
    }

    /// Waits until the time is over, even if the saga is cancelled.
    pub(crate) async fn rest(&self, delay: Duration) {
        let timer = self.journal.timer(delay);
        while self.journal.first(&[timer]).await.is_err() {
            self.interrupt(Interruption::Cancelled);
        }
    }

    pub(crate) async fn wait_until_over(
        &self,
        wait: Wait,
        read: ReadEvent<'_>,
    ) -> WaitEnd<Suspended> {
        if let Some(interruption) = self.interruption() {
            return WaitEnd::Stopped(interruption.into());
        }
        match wait.event {
            None => self
                .wait_for(&self.ends(wait.limit), None)
                .await
                .unwrap_or(WaitEnd::TimedOut),
            Some(event) => self.wait_for_event(event, wait.limit, read).await,
        }
    }

    /// Waits for the first event that can be read. One that can't be read is set aside: it keeps its promise, and its
    /// number is used up.
    async fn wait_for_event(
        &self,
        event: &'static str,
        limit: Option<Duration>,
        read: ReadEvent<'_>,
    ) -> WaitEnd<Suspended> {
        let mut ends = None;
        loop {
            let number = self.next_number(event);
            let name = promise(event, number);
            let sent = self.journal.promise(&name);
            let ends = ends.get_or_insert_with(|| self.ends(limit));
            if let Some(end) = self.wait_for(ends, Some(sent.handle().into())).await {
                let mut events = lock(&self.events);
                events.entry(event).or_default().free.insert(number);
                return end;
            }
            let unread = match sent.await {
                Ok(sent) => match serde_json::from_slice::<Sent>(&sent) {
                    Ok(sent) => {
                        self.clock.advance_to(sent.at);
                        match read(sent.value.get()) {
                            Ok(()) => return WaitEnd::Received(sent.value.get().to_owned()),
                            Err(unread) => unread,
                        }
                    }
                    Err(unread) => unread.to_string(),
                },
                Err(rejected) => rejected.message().to_owned(),
            };
            tracing::warn!(
                target: "saga",
                { saga.id = %self.instance.id(), event = name, error = %Escaped(&unread) },
                "event set aside"
            );
        }
    }

    /// The number of the event for which a wait begins.
    fn next_number(&self, event: &'static str) -> u32 {
        let mut events = lock(&self.events);
        let numbers = events.entry(event).or_default();
        numbers.free.pop_first().unwrap_or_else(|| {
            numbers.next += 1;
            numbers.next - 1
        })
    }

    /// The timers of a wait with this limit.
    fn ends(&self, limit: Option<Duration>) -> Vec<(Winner, u32)> {
        let limit = limit.map(|limit| (Winner::Limit(limit), self.journal.timer(limit)));
        let deadline = self
            .time_to_deadline()
            .map(|left| (Winner::Deadline, self.journal.timer(left)));
        limit.into_iter().chain(deadline).collect()
    }

    /// Waits for the first end. Returns `None` if the event has come.
    async fn wait_for(
        &self,
        ends: &[(Winner, u32)],
        event: Option<u32>,
    ) -> Option<WaitEnd<Suspended>> {
        let event = event.map(|handle| (Winner::Event, handle));
        let ends: Vec<_> = event.into_iter().chain(ends.iter().copied()).collect();
        let handles: Vec<_> = ends.iter().map(|(_, handle)| *handle).collect();
        loop {
            let Ok(index) = self.journal.first(&handles).await else {
                self.interrupt(Interruption::Cancelled);
                match self.interruption() {
                    Some(interruption) => return Some(WaitEnd::Stopped(interruption.into())),
                    None => continue,
                }
            };
            return match ends.get(index).map(|(end, _)| *end) {
                Some(Winner::Event) => None,
                Some(Winner::Deadline) => {
                    self.interrupt(Interruption::DeadlineExceeded);
                    let cause = Interruption::DeadlineExceeded.into();
                    Some(WaitEnd::Stopped(cause))
                }
                Some(Winner::Limit(limit)) => {
                    self.clock.advance_by(limit);
                    Some(WaitEnd::TimedOut)
                }
                None => Some(WaitEnd::TimedOut),
            };
        }
    }
}
