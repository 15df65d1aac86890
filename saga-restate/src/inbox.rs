//! The events that a saga waits for: which of Restate's promises belongs to which wait.
//!
//! The events of one name are numbered, and each is a promise. `send` resolves the one with the lowest number that is not resolved yet. A
//! wait asks for the lowest number that no other wait has. If it ends otherwise, by another event or by a time, it leaves its
//! number. The oldest wait that has higher ones only is handed it: it is the next to be resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use crate::form::Form;
use crate::lock::lock;

/// The name of the promise of the event `name` with this number, counted from 0.
pub(crate) fn promise(name: &str, number: u32) -> String {
    format!("event/{name}/{number}")
}

/// The events that a wait has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) name: &'static str,
    /// The number of its promise.
    pub(crate) number: u32,
    /// The handle of the promise, if the wait was handed it.
    handle: Option<u32>,
}

impl Asked {
    pub(crate) fn promise(&self) -> String {
        promise(self.name, self.number)
    }
}

/// The events of one saga.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// False for sagas whose records are of a form in which a number that is left goes to a later wait only.
    hands_on: bool,
    state: Mutex<Waits>,
}

#[derive(Debug, Default)]
struct Waits {
    last: u64,
    numbers: BTreeMap<&'static str, Numbers>,
    /// The waits that are not over, the oldest first.
    open: BTreeMap<u64, Vec<Asked>>,
}

/// The numbers of the events with one name that no wait has.
#[derive(Debug, Default)]
struct Numbers {
    next: u32,
    free: BTreeSet<u32>,
}

/// A wait that was handed a promise, and its handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handed {
    pub(crate) wait: u64,
    pub(crate) handle: u32,
}

impl Inbox {
    pub(crate) fn new(form: Form) -> Self {
        Self {
            hands_on: form.hands_on_events(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, Waits> {
        lock(&self.state)
    }

    /// Begins a wait for these events.
    pub(crate) fn wait(&self, names: impl IntoIterator<Item = &'static str>) -> Open<'_> {
        let mut state = self.state();
        state.last += 1;
        let number = state.last;
        state.open.insert(number, Vec::new());
        drop(state);
        let open = Open {
            inbox: self,
            number,
            is_over: false,
        };
        for (place, name) in names.into_iter().enumerate() {
            open.ask(place, name);
        }
        open
    }

    /// Hands the numbers that were left to the waits that go before. `ask` asks for a promise, and returns its handle.
    pub(crate) fn hand_on(&self, mut ask: impl FnMut(&str) -> u32) -> Vec<Handed> {
        let mut handed = Vec::new();
        if !self.hands_on {
            return handed;
        }
        let state = &mut *self.state();
        for (name, numbers) in &mut state.numbers {
            while let Some(number) = numbers.free.first().copied() {
                let waits_longer = |asked: &[Asked]| {
                    let mut own = asked.iter().filter(|one| one.name == *name).peekable();
                    own.peek().is_some() && own.all(|one| one.number > number)
                };
                let oldest = state.open.iter_mut().find(|(_, asked)| waits_longer(asked));
                let Some((wait, asked)) = oldest else {
                    break;
                };
                numbers.free.pop_first();
                let handle = ask(&promise(name, number));
                asked.push(Asked {
                    name,
                    number,
                    handle: Some(handle),
                });
                handed.push(Handed {
                    wait: *wait,
                    handle,
                });
            }
        }
        handed
    }
}

/// A wait that is not over. Dropping it leaves its numbers to other waits.
#[derive(Debug)]
pub(crate) struct Open<'i> {
    inbox: &'i Inbox,
    pub(crate) number: u64,
    is_over: bool,
}

impl Open<'_> {
    /// Asks for the next event with this name, in this place.
    pub(crate) fn ask(&self, place: usize, name: &'static str) {
        let mut state = self.inbox.state();
        let numbers = state.numbers.entry(name).or_default();
        let number = numbers.free.pop_first().unwrap_or_else(|| {
            numbers.next += 1;
            numbers.next - 1
        });
        let asked = state.open.entry(self.number).or_default();
        let one = Asked {
            name,
            number,
            handle: None,
        };
        asked.insert(place.min(asked.len()), one);
    }

    /// What it has asked for, then what it was handed.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        let state = self.inbox.state();
        state.open.get(&self.number).cloned().unwrap_or_default()
    }

    /// The handles of what it was handed after the first `asked`.
    pub(crate) fn handed(&self, asked: usize) -> Vec<u32> {
        let all = self.asked();
        all.iter()
            .skip(asked)
            .filter_map(|one| one.handle)
            .collect()
    }

    /// Takes what stands in this place: it has come.
    pub(crate) fn take(&self, place: usize) -> Option<Asked> {
        let mut state = self.inbox.state();
        let asked = state.open.get_mut(&self.number)?;
        (place < asked.len()).then(|| asked.remove(place))
    }

    /// Ends the wait.
    pub(crate) fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let mut state = self.inbox.state();
        let asked = state.open.remove(&self.number).unwrap_or_default();
        if self.is_over || self.inbox.hands_on {
            for one in asked {
                state
                    .numbers
                    .entry(one.name)
                    .or_default()
                    .free
                    .insert(one.number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands on, and returns what was handed: the wait, and the name of the promise.
    fn handed(inbox: &Inbox) -> Vec<(u64, String)> {
        let mut names = Vec::new();
        let handed = inbox.hand_on(|name| {
            names.push(name.to_owned());
            0
        });
        handed.iter().map(|one| one.wait).zip(names).collect()
    }

    fn numbers(open: &Open<'_>) -> Vec<u32> {
        open.asked().iter().map(|one| one.number).collect()
    }

    #[test]
    fn what_a_wait_leaves_goes_to_the_oldest_that_has_higher_ones() {
        let inbox = Inbox::new(Form::HandsOnEvents);
        let first = inbox.wait(["go", "stop"]);
        let second = inbox.wait(["stop"]);
        let third = inbox.wait(["go", "stop"]);
        assert_eq!(numbers(&third), [1, 2]);
        let came = first.take(0);
        assert_eq!(came.map(|one| one.promise()), Some("event/go/0".into()));
        drop(first);
        assert_eq!(handed(&inbox), [(second.number, "event/stop/0".into())]);
        assert_eq!(handed(&inbox), []);
        // What it had before goes to the next one.
        assert!(second.take(1).is_some());
        drop(second);
        assert_eq!(handed(&inbox), [(third.number, "event/stop/1".into())]);
        assert_eq!(numbers(&third), [1, 2, 1]);
    }

    #[test]
    fn a_later_wait_takes_what_was_left_if_no_other_goes_before() {
        let inbox = Inbox::new(Form::HandsOnEvents);
        drop(inbox.wait(["go"]));
        let later = inbox.wait(["go"]);
        assert_eq!(numbers(&later), [0]);
        assert_eq!(handed(&inbox), []);
    }

    #[test]
    fn an_older_form_hands_nothing_on() {
        let inbox = Inbox::new(Form::RecordsTrouble);
        inbox.wait(["go"]).end();
        let waiting = inbox.wait(["go"]);
        assert_eq!(numbers(&waiting), [0]);
        let dropped = inbox.wait(["go"]);
        let other = inbox.wait(["go"]);
        drop(dropped);
        assert_eq!(handed(&inbox), []);
        assert_eq!(numbers(&other), [2]);
        assert_eq!(numbers(&inbox.wait(["go"])), [3]);
    }
}
