//! Allocations of sagas in process: none where one step follows the other, one for a group, and in proportion to the items of a
//! fan-out.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context as Polled, Poll, Waker};

use allocation_counter::AllocationInfo;
use saga_runtime::{Context, saga, step, try_join_all};

/// The shop needs nothing.
struct Shop;

#[step(compensate = undo)]
async fn add(_cx: Context<'_, Shop>, to: u64) -> Result<u64, String> {
    Ok(to + 1)
}

async fn undo(_cx: Context<'_, Shop>, _sum: &u64) -> Result<(), Infallible> {
    Ok(())
}

#[step(compensate = ())]
async fn limit(_cx: Context<'_, Shop>, sum: u64, limit: u64) -> Result<(), String> {
    if sum < limit {
        Ok(())
    } else {
        Err(String::new())
    }
}

saga!(
    async fn three_steps(cx: Context<'_, Shop>, from: u64) -> Result<u64, String> {
        let sum = add(cx, from).await?;
        let sum = add(cx, sum).await?;
        limit(cx, sum, 100).await?;
        Ok(sum)
    }
);

saga!(
    async fn ten_steps(cx: Context<'_, Shop>, from: u64) -> Result<u64, String> {
        let sum = add(cx, from).await?;
        let sum = add(cx, sum).await?;
        let sum = add(cx, sum).await?;
        let sum = add(cx, sum).await?;
        let sum = if from > 50 { add(cx, sum).await? } else { sum };
        let sum = add(cx, sum).await?;
        let sum = add(cx, sum).await?;
        let sum = add(cx, sum).await?;
        let sum = add(cx, sum).await?;
        limit(cx, sum, 100).await?;
        Ok(sum)
    }
);

saga!(
    async fn four_at_once(cx: Context<'_, Shop>, from: u64) -> Result<u64, String> {
        let (a, b, c, d) = try_join!(add(cx, from), add(cx, from), add(cx, from), add(cx, from))?;
        Ok(a + b + c + d)
    }
);

saga!(
    async fn many(cx: Context<'_, Shop>, items: u64) -> Result<u64, String> {
        let sums = try_join_all(16, 0..items, |item| add(cx, item)).await?;
        Ok(sums.iter().sum())
    }
);

/// Counts the allocations of a future that never waits.
fn allocated<T>(future: impl Future<Output = T>) -> (T, AllocationInfo) {
    let mut ended = None;
    let info = allocation_counter::measure(|| {
        let mut future = pin!(future);
        if let Poll::Ready(output) = future.as_mut().poll(&mut Polled::from_waker(Waker::noop())) {
            ended = Some(output);
        }
    });
    (ended.expect("it never waits"), info)
}

/// The boxes around so many attempts and compensations, which a debug build makes to compile faster, and those of a saga with at
/// most 16 calls, around its body and its outputs, which it makes to need less of the stack.
fn boxed_with_saga(calls: usize) -> u64 {
    boxed(calls) + boxed(2)
}

/// The boxes around so many attempts and compensations.
fn boxed(calls: usize) -> u64 {
    if cfg!(debug_assertions) {
        calls as u64
    } else {
        0
    }
}

#[test]
fn one_step_after_the_other_does_not_allocate() {
    let (sum, info) = allocated(ThreeSteps { from: 1 }.execute(&Shop));
    assert_eq!((sum.ok(), info.count_total), (Some(3), boxed_with_saga(3)));
    let (sum, info) = allocated(TenSteps { from: 1 }.execute(&Shop));
    assert_eq!((sum.ok(), info.count_total), (Some(9), boxed_with_saga(9)));
}

#[test]
fn what_a_failure_allocates_does_not_depend_on_the_number_of_steps() {
    let [three, ten] = [
        allocated(ThreeSteps { from: 98 }.execute(&Shop)),
        allocated(TenSteps { from: 92 }.execute(&Shop)),
    ]
    .map(|(failed, info)| {
        let error = failed.expect_err("it is too much");
        assert!(error.is_compensated());
        // Each compensated step, and the refused one.
        let done = error.compensations().len();
        info.count_total - boxed(done) - boxed(done + 1)
    });
    assert!(ten <= three + 2, "{three} {ten}");
}

#[test]
fn a_group_allocates_once() {
    let (sum, info) = allocated(FourAtOnce { from: 1 }.execute(&Shop));
    assert_eq!(sum.ok(), Some(8));
    assert!(info.count_total <= 1 + boxed_with_saga(4), "{info:?}");
}

#[test]
fn what_a_fan_out_allocates_is_in_proportion_to_the_items() {
    let (sum, hundred) = allocated(Many { items: 100 }.execute(&Shop));
    assert_eq!(sum.ok(), Some(5050));
    let (sum, ten_thousand) = allocated(Many { items: 10_000 }.execute(&Shop));
    assert_eq!(sum.ok(), Some(50_005_000));
    for (few, many) in [
        (hundred.count_total, ten_thousand.count_total),
        (hundred.bytes_total, ten_thousand.bytes_total),
        (hundred.bytes_max, ten_thousand.bytes_max),
    ] {
        assert!(many <= 110 * few, "{hundred:?} {ten_thousand:?}");
    }
}
