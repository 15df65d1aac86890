//! Groups: parts of a saga that run at the same time, `try_join!(…)?` in its body.

use std::borrow::Cow;
use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::Ordering;

use crate::attempts::{AttemptResult, BoxFuture};
use crate::call_name;
use crate::language::order::Site;
use crate::language::{Callee, ErrorRecord};
use crate::meta::StepMeta;
use crate::panic::{caught, drop_caught};
use crate::place::{Attempt, Calls, Failure, Group, Position, Role};
use crate::run::callable::{CallEnd, Callable, EndOf, Returned};
use crate::run::first_attempt::{FirstAttempt, Tried, Trying};
use crate::run::handled::{UndoneCalls, are_undone, not_undone};
use crate::run::slots::Keeps;
use crate::run::unwind::{HandledPart, Unwind, Unwinding};
use crate::run::{Engine, FailedCall, Run, Stop};

/// One member of a group: a call, the way in which its error is recorded, the number of its site, and the slot for its value.
pub struct MemberCall<'a, C, F, K> {
    number: usize,
    call: C,
    errors: ErrorRecord<F>,
    slot: &'a mut K,
}

impl<C, F, K> fmt::Debug for MemberCall<'_, C, F, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").finish_non_exhaustive()
    }
}

/// The members of a group, as a tuple.
pub trait Members<'run, E: Engine>: Sized + Send {
    /// The values for the body: a result for each member, at least up to the first that has failed.
    type Returned: Send;

    /// The ends of the members.
    type Ends: Send;

    /// Runs all of them at the same time.
    fn run<'a>(
        self,
        engine: &'run E,
        calls: &'a dyn Calls,
    ) -> impl Future<Output = Result<Self::Ends, E::Suspension>> + Send
    where
        Self: 'a,
        'run: 'a;

    /// Takes over the ends in source order.
    fn take_over(ends: Self::Ends, run: &Run<'_, 'run, E>) -> Self::Returned;

    /// Takes over the ends in source order. If a member has refused, the body handles that: the members that are done are
    /// compensated first.
    fn undo_or_take_over<'a>(
        ends: Self::Ends,
        run: &'a Run<'_, 'run, E>,
    ) -> impl Future<Output = Self::Returned> + Send
    where
        'run: 'a,
        Self: 'a;
}

/// The first member of a group that has refused.
struct FirstRefusal {
    /// Its number among the members.
    member: usize,
    /// The number of its site.
    number: usize,
    /// The step inside of it, if it is a saga.
    inside: Option<Cow<'static, str>>,
    message: String,
}

impl<'run, E: Engine> Run<'_, 'run, E> {
    /// A member of a group.
    #[inline]
    pub fn member<'a, C: Callable<'run, E>, K: Keeps<C::KeptCall>>(
        &self,
        number: usize,
        _: Site<C::Callee>,
        call: C,
        slot: &'a mut K,
    ) -> MemberCall<'a, C, C::Error, K> {
        MemberCall {
            number,
            call,
            errors: ErrorRecord::Text,
            slot,
        }
    }

    /// A member of a group whose failure the body handles: its error is recorded in the way that stands beside the call.
    #[inline]
    pub fn handled_member<'a, C: Callable<'run, E>, K: Keeps<C::KeptCall>>(
        &self,
        number: usize,
        _: Site<C::Callee>,
        (call, errors): (C, ErrorRecord<C::Error>),
        slot: &'a mut K,
    ) -> MemberCall<'a, C, C::Error, K> {
        MemberCall {
            number,
            call,
            errors,
            slot,
        }
    }

    /// Runs the members of a group until all of them have ended.
    #[inline(never)]
    pub fn group<'a, M: Members<'run, E> + 'a>(&'a self, members: M) -> BoxFuture<'a, M::Returned> {
        Box::pin(async move {
            match members.run(self.engine, self).await {
                Ok(ends) => {
                    let returned = M::take_over(ends, self);
                    if !self.watch.stopped.load(Ordering::Relaxed) {
                        return returned;
                    }
                }
                Err(suspension) => {
                    self.stop(Stop::Suspended(suspension));
                }
            }
            pending().await
        })
    }

    /// Runs the members of a group until all of them have ended. The body handles a failure: if there is one, the members that
    /// are done are compensated before it goes on.
    #[inline(never)]
    pub fn handled_group<'a, M: Members<'run, E> + 'a>(
        &'a self,
        members: M,
    ) -> BoxFuture<'a, M::Returned> {
        Box::pin(async move {
            match members.run(self.engine, self).await {
                Ok(ends) => {
                    let returned = M::undo_or_take_over(ends, self).await;
                    if !self.watch.stopped.load(Ordering::Relaxed) {
                        return returned;
                    }
                }
                Err(suspension) => {
                    self.stop(Stop::Suspended(suspension));
                }
            }
            pending().await
        })
    }

    /// Compensates the members of a group that are done, each with its number among the members, because another one has refused. The
    /// calls of all `count` members are recorded already.
    async fn undo_members(
        &self,
        count: usize,
        refusal: FirstRefusal,
        done: &[(usize, &'static StepMeta, &dyn Unwind<E>)],
    ) {
        let before = self.called.count() - count;
        let at = before + refusal.member;
        let failed = FailedCall {
            inside: refusal.inside,
            before: Some(at),
        };
        let callee = (self.callees)(refusal.number);
        let name = || {
            let position = Position::new(self, callee, at);
            call_name::numbered(position.name(), position.occurrence())
        };
        let call = failed.inside.clone().unwrap_or_else(name);
        let failure = Failure::refused(call, refusal.message);
        let part = HandledPart {
            failure: &failure,
            doubt: self.lane.doubt,
        };
        let calls = UndoneCalls::new(self, part);
        let members = done.iter().map(|(member, callee, kept)| {
            let position = Position::new(&calls, callee, before + member);
            (position, *kept)
        });
        let members: Vec<_> = members.collect();
        let mut unwinding = Unwinding::of_part(self.lane.rules, part);
        if let Err(suspension) = unwinding.run_members(self.engine, &members).await {
            self.stop(Stop::Suspended(suspension));
            return;
        }
        let compensations = unwinding.compensations;
        if !are_undone(&compensations) && self.stop(not_undone(failure.message().to_owned())) {
            self.fail_here(refusal.number);
            self.given_up().failed = failed;
        }
        self.given_up().settled.extend(compensations);
    }
}

/// A member that runs: its outcome is durable when it ends.
pub(super) async fn run_member<'a, 'run: 'a, C: Callable<'run, E> + 'a, E: Engine>(
    call: C,
    engine: &'run E,
    calls: &'a dyn Calls,
    errors: ErrorRecord<C::Error>,
) -> EndOf<'run, C, E> {
    let mut tried = Tried::Not;
    if engine.trusts_first_attempts() && C::FirstAttempt::IN_BODY {
        let position = Position::new(calls, &const { C::Callee::CALLEE }, calls.count());
        let place = Attempt::new(position, Role::Action, 1);
        tried = match caught(|| C::FirstAttempt::make(&call, &place)) {
            Ok(attempt) => Trying::new(attempt).await,
            Err(message) => Tried::Panicked(Box::new(message)),
        };
    }
    let mut end = match (tried.attempted(), C::FirstAttempt::left_if_done(&call)) {
        (Some(AttemptResult::Done(output)), Some(left))
            if !cfg!(debug_assertions) || C::FirstAttempt::is_recordable(&output) =>
        {
            // The others of the group must not notice if an input panics.
            drop_caught(call);
            CallEnd::new(left, Ok(Ok(output)))
        }
        (mut first, _) => call.pursue(engine, calls, &mut first, errors).await,
    };
    if !end.is_suspended()
        && let Err(suspension) = engine.member_ended().await
    {
        end.returned = Err(Stop::Suspended(suspension));
    }
    end
}

macro_rules! group {
    ($(($C:ident $N:ident $index:tt $end:ident $call:ident $member:ident $kept:ident $number:ident $slot:ident))+) => {
        impl<'s, 'run, E, $($C, $N),+> Members<'run, E> for ($(MemberCall<'s, $C, <$C as Callable<'run, E>>::Error, $N>,)+)
        where
            E: Engine,
            $($C: Callable<'run, E>, $N: Keeps<$C::KeptCall>,)+
        {
            type Returned = ($(Option<Returned<'run, $C, E>>,)+);
            type Ends = ($((EndOf<'run, $C, E>, usize, &'s mut $N),)+);

            async fn run<'a>(
                self,
                engine: &'run E,
                calls: &'a dyn Calls,
            ) -> Result<Self::Ends, E::Suspension>
            where
                Self: 'a,
                'run: 'a,
            {
                let members = [$(crate::place::Member::new(&const { $C::Callee::CALLEE }, $C::IS_SAGA)),+];
                let group = Group::new(calls, &members);
                engine.begin_group(&group)?;
                $(let mut $end = None;)+
                {
                    $(let $call = group.member($index);
                    let $member = run_member(self.$index.call, engine, &$call, self.$index.errors);
                    let $member = pin!(async { $end = Some($member.await) });)+
                    engine.join(&mut [$($member),+]).await;
                }
                $(let $end = $end.expect("a member that has ended");)+
                engine.end_group(&group, false $(|| $end.is_suspended())+);
                Ok(($(($end, self.$index.number, self.$index.slot),)+))
            }

            fn take_over(ends: Self::Ends, run: &Run<'_, 'run, E>) -> Self::Returned {
                $(let (end, number, slot) = ends.$index;
                let $end = run.take_over::<$C>(number, end, true, slot);)+
                ($($end,)+)
            }

            async fn undo_or_take_over<'a>(
                ends: Self::Ends,
                run: &'a Run<'_, 'run, E>,
            ) -> Self::Returned
            where
                'run: 'a,
                Self: 'a,
            {
                $(let (end, $number, $slot) = ends.$index;
                let mut $kept = None;
                let mut $end = end.take_over(|left, output| $kept = Some($C::kept(left, output)));)+
                let is_stopped = false $(|| $end.2.is_err())+;
                let mut refusal = None;
                $(if let Ok(Err(error)) = &$end.2 && refusal.is_none() {
                    refusal = Some(FirstRefusal {
                        member: $index,
                        number: $number,
                        inside: $end.1.clone(),
                        message: $C::text(error),
                    });
                })+
                match refusal {
                    Some(refusal) if !is_stopped => {
                        $($slot.keep(&run.called, $number, None);
                        run.given_up().settled.append(&mut $end.0);)+
                        let mut done: Vec<(usize, &'static StepMeta, &dyn Unwind<E>)> = Vec::new();
                        $(if let Some(Some(kept)) = &$kept {
                            done.push(($index, &const { $C::Callee::CALLEE }, kept));
                        })+
                        run.undo_members(<[()]>::len(&[$({ let _ = $index; }),+]), refusal, &done).await;
                    }
                    // Nothing has failed, or the whole saga does.
                    _ => {
                        $(if let Some(kept) = $kept {
                            $slot.keep(&run.called, $number, kept);
                        })+
                    }
                }
                ($(run.hand_back($number, $end, false),)+)
            }
        }
    };
}

/// Implements [`Members`] for the tuple of the first member and the second, of the first three, and so on.
macro_rules! groups {
    ([$($members:tt)+]) => {};
    ([$($members:tt)+] $next:tt $($others:tt)*) => {
        group! { $($members)+ $next }
        groups! { [$($members)+ $next] $($others)* }
    };
}

groups! {
    [(C0 N0 0 end0 call0 member0 kept0 number0 slot0)]
    (C1 N1 1 end1 call1 member1 kept1 number1 slot1)
    (C2 N2 2 end2 call2 member2 kept2 number2 slot2)
    (C3 N3 3 end3 call3 member3 kept3 number3 slot3)
    (C4 N4 4 end4 call4 member4 kept4 number4 slot4)
    (C5 N5 5 end5 call5 member5 kept5 number5 slot5)
    (C6 N6 6 end6 call6 member6 kept6 number6 slot6)
    (C7 N7 7 end7 call7 member7 kept7 number7 slot7)
    (C8 N8 8 end8 call8 member8 kept8 number8 slot8)
    (C9 N9 9 end9 call9 member9 kept9 number9 slot9)
    (C10 N10 10 end10 call10 member10 kept10 number10 slot10)
    (C11 N11 11 end11 call11 member11 kept11 number11 slot11)
    (C12 N12 12 end12 call12 member12 kept12 number12 slot12)
    (C13 N13 13 end13 call13 member13 kept13 number13 slot13)
    (C14 N14 14 end14 call14 member14 kept14 number14 slot14)
    (C15 N15 15 end15 call15 member15 kept15 number15 slot15)
}
