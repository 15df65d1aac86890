//! An event that was sent to a saga.

use std::borrow::Cow;

use crate::journal::{Entry, Event, PostedEvent};

/// An event that was sent to the saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedEvent {
    pub(crate) name: Cow<'static, str>,
    pub(crate) payload: String,
    /// The sender's key, if it gave one. An event that is set aside has none any more, so that it can be replaced.
    pub(crate) key: Option<String>,
}

impl ReceivedEvent {
    /// Returns whether these entries have the event already. One that was set aside does not count: it can be replaced.
    pub(crate) fn is_in(&self, entries: &[Entry]) -> bool {
        let mut sent: Vec<(bool, &Option<String>)> = Vec::new();
        for Entry { event, .. } in entries {
            match event {
                Event::Received { name, key, .. } => sent.push((*name == self.name, key)),
                Event::EventSetAside { number, .. } => {
                    if let Ok(number) = usize::try_from(*number)
                        && let Some((is_same, _)) = sent.get_mut(number)
                    {
                        *is_same = false;
                    }
                }
                _ => {}
            }
        }
        let mut sent = sent.into_iter();
        self.key.is_some() && sent.any(|(is_same, key)| is_same && *key == self.key)
    }
}

impl From<PostedEvent> for ReceivedEvent {
    fn from(event: PostedEvent) -> Self {
        Self {
            name: event.name.into(),
            payload: event.payload,
            key: Some(event.key),
        }
    }
}
