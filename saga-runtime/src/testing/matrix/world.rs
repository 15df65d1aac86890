//! The world around the saga of a case: it sends what the saga waits for, cancels the saga, and ends its process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::coordinator::{Coordinator, OperatorError};
use crate::engines::journaled::faults::{Arrival, Fault, Moment};
use crate::lock::lock;

/// The time after which an event that does not come is given up.
const GIVEN_UP: Duration = Duration::from_hours(7 * 24);

/// The values of the events, by name: for the first wait, the second, and so on. The last holds for all that follow.
#[derive(Debug, Clone, Default)]
pub(super) struct Values(BTreeMap<&'static str, Vec<Value>>);

impl Values {
    pub(super) fn add(&mut self, event: &'static str, value: Value) {
        self.0.entry(event).or_default().push(value);
    }

    /// The event that arrives at this wait for the first of these events, and its value: the values of the first event, then those of
    /// the second.
    pub(super) fn first_of<'e>(
        &self,
        events: impl Iterator<Item = &'e str>,
        occurrence: u32,
    ) -> Option<(&'e str, &Value)> {
        let at = usize::try_from(occurrence).unwrap_or(usize::MAX);
        let named = events.filter_map(|event| Some((event, self.0.get(event)?)));
        named
            .flat_map(|(event, values)| values.iter().map(move |value| (event, value)))
            .take(at.saturating_add(1))
            .last()
    }
}

/// A deed of the world, once.
#[derive(Debug, Clone)]
enum Deed {
    Send(String, Value),
    /// Cancels the saga. If that is refused, it sends the event instead.
    Cancel(Option<(String, Value)>),
    /// Cancels the saga after a long time without the event.
    GiveUp(Option<(String, Value)>),
}

/// The deeds that are to be done, in order.
#[derive(Debug, Default)]
pub(super) struct World {
    deeds: Mutex<Deeds>,
    changed: Notify,
    pub(super) process_ended: Notify,
}

#[derive(Debug, Default)]
struct Deeds {
    /// The deeds with their numbers. A process that ends in the middle of one leaves it to the next process.
    open: VecDeque<(u64, Deed)>,
    next: u64,
    /// The event at whose arrival the process ends.
    ends_at: Option<String>,
}

impl World {
    pub(super) fn end_process(&self) {
        self.process_ended.notify_one();
    }

    /// An event has arrived, and is recorded. Returns true if the process ends now.
    pub(super) fn has_arrived(&self, name: &str) -> bool {
        let mut deeds = lock(&self.deeds);
        let ends = deeds.ends_at.as_deref() == Some(name);
        if ends {
            deeds.ends_at = None;
            drop(deeds);
            self.end_process();
        }
        ends
    }

    pub(super) fn cancel(&self, otherwise: Option<(String, Value)>) {
        self.add(Deed::Cancel(otherwise));
    }

    /// Sends an event that the saga waits for, with this fault.
    pub(super) fn send(
        &self,
        event: &str,
        value: Option<&Value>,
        fault: Option<Fault>,
        has_limit: bool,
    ) {
        let event = event.to_owned();
        let value = value.cloned();
        match (fault, value) {
            (Some(Fault::Arrives(Arrival::Never)), value) if !has_limit => {
                self.add(Deed::GiveUp(value.map(|value| (event, value))));
            }
            (_, None) if !has_limit => self.add(Deed::GiveUp(None)),
            // It was sent, or its wait is over some day.
            (Some(Fault::Arrives(Arrival::Before | Arrival::Never)), _) | (_, None) => {}
            (Some(Fault::Arrives(Arrival::Twice)), Some(value)) => {
                self.add(Deed::Send(event.clone(), value.clone()));
                self.add(Deed::Send(event, value));
            }
            (Some(Fault::Arrives(Arrival::OtherType)), Some(value)) => {
                let other = json!({ "sent by the test": ["of another type"] });
                self.add(Deed::Send(event.clone(), other));
                self.add(Deed::Send(event, value));
            }
            (fault, Some(value)) => {
                if fault == Some(Fault::Crash(Moment::After)) {
                    lock(&self.deeds).ends_at = Some(event.clone());
                }
                self.add(Deed::Send(event, value));
            }
        }
    }

    fn add(&self, deed: Deed) {
        let mut deeds = lock(&self.deeds);
        let number = deeds.next;
        deeds.next += 1;
        deeds.open.push_back((number, deed));
        self.changed.notify_one();
    }

    /// Does all that is to be done, for ever.
    pub(super) async fn act<S: ?Sized + Send + Sync + 'static>(
        &self,
        coordinator: &Coordinator<S>,
        problem: impl Fn(String),
    ) {
        loop {
            let next = lock(&self.deeds).open.front().cloned();
            let Some((number, deed)) = next else {
                self.changed.notified().await;
                continue;
            };
            self.act_once(coordinator, number, deed, &problem).await;
            lock(&self.deeds).open.retain(|(known, _)| *known != number);
        }
    }

    async fn act_once<S: ?Sized + Send + Sync + 'static>(
        &self,
        coordinator: &Coordinator<S>,
        number: u64,
        deed: Deed,
        problem: &impl Fn(String),
    ) {
        let gives_up = matches!(deed, Deed::GiveUp(_));
        let event = match deed {
            Deed::Send(event, value) => Some((event, value)),
            Deed::Cancel(otherwise) | Deed::GiveUp(otherwise) => {
                if gives_up {
                    tokio::time::sleep(GIVEN_UP).await;
                }
                match coordinator.cancel("saga", "the test").await {
                    Err(OperatorError::PastPivot) => otherwise,
                    Ok(_) | Err(OperatorError::Final(_)) => None,
                    Err(error) => return problem(format!("the saga can't be cancelled: {error}")),
                }
            }
        };
        let Some((event, value)) = event else {
            return;
        };
        // Under one key it is received once, also if a process has ended in between.
        let key = number.to_string();
        let sent = coordinator.send_json_once("saga", &event, &key, &value);
        match sent.await {
            Ok(()) | Err(OperatorError::Final(_)) => {}
            Err(error) => problem(format!("the event `{event}` can't be sent: {error}")),
        }
    }
}
