//! Waits: for a time, which Restate keeps, and for events, each of which is a promise that `send` resolves.

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
    Event(usize),
    Limit(Duration),
    Deadline,
}

/// An event that a wait has asked for.
struct Asked {
    /// Its place in the wait.
    place: usize,
    name: &'static str,
    /// The number of its promise.
    number: u32,
}

impl Asked {
    fn promise(&self) -> String {
        promise(self.name, self.number)
    }
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
        let mut asked: Vec<_> = names.map(|(place, name)| self.ask(place, name)).collect();
        let mut ends = None;
        loop {
            let promises: Vec<_> = asked.iter().map(Asked::promise).collect();
            let promises = promises.iter().map(|name| self.journal.promise(name));
            let mut promises: Vec<_> = promises.collect();
            let ends = ends.get_or_insert_with(|| self.ends(wait.limit));
            let handles: Vec<_> = promises.iter().map(|one| one.handle().into()).collect();
            let came = match self.wait_for(ends, &handles).await {
                Ok(came) => came,
                Err(end) => {
                    self.leave(&asked);
                    return end;
                }
            };
            let Asked { place, name, .. } = asked.remove(came);
            let unread = match promises.swap_remove(came).await {
                Ok(sent) => match serde_json::from_slice::<Sent>(&sent) {
                    Ok(sent) => {
                        self.clock.advance_to(sent.at);
                        match read(place, sent.value.get()) {
                            Ok(()) => {
                                self.leave(&asked);
                                return WaitEnd::Received {
                                    event: place,
                                    json: sent.value.get().to_owned(),
                                };
                            }
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
            asked.insert(came, self.ask(place, name));
        }
    }

    /// Takes the number of the next event with this name.
    fn ask(&self, place: usize, name: &'static str) -> Asked {
        let number = self.next_number(name);
        Asked {
            place,
            name,
            number,
        }
    }

    /// Leaves the promises of events that have not ended a wait for later waits.
    fn leave(&self, asked: &[Asked]) {
        let mut events = lock(&self.events);
        for one in asked {
            events.entry(one.name).or_default().free.insert(one.number);
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

    /// Waits for the first end. Returns the number of the event in `events` that has come.
    async fn wait_for(
        &self,
        ends: &[(Winner, u32)],
        events: &[u32],
    ) -> Result<usize, WaitEnd<Suspended>> {
        let events = events.iter().enumerate();
        let events = events.map(|(number, handle)| (Winner::Event(number), *handle));
        let ends: Vec<_> = events.chain(ends.iter().copied()).collect();
        let handles: Vec<_> = ends.iter().map(|(_, handle)| *handle).collect();
        loop {
            let Ok(index) = self.journal.first(&handles).await else {
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
                None => Err(WaitEnd::TimedOut),
            };
        }
    }
}
