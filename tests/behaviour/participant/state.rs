//! The state of a participant: its requests, its effects, its next answers.

use std::collections::{HashMap, VecDeque};

use super::{Answer, Effect, Hold, Request};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) requests: Vec<Request>,
    pub(super) next: HashMap<String, VecDeque<Answer>>,
    pub(super) always: HashMap<String, Answer>,
    pub(super) holds: HashMap<String, Hold>,
    /// The request, and the number of it, at which the saga is cancelled.
    pub(super) cancels_at: Option<(String, usize)>,
    /// Never refuses under a key what it has done under that key.
    pub(super) is_consistent: bool,
    /// The effects that are not undone, each with its key.
    pub(super) effects: Vec<(String, Effect)>,
    pub(super) numbers: u32,
}

impl State {
    /// Notes the request; whether the saga is to be cancelled now.
    pub(super) fn comes(&mut self, request: &Request) -> bool {
        self.requests.push(request.clone());
        let same = self.requests.iter().filter(|one| one.what == request.what);
        let number = same.count();
        self.cancels_at
            .as_ref()
            .is_some_and(|(what, at)| (what, *at) == (&request.what, number))
    }

    /// The answer to the request.
    pub(super) fn answer(&mut self, request: &Request) -> Answer {
        let by_key = self
            .next
            .get_mut(&request.key)
            .and_then(VecDeque::pop_front);
        let by_name = || {
            self.next
                .get_mut(&request.what)
                .and_then(VecDeque::pop_front)
        };
        let always = || self.always.get(&request.what).copied();
        let answer = by_key.or_else(by_name).or_else(always);
        let answer = answer.unwrap_or(Answer::Done);
        let was_done = self.effects.iter().any(|(key, _)| *key == request.key);
        if self.is_consistent && was_done && answer.refuses() {
            Answer::Done
        } else {
            answer
        }
    }
}
