//! Programs, the saga that runs them, and the world that they change.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use saga_runtime::{Context, EventName, Uuid, event, saga, sleep, step, try_join_all};
use serde::{Deserialize, Serialize};

/// One thing that a program does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Op {
    /// A step.
    Work,
    /// A step that has nothing to undo.
    Look,
    /// A short sleep.
    Nap,
    /// A wait for an event.
    Hear,
    /// A step that is given a random id.
    Mark,
    /// A step, or if it refuses, another one.
    Either,
    /// Two steps at the same time.
    Pair,
    /// Three parts at the same time: a saga, a step, a saga.
    Group(Vec<Op>, Vec<Op>),
    /// Two sagas at the same time.
    Both(Vec<Op>, Vec<Op>),
    /// A saga.
    Inner(Vec<Op>),
    /// A saga, or if it fails, a step that has nothing to undo.
    OrLook(Vec<Op>),
    /// A saga and a step at the same time, or if they fail, a step.
    OrWork(Vec<Op>),
    /// A step and these, some times.
    Repeat(u32, Vec<Op>),
    /// A saga for each of these, so many at the same time.
    Each(usize, Vec<Vec<Op>>),
    /// So many steps, so many at the same time.
    Many(usize, u32),
    /// A failure of its own.
    Fail,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refused;

/// The event that programs wait for.
pub(crate) const HEARD: EventName<u32> = EventName::new("heard");

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused")
    }
}

/// The state that the steps change. Clones are the same world.
#[derive(Debug, Clone, Default)]
pub(crate) struct World(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    refused: HashSet<String>,
    asked: Vec<String>,
    done: BTreeSet<String>,
    /// The ids that steps were given, by their keys.
    marks: HashMap<String, Uuid>,
}

impl World {
    /// A world that refuses the requests under these keys.
    pub(crate) fn refusing(refused: &HashSet<String>) -> Self {
        let world = Self::default();
        world.state().refused.clone_from(refused);
        world
    }

    /// The world after the requests under these keys: its effects, and the ids that steps were given.
    pub(crate) fn after(
        refused: &HashSet<String>,
        asked: Vec<String>,
        done: BTreeSet<String>,
        marks: HashMap<String, Uuid>,
    ) -> Self {
        let refused = refused.clone();
        Self(Arc::new(Mutex::new(State {
            refused,
            asked,
            done,
            marks,
        })))
    }

    /// The keys that it was asked under, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    /// The keys of the effects that are not undone.
    pub(crate) fn left(&self) -> Vec<String> {
        self.state().done.iter().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nothing panics under the lock")
    }

    fn ask(&self, key: String) -> Result<(), Refused> {
        let mut state = self.state();
        state.asked.push(key.clone());
        if state.refused.contains(&key) {
            return Err(Refused);
        }
        state.done.insert(key);
        Ok(())
    }
}

#[step(compensate = undo)]
pub(super) async fn work(cx: Context<'_, World>) -> Result<String, Refused> {
    let key = String::from(cx.idempotency_key());
    // The longer the key, the later the answer: members of a group end in another order than that of the source.
    for _ in 0..key.len() % 3 {
        tokio::task::yield_now().await;
    }
    cx.ask(key.clone())?;
    Ok(key)
}

async fn undo(cx: Context<'_, World>, done: &str) -> Result<(), Refused> {
    assert_eq!(done, cx.action_key().as_str());
    tokio::task::yield_now().await;
    let mut state = cx.state();
    state.asked.push(cx.idempotency_key().into());
    state.done.remove(done);
    Ok(())
}

#[step(compensate = undo)]
pub(super) async fn risk(cx: Context<'_, World>) -> Result<String, Refused> {
    let key = String::from(cx.idempotency_key());
    cx.ask(key.clone())?;
    Ok(key)
}

#[step(compensate = ())]
pub(super) async fn mark(cx: Context<'_, World>, id: Uuid) -> Result<(), Refused> {
    let key = String::from(cx.idempotency_key());
    let mut state = cx.state();
    state.asked.push(key.clone());
    let before = *state.marks.entry(key.clone()).or_insert(id);
    assert_eq!(before, id, "`{key}` is asked with another id than before");
    if state.refused.contains(&key) {
        return Err(Refused);
    }
    Ok(())
}

#[step(compensate = ())]
pub(super) async fn look(cx: Context<'_, World>) -> Result<(), Refused> {
    tokio::task::yield_now().await;
    let key = String::from(cx.idempotency_key());
    let mut state = cx.state();
    state.asked.push(key.clone());
    if state.refused.contains(&key) {
        return Err(Refused);
    }
    Ok(())
}

saga!(
    /// Runs its program, and counts the steps.
    #[derive(Debug, Clone)]
    #[saga(compensatable)]
    pub(crate) async fn go(cx: Context<'_, World>, program: Vec<Op>) -> Result<u32, Refused> {
        let mut done = 0;
        for op in program {
            match op {
                Op::Work => {
                    work(cx).await?;
                    done += 1;
                }
                Op::Look => look(cx).await?,
                Op::Hear => done += event(cx, HEARD).await,
                Op::Mark => {
                    let id = cx.uuid();
                    mark(cx, id).await?;
                }
                Op::Either => match risk(cx).await {
                    Ok(_) => done += 1,
                    Err(Refused) => look(cx).await?,
                },
                Op::Nap => sleep(cx, Duration::from_millis(1)).await,
                Op::Pair => {
                    try_join!(work(cx), work(cx))?;
                    done += 2;
                }
                Op::Group(one, other) => {
                    let (one, _, other) = try_join!(go(cx, one), work(cx), go(cx, other))?;
                    done += one + other + 1;
                }
                Op::Both(one, other) => {
                    let (one, other) = try_join!(go(cx, one), go(cx, other))?;
                    done += one + other;
                }
                Op::Inner(inner) => done += go(cx, inner).await?,
                Op::OrLook(inner) => match go(cx, inner).await {
                    Ok(inner) => done += inner,
                    Err(Refused) => look(cx).await?,
                },
                Op::OrWork(inner) => {
                    if let Ok((inner, _)) = try_join!(go(cx, inner), work(cx)) {
                        done += inner + 1;
                    } else {
                        work(cx).await?;
                        done += 1;
                    }
                }
                Op::Repeat(times, inner) => {
                    for _ in 0..times {
                        work(cx).await?;
                        done += 1 + go(cx, inner.clone()).await?;
                    }
                }
                Op::Each(limit, programs) => {
                    let counts = try_join_all(limit, programs, |program| go(cx, program)).await?;
                    done += counts.into_iter().sum::<u32>();
                }
                Op::Many(limit, times) => {
                    let _ = try_join_all(limit, 0..times, |_| work(cx)).await?;
                    done += times;
                }
                Op::Fail => return Err(Refused),
            }
        }
        Ok(done)
    }
);

/// Writes random programs (splitmix64).
pub(crate) struct Author {
    state: u64,
    /// True where parts of which the body handles the failure may stand. At the same time as others, it is open in which order they
    /// are undone.
    handles: bool,
}

impl Author {
    /// Its programs end with the first failure.
    pub(crate) fn new(state: u64) -> Self {
        let handles = false;
        Self { state, handles }
    }

    /// Its programs handle the failures of some of their parts, or not: half of the states each.
    pub(crate) fn some(state: u64) -> Self {
        let handles = state.is_multiple_of(2);
        Self { state, handles }
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    /// A program, and the keys under which it is refused.
    pub(crate) fn program(&mut self) -> (Go, HashSet<String>) {
        let program = Go {
            program: self.ops(4, 4),
        };
        let keys = super::model::Expected::of(&program, &HashSet::new()).asked;
        let refused = (0..self.below(3)).filter_map(|_| {
            let index = usize::try_from(self.below(keys.len().max(1) as u64)).ok()?;
            keys.get(index).cloned()
        });
        let refused = refused.collect();
        (program, refused)
    }

    /// The most events that the program waits for.
    pub(crate) fn events(ops: &[Op]) -> u32 {
        let all = ops.iter().map(|op| match op {
            Op::Hear => 1,
            Op::Group(one, other) | Op::Both(one, other) => Self::events(one) + Self::events(other),
            Op::Inner(inner) | Op::OrLook(inner) | Op::OrWork(inner) => Self::events(inner),
            Op::Repeat(times, inner) => times * Self::events(inner),
            Op::Each(_, programs) => programs.iter().map(|ops| Self::events(ops)).sum(),
            _ => 0,
        });
        all.sum()
    }

    fn ops(&mut self, depth: u32, most: u64) -> Vec<Op> {
        (0..self.below(most)).map(|_| self.op(depth)).collect()
    }

    /// The program of a part that runs at the same time as others.
    fn at_once(&mut self, depth: u32, most: u64) -> Vec<Op> {
        let handles = std::mem::take(&mut self.handles);
        let ops = self.ops(depth, most);
        self.handles = handles;
        ops
    }

    fn op(&mut self, depth: u32) -> Op {
        let choice = self.below(if depth == 0 { 8 } else { 24 });
        let next = depth.saturating_sub(1);
        if choice >= 12 && self.handles && self.below(3) == 0 {
            return if self.below(2) == 0 {
                Op::OrLook(self.ops(next, 4))
            } else {
                Op::OrWork(self.at_once(next, 4))
            };
        }
        match choice {
            3 if self.below(2) == 0 => Op::Mark,
            0..4 => Op::Work,
            4 => match self.below(4) {
                0 => Op::Nap,
                1 => Op::Hear,
                2 => Op::Either,
                _ => Op::Look,
            },
            5 => Op::Pair,
            6 => {
                if self.below(4) == 0 {
                    Op::Fail
                } else {
                    Op::Work
                }
            }
            7 => Op::Many(
                usize::try_from(self.below(4)).unwrap_or(0),
                u32::try_from(self.below(6)).unwrap_or(0),
            ),
            20..24 => {
                let limit = usize::try_from(self.below(4)).unwrap_or(0);
                let programs = (0..self.below(4)).map(|_| self.at_once(next, 3));
                Op::Each(limit, programs.collect())
            }
            8..11 => Op::Group(self.at_once(next, 3), self.at_once(next, 3)),
            11..14 => Op::Both(self.at_once(next, 3), self.at_once(next, 3)),
            14..17 => Op::Inner(self.ops(next, 4)),
            _ => {
                let times = u32::try_from(self.below(3)).unwrap_or(0);
                Op::Repeat(times, self.ops(next, 3))
            }
        }
    }
}
