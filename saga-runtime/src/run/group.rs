//! Groups: parts of a saga that run at the same time, `try_join!(…)?` in its body.

use std::fmt;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::Ordering;

use crate::attempts::{AttemptResult, BoxFuture};
use crate::language::order::Site;
use crate::language::{Callee, ErrorRecord};
use crate::panic::{caught, drop_caught};
use crate::place::{Attempt, Calls, Group, Position, Role};
use crate::run::callable::{CallEnd, Callable, EndOf, Returned};
use crate::run::first_attempt::{FirstAttempt, Tried, Trying};
use crate::run::slots::Keeps;
use crate::run::{Engine, Run, Stop};

/// One member of a group: a call, the number of its site, and the slot for its value.
pub struct MemberCall<'a, C, K> {
    number: usize,
    call: C,
    slot: &'a mut K,
}

impl<C, K> fmt::Debug for MemberCall<'_, C, K> {
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
    ) -> MemberCall<'a, C, K> {
        MemberCall { number, call, slot }
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
}

/// A member that runs: its outcome is durable when it ends.
pub(super) async fn run_member<'a, 'run: 'a, C: Callable<'run, E> + 'a, E: Engine>(
    call: C,
    engine: &'run E,
    calls: &'a dyn Calls,
) -> EndOf<'run, C, E> {
    let mut tried = Tried::Not;
    if engine.trusts_first_attempts() && C::FirstAttempt::IN_BODY {
        let position = Position::new(calls, &const { C::Callee::CALLEE }, calls.count());
        let place = Attempt::new(position, Role::Action, 1);
        tried = match caught(|| C::FirstAttempt::make(&call, &place)) {
            Ok(attempt) => Trying::new(Some(attempt)).await,
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
        (mut first, _) => {
            let errors = ErrorRecord::Text;
            call.pursue(engine, calls, &mut first, errors).await
        }
    };
    if !end.is_suspended()
        && let Err(suspension) = engine.member_ended().await
    {
        end.returned = Err(Stop::Suspended(suspension));
    }
    end
}

macro_rules! group {
    ($(($C:ident $N:ident $index:tt $end:ident $call:ident $member:ident))+) => {
        impl<'s, 'run, E, $($C, $N),+> Members<'run, E> for ($(MemberCall<'s, $C, $N>,)+)
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
                    let $member = run_member(self.$index.call, engine, &$call);
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
    [(C0 N0 0 end0 call0 member0)]
    (C1 N1 1 end1 call1 member1)
    (C2 N2 2 end2 call2 member2)
    (C3 N3 3 end3 call3 member3)
    (C4 N4 4 end4 call4 member4)
    (C5 N5 5 end5 call5 member5)
    (C6 N6 6 end6 call6 member6)
    (C7 N7 7 end7 call7 member7)
    (C8 N8 8 end8 call8 member8)
    (C9 N9 9 end9 call9 member9)
    (C10 N10 10 end10 call10 member10)
    (C11 N11 11 end11 call11 member11)
    (C12 N12 12 end12 call12 member12)
    (C13 N13 13 end13 call13 member13)
    (C14 N14 14 end14 call14 member14)
    (C15 N15 15 end15 call15 member15)
}
