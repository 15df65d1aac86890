//! One run of a saga: each call in its body goes through here. Used by generated code.
//!
//! Three files name one another and belong together: the trait `Saga` (`saga.rs`) is driven on an `Engine`
//! (`engine.rs`) by the [`Run`] in this file.

#[cfg(debug_assertions)]
mod ahead;
mod body;
mod call;
mod call_log;
mod callable;
mod end;
mod engine;
mod fan_out;
mod first_attempt;
mod group;
mod hand_over;
mod handled;
mod held;
mod saga;
mod site_names;
mod slots;
mod start;
mod step;
mod sub_saga;
mod unwind;
mod wait;

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use crate::call_name;
use crate::error::{Cause, Compensation};
use crate::lock::lock;
use crate::meta::UndoRules;
use crate::place::{
    Calls, Doubt, Frame, Instance, Place, Position, Role, Scope, count_occurrences, path,
};

#[cfg(debug_assertions)]
pub(crate) use ahead::ahead;
pub use body::{Forward, Forwarding};
pub use call::Begun;
pub use callable::{CallEnd, Callable, EndOf, FirstTried, Returned};
pub use engine::{Engine, FanOutCall, GroupMember, Revision, WaitEnd};
pub use fan_out::{FanOut, try_join_all};
pub use first_attempt::{End, Refusals, Tried};
pub use group::{MemberCall, Members};
pub use hand_over::HandedOver;
pub use saga::{Saga, SagaEnd};
pub use slots::{
    At, Callees, Keeps, Many, Number, One, Slot, SlotGroups, SlotTuple, Slots, callees,
};
pub use start::{Input, Inputs, Plan, Start, Unstarted, context};
pub use step::{Called, PendingCall};
pub use sub_saga::{CalledSubSaga, SubSaga, SubSagaStart};
pub use unwind::{KeptCall, Left, Unwind, Unwinding, Unwound, closes};

use body::Watch;
use call_log::CallLog;
use callable::Returning;
use held::{HeldFuture, held_future};

/// The steps that were given up so far, and the stop of the saga, if they have stopped it.
struct GivenUp<X> {
    settled: Vec<Compensation>,
    failed: FailedCall,
    /// The reason why the run stops before the body returns.
    stop: Option<Stop<X>>,
}

impl<X> Default for GivenUp<X> {
    fn default() -> Self {
        Self {
            settled: Vec::new(),
            failed: FailedCall::default(),
            stop: None,
        }
    }
}

/// More about the call that has failed at its site.
#[derive(Default)]
struct FailedCall {
    /// The step inside of it, if it is a saga.
    inside: Option<Cow<'static, str>>,
    /// The number of calls before it. `None` if it is the last one.
    before: Option<usize>,
}

/// The reason why a run stops before its body returns.
#[derive(Debug)]
pub enum Stop<X> {
    /// It failed.
    Cause(Cause<Infallible>),
    /// The engine suspends it.
    Suspended(X),
}

/// One run of a saga on the engine `E`.
///
/// Calls are identified by site number, in source order. So recording a call costs a few instructions, and the type of
/// the run names no type of a step.
pub struct Run<'lane, 'run, E: Engine> {
    watch: Watch,
    engine: &'run E,
    lane: Frame<'lane, 'run>,
    callees: Callees,
    /// See [`Engine::trusts_first_attempts`].
    trusted: bool,
    called: CallLog,
    /// The site of the step whose first attempt the body is making.
    now: AtomicUsize,
    /// The site after which the saga has failed, or [`NOWHERE`].
    failed_at: AtomicUsize,
    given_up: OnceLock<Arc<Mutex<GivenUp<E::Suspension>>>>,
}

/// No site.
const NOWHERE: usize = usize::MAX;

impl<E: Engine> fmt::Debug for Run<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("saga", self.engine.instance())
            .finish_non_exhaustive()
    }
}

impl<'lane, 'run, E: Engine> Run<'lane, 'run, E> {
    /// A run without calls.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn new(engine: &'run E, lane: Frame<'lane, 'run>, callees: Callees) -> Self {
        Self {
            watch: Watch::new(lane.watched(engine.instance())),
            engine,
            lane,
            callees,
            trusted: engine.trusts_first_attempts(),
            called: CallLog::default(),
            now: AtomicUsize::new(NOWHERE),
            failed_at: AtomicUsize::new(NOWHERE),
            given_up: OnceLock::new(),
        }
    }

    /// Takes over the end of the call at the site `number`. Returns `None` if the body gets nothing from it.
    fn take_over<C: Callable<'run, E>>(
        &self,
        number: usize,
        end: EndOf<'run, C, E>,
        ends: bool,
        slot: &mut impl Keeps<C::KeptCall>,
    ) -> Option<Returned<'run, C, E>> {
        let returned = end.take_over(|left, output| {
            slot.keep(&self.called, number, C::kept(left, output));
        });
        self.hand_back(number, returned, ends)
    }

    /// The value for the body from the call at the site `number`. `None` if the saga ends here.
    fn hand_back<T, F>(
        &self,
        number: usize,
        (settled, failed_at, returned): Returning<T, F, E::Suspension>,
        ends: bool,
    ) -> Option<Result<T, F>> {
        if !settled.is_empty() {
            self.given_up().settled.extend(settled);
        }
        match returned {
            Ok(Err(error)) if ends => {
                if !self.has_failed() {
                    self.fail(number, failed_at);
                }
                Some(Err(error))
            }
            Ok(returned) => Some(returned),
            Err(stop) => {
                if self.stop(stop) {
                    self.fail(number, failed_at);
                }
                None
            }
        }
    }

    /// The body on its way forward.
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn forward<F>(&self, body: F) -> Forwarding<'_, 'lane, 'run, HeldFuture<F>, E> {
        Forwarding::new(self, held_future(body))
    }

    /// Returns true if the saga is stopped although its body has returned its output.
    #[inline]
    fn is_stopped_at_end(&self) -> bool {
        // The end of a sub-saga is not the end of the saga.
        if self.lane.scope.is_some() {
            return false;
        }
        let cause = self.engine.stops_at_end();
        cause.is_some_and(|cause| self.stop(Stop::Cause(cause)))
    }

    fn has_failed(&self) -> bool {
        self.failed_at.load(Ordering::Relaxed) != NOWHERE
    }

    /// Stops the saga: the body is not polled again. If several members of a group fail, the first in source order
    /// wins; a suspension overrides them all. Returns true if this stop was the one kept.
    #[cold]
    fn stop(&self, stop: Stop<E::Suspension>) -> bool {
        if self.has_failed() && matches!(stop, Stop::Cause(_)) {
            return false;
        }
        self.watch.stopped.store(true, Ordering::Relaxed);
        self.given_up().stop = Some(stop);
        true
    }

    /// Records the place at which the saga fails: the site of the call, or a step of the saga that was called there. Other members
    /// of its group may end after it.
    #[cold]
    fn fail(&self, number: usize, inside: Option<Cow<'static, str>>) {
        self.fail_here(number);
        self.given_up().failed = FailedCall {
            inside,
            before: self.called.count().checked_sub(1),
        };
    }

    /// Records the site at which the saga fails. The run makes no more calls.
    fn fail_here(&self, number: usize) {
        self.failed_at.store(number, Ordering::Relaxed);
    }

    /// The name of the call at which the saga has failed, if it was not in its own code. `names_differ`: no two sites call steps
    /// of one name.
    fn failed_at(
        &self,
        FailedCall { inside, before }: FailedCall,
        names_differ: fn() -> bool,
    ) -> Option<Cow<'static, str>> {
        let site = self.failed_at.load(Ordering::Relaxed);
        if inside.is_some() || site == NOWHERE {
            return inside;
        }
        let name = (self.callees)(site).name;
        let before = || before.unwrap_or_else(|| self.called.count().saturating_sub(1));
        let occurrence = if self.called.is_listed() {
            Calls::occurrence(self, name, before())
        } else if names_differ() {
            0
        } else {
            count_occurrences(self, name, before())
        };
        Some(call_name::numbered(path(self.lane.scope, name), occurrence))
    }

    #[cold]
    fn given_up(&self) -> MutexGuard<'_, GivenUp<E::Suspension>> {
        let given_up = self.given_up.get_or_init(Arc::default);
        lock(given_up)
    }

    /// The reason for which the body is not polled again.
    fn take_stop(&self) -> Option<Stop<E::Suspension>> {
        self.given_up.get()?;
        self.given_up().stop.take()
    }

    /// Takes the steps that were given up so far.
    fn take_given_up(&self) -> GivenUp<E::Suspension> {
        match self.given_up.get() {
            None => GivenUp::default(),
            Some(given_up) => mem::take(&mut *lock(given_up)),
        }
    }
}

impl<E: Engine> Calls for Run<'_, '_, E> {
    fn instance(&self) -> &Instance {
        self.engine.instance()
    }

    fn count(&self) -> usize {
        self.called.count()
    }

    fn name(&self, index: usize) -> &'static str {
        (self.callees)(self.called.site(index)).name
    }

    fn scope(&self) -> Option<&Scope> {
        self.lane.scope
    }

    fn doubt(&self) -> Option<&Doubt> {
        self.lane.doubt
    }

    fn undo_rules(&self) -> UndoRules {
        self.lane.rules
    }

    fn occurrence(&self, name: &str, before: usize) -> usize {
        let occurrence = self.called.occurrence(name, before);
        occurrence.unwrap_or_else(|| count_occurrences(self, name, before))
    }
}

/// The first attempt of a step, which the body makes itself.
impl<E: Engine> Place for Run<'_, '_, E> {
    fn instance(&self) -> &Instance {
        self.engine.instance()
    }

    fn position(&self) -> Option<Position<'_>> {
        let callee = (self.callees)(self.now.load(Ordering::Relaxed));
        Some(Position::new(self, callee, self.called.count()))
    }

    fn attempt(&self) -> u32 {
        1
    }

    fn role(&self) -> Role {
        Role::Action
    }
}
