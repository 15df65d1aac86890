//! Fan-outs: one part of a saga for each of many items, `try_join_all(limit, items, |item| …).await?` in its body.

use std::fmt;
use std::future::pending;
use std::sync::atomic::Ordering;

use crate::attempts::BoxFuture;
use crate::language::order::Site;
use crate::language::{Callee, ErrorRecord};
use crate::panic::drop_caught;
use crate::place::Group;
use crate::run::callable::{Callable, EndOf};
use crate::run::group::run_member;
use crate::run::slots::Keeps;
use crate::run::{Engine, Run, Stop};

/// Calls a step, or a saga, for each of many items, in the body of a saga: at most `limit` of them at the same time, or all
/// at once if that is `None` or 0.
///
/// ```
/// # use saga_runtime::{Context, saga, step, try_join_all};
/// # struct Shop;
/// # #[step(compensate = put_back)]
/// # async fn reserve(_cx: Context<'_, Shop>, article: &str) -> Result<String, String> { Ok(article.to_owned()) }
/// # async fn put_back(_cx: Context<'_, Shop>, _parcel: &str) -> Result<(), String> { Ok(()) }
/// saga!(
///     async fn pack(cx: Context<'_, Shop>, articles: Vec<String>) -> Result<Vec<String>, String> {
///         let parcels = try_join_all(8, &articles, |article| reserve(cx, article)).await?;
///         Ok(parcels)
///     }
/// );
/// ```
///
/// The outputs are in the order of the items, whichever is there first. If one of the calls refuses, the calls that
/// have begun run to their end, and no other is begun. Then the steps that are done are compensated item by item, last
/// first. The saga fails with the refusal of the first item, in the order of the items.
///
/// The name is that of the function in the `futures` crate, of which this is the durable twin, with the limit of
/// `for_each_concurrent`. A closure makes the call, so that the compiler checks it like any other, and so that the saga
/// sees which step it is. The order rule and the shape need that.
///
/// After a crash in the short time between a refusal and the end of the calls beside it, items that had not begun may
/// be requested too, before all of them are compensated: the journal does not say which had begun.
pub fn try_join_all<I: IntoIterator, C>(
    limit: impl Into<Option<usize>>,
    items: I,
    call: impl FnMut(I::Item) -> C,
) -> FanOut<C> {
    FanOut {
        limit: limit.into().filter(|limit| *limit > 0),
        calls: items.into_iter().map(call).collect(),
    }
}

/// Calls for many items. Nothing has run yet.
#[must_use = "nothing runs until it is awaited in a saga"]
pub struct FanOut<C> {
    limit: Option<usize>,
    calls: Vec<C>,
}

impl<C> fmt::Debug for FanOut<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut")
            .field("limit", &self.limit)
            .field("calls", &self.calls.len())
            .finish()
    }
}

impl<'run, E: Engine> Run<'_, 'run, E> {
    /// Runs the calls of a fan-out until all that have begun have ended.
    #[inline(never)]
    pub fn fan_out<'a, C, K>(
        &'a self,
        number: usize,
        _: Site<C::Callee>,
        fan_out: FanOut<C>,
        slot: &'a mut K,
    ) -> BoxFuture<'a, Result<Vec<C::Output>, C::Error>>
    where
        C: Callable<'run, E> + 'a,
        K: Keeps<C::KeptCall>,
    {
        Box::pin(async move {
            match self.run_all(fan_out).await {
                Ok(ends) => {
                    let count = ends.len();
                    let returned = ends
                        .into_iter()
                        .map(|end| self.take_over::<C>(number, end, true, slot));
                    // All ends are taken over, also those after the first failure.
                    let returned: Vec<_> = returned.collect();
                    if !self.watch.stopped.load(Ordering::Relaxed) {
                        let mut outputs = Vec::with_capacity(count);
                        for one in returned.into_iter().flatten() {
                            outputs.push(one?);
                        }
                        return Ok(outputs);
                    }
                }
                Err(suspension) => {
                    self.stop(Stop::Suspended(suspension));
                }
            }
            pending().await
        })
    }

    /// The ends of the calls that have begun: those of the first items.
    async fn run_all<C: Callable<'run, E>>(
        &self,
        FanOut { limit, calls }: FanOut<C>,
    ) -> Result<Vec<EndOf<'run, C, E>>, E::Suspension> {
        let (engine, count) = (self.engine, calls.len());
        let member = || crate::place::Member::new(&const { C::Callee::CALLEE }, C::IS_SAGA);
        let members: Vec<_> = std::iter::repeat_with(member).take(count).collect();
        let group = Group::alike(self, &members);
        engine.begin_group(&group)?;
        let mut ends: Vec<_> = std::iter::repeat_with(|| None).take(count).collect();
        let places: Vec<_> = (0..count).map(|index| group.member(index)).collect();
        let mut calls = calls.into_iter();
        {
            let most = group.most();
            let begun = calls.by_ref().take(most).zip(&mut ends).zip(&places);
            let mut begun = begun.map(|((call, end), place)| -> BoxFuture<'_, bool> {
                Box::pin(async move {
                    let ended = run_member(call, engine, place, ErrorRecord::Text).await;
                    let goes_on = matches!(ended.returned, Ok(Ok(_)));
                    *end = Some(ended);
                    goes_on
                })
            });
            engine.join_all(limit, group.begun(), &mut begun).await;
        }
        // In a part that is known to fail, those begin that have a record. A saga has none if it began, and ended, without a call.
        let is_done = |end: &Option<EndOf<'run, C, E>>| {
            end.as_ref()
                .is_some_and(|end| matches!(end.returned, Ok(Ok(_))))
        };
        let mut next = group.most();
        let mut goes_on = C::IS_SAGA && next < count && ends[..next].iter().all(is_done);
        while goes_on && let Some(call) = calls.next() {
            ends[next] = Some(run_member(call, engine, &places[next], ErrorRecord::Text).await);
            goes_on = is_done(&ends[next]);
            next += 1;
        }
        // The calls that were not begun: one by one, since their inputs may panic.
        calls.for_each(drop_caught);
        let ends: Vec<_> = ends.into_iter().map_while(|end| end).collect();
        engine.end_group(&group, ends.iter().any(EndOf::<'run, C, E>::is_suspended));
        Ok(ends)
    }
}
