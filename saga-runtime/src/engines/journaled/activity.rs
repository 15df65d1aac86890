//! The activity of one saga: if all that it does is to wait for long, it is suspended, and costs a row.
//!
//! Each call that the engine serves counts. A call in a long wait rests. When every call rests, the saga is idle: its
//! inbox is closed, and all rests end with a suspension.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::SystemTime;

use futures_util::future::{Either, select};
use tokio::sync::Notify;

use crate::journal::Wakeup;
use crate::language::EventNames;
use crate::lock::lock;

/// The calls of a saga that are under way, and those of them that rest.
#[derive(Debug, Default)]
pub(super) struct Activity {
    calls: AtomicUsize,
    /// Behind a pointer: most sagas never rest.
    long_waits: OnceLock<Box<LongWaits>>,
}

/// The long waits of a saga.
#[derive(Debug, Default)]
struct LongWaits {
    rests: Mutex<Rests>,
    /// Notified when the saga is idle.
    idle: Notify,
}

/// One long wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    /// Its end at the latest.
    pub(super) until: Option<SystemTime>,
    /// The events that end it before.
    pub(super) events: EventNames,
}

#[derive(Debug, Default)]
struct Rests {
    open: HashMap<u64, Rest>,
    begun: u64,
    /// True once the saga is idle. From then on every rest ends at once.
    is_over: bool,
    /// True if an attempt to undo a step is left for later.
    has_deferred: bool,
    /// The first end of a rest that a suspension has cut off.
    earliest: Option<SystemTime>,
}

impl Rests {
    /// A suspension cuts the rest off.
    fn cut_off(&mut self, rest: Rest) {
        self.earliest = match (self.earliest, rest.until) {
            (Some(earliest), Some(until)) => Some(earliest.min(until)),
            (earliest, until) => earliest.or(until),
        };
    }
}

impl Activity {
    /// Begins a call. It counts until the guard is dropped.
    pub(super) fn call(&self) -> CallUnderWay<'_> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        CallUnderWay(self)
    }

    /// Waits for `waiting`. `None` if the saga is idle before that.
    pub(super) async fn rest<T>(&self, rest: Rest, waiting: impl Future<Output = T>) -> Option<T> {
        let mut idle = pin!(self.long_waits().idle.notified());
        // From here on the notification is not missed.
        idle.as_mut().enable();
        let _resting = self.begin(rest)?;
        match select(idle, pin!(waiting)).await {
            Either::Left(_) => None,
            Either::Right((waited, _)) => Some(waited),
        }
    }

    fn begin(&self, rest: Rest) -> Option<Resting<'_>> {
        let mut rests = self.rests();
        if rests.is_over {
            rests.cut_off(rest);
            return None;
        }
        rests.begun += 1;
        let number = rests.begun;
        rests.open.insert(number, rest);
        Some(Resting {
            activity: self,
            number,
        })
    }

    /// Ends all rests if every call rests, and `close` returns true for the events that they wait for.
    pub(super) fn suspend_if_idle(&self, close: impl FnOnce(&[&'static str]) -> bool) -> bool {
        let Some(long_waits) = self.long_waits.get() else {
            return false;
        };
        let mut rests = lock(&long_waits.rests);
        let calls = self.calls.load(Ordering::Relaxed);
        if rests.is_over || rests.open.is_empty() || rests.open.len() < calls {
            return false;
        }
        let events = rests.open.values().flat_map(|rest| rest.events.as_slice());
        if !close(&events.copied().collect::<Vec<_>>()) {
            return false;
        }
        rests.is_over = true;
        for rest in std::mem::take(&mut rests.open).into_values() {
            rests.cut_off(rest);
        }
        long_waits.idle.notify_waiters();
        true
    }

    /// Leaves an attempt to undo a step for later.
    pub(super) fn defer(&self, until: SystemTime) {
        let mut rests = self.rests();
        rests.has_deferred = true;
        rests.cut_off(Rest {
            until: Some(until),
            events: EventNames::default(),
        });
    }

    /// Returns true if an attempt to undo a step is left for later.
    pub(super) fn has_deferred(&self) -> bool {
        self.long_waits
            .get()
            .is_some_and(|long_waits| lock(&long_waits.rests).has_deferred)
    }

    /// The time at which the suspended saga has something to do again.
    pub(super) fn wakeup(&self) -> Wakeup {
        self.rests().earliest.map_or(Wakeup::WhenCalled, Wakeup::At)
    }

    fn long_waits(&self) -> &LongWaits {
        self.long_waits.get_or_init(Box::default)
    }

    fn rests(&self) -> MutexGuard<'_, Rests> {
        lock(&self.long_waits().rests)
    }
}

/// A call that is under way.
#[must_use]
pub(super) struct CallUnderWay<'a>(&'a Activity);

impl Drop for CallUnderWay<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An open rest.
struct Resting<'a> {
    activity: &'a Activity,
    number: u64,
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        let mut rests = self.activity.rests();
        rests.open.remove(&self.number);
    }
}
