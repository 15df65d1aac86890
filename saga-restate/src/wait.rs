//! Waits: for a time, which Restate keeps, and for events, each of which is a promise that `send` resolves.

use std::time::Duration;

use restate_sdk::context::macro_support::SealedDurableFuture;
use saga_runtime::engine::{Control, Interruption, ReadEvent, Wait, WaitEnd};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::inbox::{Asked, Open};
use crate::invocation::{Invocation, Suspended};

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

/// The possible ends of a wait.
#[derive(Clone, Copy)]
enum Winner {
    Event(usize),
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
        self.wait_for_events(wait, read).await
    }

    /// Waits for the first event that can be read, or for the time alone. An event that can't be read is set aside: it keeps its
    /// promise, and its number is used up. The promises of the events that do not end the wait are left for later ones.
    async fn wait_for_events(&self, wait: Wait, read: ReadEvent<'_>) -> WaitEnd<Suspended> {
        let names = wait.events.as_slice().iter().copied().enumerate();
        let names = names.filter(|(place, name)| wait.events.position(name) == Some(*place));
        let open = self.journal.inbox().wait(names.map(|(_, name)| name));
        let mut ends = None;
        loop {
            let promises: Vec<_> = open.asked().iter().map(Asked::promise).collect();
            let promises = promises.iter().map(|name| self.journal.promise(name));
            let mut promises: Vec<_> = promises.collect();
            let ends = ends.get_or_insert_with(|| self.ends(wait.limit));
            let handles: Vec<_> = promises.iter().map(|one| one.handle().into()).collect();
            let came = match self.wait_for(ends, &handles, &open).await {
                Ok(came) => came,
                Err(end) => {
                    open.end();
                    return end;
                }
            };
            let Some(asked) = open.take(came) else {
                open.end();
                return WaitEnd::TimedOut;
            };
            let sent = if came < promises.len() {
                promises.swap_remove(came).await
            } else {
                self.journal.promise(&asked.promise()).await
            };
            let sent = sent.ok();
            let sent = sent.and_then(|sent| serde_json::from_slice::<Sent>(&sent).ok());
            if let Some(sent) = sent {
                self.clock.advance_to(sent.at);
                let place = wait.events.position(asked.name).unwrap_or_default();
                if read(place, sent.value.get()).is_ok() {
                    open.end();
                    return WaitEnd::Received {
                        event: place,
                        json: sent.value.get().to_owned(),
                    };
                }
            }
            // The reason may quote the value.
            tracing::warn!(
                target: "saga",
                { saga.id = %self.instance.id(), event = asked.name },
                "event set aside"
            );
            open.ask(came, asked.name);
        }
    }

    /// The timers of a wait with this limit.
    fn ends(&self, limit: Option<Duration>) -> Vec<(Winner, u32)> {
        let limit = limit.map(|limit| (Winner::Limit(limit), self.journal.timer(limit)));
        let deadline = self
            .time_to_deadline()
            .map(|left| (Winner::Deadline, self.journal.timer(left)));
        limit.into_iter().chain(deadline).collect()
    }

    /// Waits for the first end. Returns the place of the event that has come, in what the wait has asked for: `events` are the handles of
    /// that, before it is handed more.
    async fn wait_for(
        &self,
        ends: &[(Winner, u32)],
        events: &[u32],
        open: &Open<'_>,
    ) -> Result<usize, WaitEnd<Suspended>> {
        let numbered = events.iter().enumerate();
        let numbered = numbered.map(|(number, handle)| (Winner::Event(number), *handle));
        let ends: Vec<_> = numbered.chain(ends.iter().copied()).collect();
        loop {
            let handles = ends.iter().map(|(_, handle)| *handle);
            let handles: Vec<_> = handles.chain(open.handed(events.len())).collect();
            let Ok(index) = self.journal.first_event(&handles, open.number).await else {
                self.interrupt(Interruption::Cancelled);
                match self.interruption() {
                    Some(interruption) => return Err(WaitEnd::Stopped(interruption.into())),
                    None => continue,
                }
            };
            return match ends.get(index).map(|(end, _)| *end) {
                Some(Winner::Event(number)) => Ok(number),
                Some(Winner::Deadline) => {
                    self.interrupt(Interruption::DeadlineExceeded);
                    let cause = Interruption::DeadlineExceeded.into();
                    Err(WaitEnd::Stopped(cause))
                }
                Some(Winner::Limit(limit)) => {
                    self.clock.advance_by(limit);
                    Err(WaitEnd::TimedOut)
                }
                // What it was handed comes after its ends.
                None => Ok(events.len() + index - ends.len()),
            };
        }
    }
}
