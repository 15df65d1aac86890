//! Histories that a program may leave behind, made without running it. Events of members that run at the same time stand in any
//! order that is allowed.

mod body;

use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;
use std::time::{Duration, SystemTime};

use saga_runtime::journal::{Event, StepCall};
use saga_runtime::{Kind, Uuid};

use super::model::Expected;
use super::program::{Author, Go, HEARD};
use body::Body;

/// The next event of a lane.
#[derive(Debug, Clone)]
enum Item {
    /// The body is given a random id for the step with this key.
    Given(StepCall, String),
    /// A step ends.
    Ends {
        key: String,
        event: Event,
    },
    /// A short sleep begins, or is over.
    Sleeps(StepCall),
    Wakes(StepCall),
    /// The body waits for an event, and has got it.
    Listens(StepCall),
    Hears(StepCall),
}

/// A part of a saga, as far as a journal records it.
#[derive(Debug)]
enum Part {
    Items(VecDeque<Item>),
    Row(VecDeque<Part>),
    Beside {
        limit: usize,
        active: Vec<Part>,
        waiting: VecDeque<Part>,
        /// No other one begins.
        has_failed: bool,
    },
    /// Nothing, and the saga that it is in fails.
    Fails,
}

/// A history, and the requests under way at each of its entries.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) events: Vec<Event>,
    /// For each number of entries, the keys of the requests that may be under way then.
    pub(super) under_way: Vec<Vec<String>>,
    /// The ids that steps were given.
    pub(super) given: HashMap<String, Uuid>,
}

/// The key under which the step of a call is asked for.
pub(super) fn key(call: &StepCall) -> String {
    format!("saga/{}/{}", call.name, call.occurrence)
}

/// One of the histories of a program. `decision` is the entry with which it turns back, if it does.
pub(super) fn history(
    author: &mut Author,
    program: &Go,
    refused: &HashSet<String>,
    expected: &Expected,
    decision: Option<&Event>,
) -> Made {
    let mut body = Body::default();
    let mut part = body.part(refused, &program.program);
    let mut made = Made::default();
    let mut heard = Heard {
        most: u64::from(Author::events(&program.program)),
        ..Heard::default()
    };
    let mut done = HashMap::new();
    part.begin();
    loop {
        let mut heads = Vec::new();
        part.heads(&mut heads);
        made.under_way(requested(&heads));
        if heads.is_empty() {
            break;
        }
        let chosen = author.below(heads.len() as u64);
        let mut before = usize::try_from(chosen).unwrap_or(0);
        let item = part.take(&mut before).expect("there is one");
        part.begin();
        if let Item::Ends { key, event } = &item
            && let Event::StepDone { step, .. } = event
            && step.kind == Kind::Compensatable
        {
            done.insert(key.clone(), step.clone());
        }
        let events = heard.events(author, item, &mut made.given);
        made.events.extend(events);
    }
    if let Some(decision) = decision {
        made.events.push(decision.clone());
        for key in &expected.undone {
            let action = key.strip_suffix("/compensation").unwrap_or(key);
            if let Some(step) = done.remove(action) {
                made.under_way(vec![key.clone()]);
                made.events
                    .push(Event::CompensationDone { step, attempts: 1 });
            }
        }
        assert!(done.is_empty(), "{done:?} is not undone");
        made.events.push(Event::Compensated);
    } else {
        let count = expected.ended.as_ref().expect("it does not turn back");
        let output = count.to_string();
        made.events.push(Event::Completed { output });
    }
    made.under_way(Vec::new());
    made
}

impl Made {
    /// Sets the requests that may be under way after the entries so far. Between entries of one append there are no others.
    fn under_way(&mut self, keys: Vec<String>) {
        self.under_way.resize(self.events.len(), Vec::new());
        self.under_way.push(keys);
    }
}

/// The keys of the next requests of these lanes.
fn requested(heads: &[&Item]) -> Vec<String> {
    let requested = heads.iter().filter_map(|item| match item {
        Item::Ends { key, .. } => Some(key.clone()),
        _ => None,
    });
    requested.collect()
}

/// The events that were sent, and how many of them have ended a wait.
#[derive(Debug, Default)]
struct Heard {
    most: u64,
    sent: u64,
    taken: u64,
    /// The waits that were over when they began.
    over: HashSet<String>,
}

impl Heard {
    fn events(
        &mut self,
        author: &mut Author,
        item: Item,
        given: &mut HashMap<String, Uuid>,
    ) -> Vec<Event> {
        match item {
            Item::Ends { event, .. } => vec![event],
            Item::Given(of, key) => {
                let id = Uuid::from_u128(u128::from(author.below(u64::MAX)));
                given.insert(key, id);
                let value = format!("\"{id}\"");
                vec![Event::Value { of, value }]
            }
            Item::Sleeps(step) => {
                let until = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1));
                vec![Event::Waiting { step, until }]
            }
            Item::Wakes(step) => vec![over(step, None)],
            Item::Listens(step) => {
                let mut events = Vec::new();
                if self.sent == self.taken && self.sent < self.most && author.below(2) == 0 {
                    events.push(self.send());
                }
                if self.sent > self.taken {
                    self.over.insert(key(&step));
                    events.push(self.take(step));
                } else {
                    let until = None;
                    events.push(Event::Waiting { step, until });
                }
                events
            }
            Item::Hears(step) if self.over.contains(&key(&step)) => Vec::new(),
            Item::Hears(step) => vec![self.send(), self.take(step)],
        }
    }

    fn send(&mut self) -> Event {
        self.sent += 1;
        Event::Received {
            name: HEARD.name().into(),
            payload: "1".to_owned(),
            key: None,
        }
    }

    fn take(&mut self, step: StepCall) -> Event {
        self.taken += 1;
        over(step, Some(self.taken - 1))
    }
}

fn over(step: StepCall, received: Option<u64>) -> Event {
    Event::WaitOver { step, received }
}

/// The state of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    GoesOn,
    IsDone,
    HasFailed,
}

impl Part {
    /// Begins every part that can begin.
    fn begin(&mut self) -> Course {
        match self {
            Self::Items(items) if items.is_empty() => Course::IsDone,
            Self::Items(_) => Course::GoesOn,
            Self::Fails => Course::HasFailed,
            Self::Row(parts) => {
                while let Some(first) = parts.front_mut() {
                    match first.begin() {
                        Course::GoesOn => return Course::GoesOn,
                        Course::IsDone => drop(parts.pop_front()),
                        Course::HasFailed => {
                            *parts = VecDeque::from([Self::Fails]);
                            return Course::HasFailed;
                        }
                    }
                }
                Course::IsDone
            }
            Self::Beside {
                limit,
                active,
                waiting,
                has_failed,
            } => loop {
                for mut part in mem::take(active) {
                    match part.begin() {
                        Course::GoesOn => active.push(part),
                        Course::IsDone => {}
                        Course::HasFailed => *has_failed = true,
                    }
                }
                // All members of a group begin together; of a fan-out, others follow until one has failed.
                if active.len() >= *limit || (*has_failed && *limit != usize::MAX) {
                    waiting.retain(|_| !*has_failed);
                    break Self::course(active, *has_failed);
                }
                match waiting.pop_front() {
                    Some(part) => active.push(part),
                    None => break Self::course(active, *has_failed),
                }
            },
        }
    }

    fn course(active: &[Self], has_failed: bool) -> Course {
        match (active, has_failed) {
            ([], true) => Course::HasFailed,
            ([], false) => Course::IsDone,
            _ => Course::GoesOn,
        }
    }

    /// Collects the items that can happen next.
    fn heads<'a>(&'a self, heads: &mut Vec<&'a Item>) {
        match self {
            Self::Items(items) => heads.extend(items.front()),
            Self::Row(parts) => {
                if let Some(first) = parts.front() {
                    first.heads(heads);
                }
            }
            Self::Beside { active, .. } => active.iter().for_each(|part| part.heads(heads)),
            Self::Fails => {}
        }
    }

    /// Lets one of them happen: the one before which `skip` others are.
    fn take(&mut self, skip: &mut usize) -> Option<Item> {
        match self {
            Self::Items(items) if items.is_empty() => None,
            Self::Items(_) if *skip > 0 => {
                *skip -= 1;
                None
            }
            Self::Items(items) => items.pop_front(),
            Self::Row(parts) => parts.front_mut()?.take(skip),
            Self::Beside { active, .. } => active.iter_mut().find_map(|part| part.take(skip)),
            Self::Fails => None,
        }
    }
}
