//! Seven buggy sagas: the matrix finds each, with the right words.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;

use saga_runtime::testing::FailureMatrix;
use saga_runtime::{Context, saga, step};

/// A shop in memory.
#[derive(Debug, Default)]
struct Books(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The orders with their keys.
    orders: BTreeMap<String, u64>,
    /// The reserved items, by key.
    reserved: BTreeSet<String>,
    customers: BTreeSet<&'static str>,
    /// A counter that a step raises and its compensation forgets.
    sold: u64,
    next: u64,
}

impl Books {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().expect("nothing panics with it"))
    }

    fn is_empty(&self) -> bool {
        self.with(|state| {
            state.orders.is_empty()
                && state.reserved.is_empty()
                && state.customers.is_empty()
                && state.sold == 0
        })
    }
}

/// The rule of every shop here: a saga that is compensated leaves nothing.
macro_rules! report {
    ($saga:ident) => {
        FailureMatrix::new(Books::default, || $saga {})
            .invariant("nothing is left", |books, end| {
                !end.is_compensated() || books.is_empty()
            })
            .run()
    };
}

/// A step that does nothing, so that the steps before it are undone when it refuses.
#[step(compensate = ())]
async fn check(_cx: Context<'_, Books>) -> Result<(), String> {
    Ok(())
}

#[step(compensate = forget_order)]
async fn order(cx: Context<'_, Books>) -> Result<u64, String> {
    let key = cx.idempotency_key().to_string();
    Ok(cx.with(|state| {
        if state.orders.insert(key, 1).is_none() {
            state.sold += 1;
        }
        17
    }))
}

/// Forgets the counter.
async fn forget_order(cx: Context<'_, Books>, _: &u64) -> Result<(), String> {
    cx.with(|state| state.orders.remove(&cx.action_key().to_string()));
    Ok(())
}

saga!(
    async fn forgets_a_field(cx: Context<'_, Books>) -> Result<(), String> {
        order(cx).await?;
        check(cx).await?;
        Ok(())
    }
);

#[test]
fn a_compensation_that_forgets_a_field_is_found() {
    let report = report!(ForgetsAField).to_string();
    assert!(
        report.contains("But the invariant is broken: nothing is left"),
        "{report}"
    );
    assert!(report.contains("forget_order → done"), "{report}");
    let alone =
        "This case alone: SAGA_CASE='order: timed out before its effect' cargo test buggy::";
    assert!(report.contains(alone), "{report}");
}

/// Ignores its key.
#[step(compensate = remove_order)]
async fn order_anew(cx: Context<'_, Books>) -> Result<u64, String> {
    Ok(cx.with(|state| {
        state.next += 1;
        state.orders.insert(format!("number {}", state.next), 1);
        state.next
    }))
}

async fn remove_order(cx: Context<'_, Books>, order: &u64) -> Result<(), String> {
    cx.with(|state| state.orders.remove(&format!("number {order}")));
    Ok(())
}

saga!(
    async fn ignores_its_key(cx: Context<'_, Books>) -> Result<(), String> {
        order_anew(cx).await?;
        check(cx).await?;
        Ok(())
    }
);

#[test]
fn a_step_that_ignores_its_key_is_found() {
    let report = report!(IgnoresItsKey).to_string();
    assert!(
        report.contains(
            "`order_anew` gives another answer when it is asked twice under one key: `1`, then `2`. It ignores its key"
        ),
        "{report}"
    );
    assert!(report.contains("order_anew: asked twice"), "{report}");
}

#[step(compensate = remove_strictly)]
async fn reserve(cx: Context<'_, Books>) -> Result<u64, String> {
    let key = cx.idempotency_key().to_string();
    cx.with(|state| state.reserved.insert(key));
    Ok(1)
}

/// Fails on its second call.
async fn remove_strictly(cx: Context<'_, Books>, _: &u64) -> Result<(), String> {
    let key = cx.action_key().to_string();
    if cx.with(|state| state.reserved.remove(&key)) {
        Ok(())
    } else {
        Err("no such reservation".to_owned())
    }
}

saga!(
    async fn undoes_once(cx: Context<'_, Books>) -> Result<(), String> {
        reserve(cx).await?;
        check(cx).await?;
        Ok(())
    }
);

#[test]
fn a_compensation_that_fails_on_its_second_call_is_found() {
    let report = report!(UndoesOnce).to_string();
    assert!(
        report.contains(
            "`remove_strictly` was done, and fails when it is asked again: no such reservation"
        ),
        "{report}"
    );
}

#[step(compensate = free, in_doubt(when = |_| false, resolve = free_all))]
async fn seat(cx: Context<'_, Books>, _number: u64) -> Result<(), String> {
    let key = cx.idempotency_key().to_string();
    cx.with(|state| state.reserved.insert(key));
    Ok(())
}

async fn free(cx: Context<'_, Books>, (): &()) -> Result<(), String> {
    cx.with(|state| state.reserved.remove(&cx.action_key().to_string()));
    Ok(())
}

/// Frees all seats, and not only its own.
#[expect(clippy::unused_async, reason = "a resolver is an `async fn`")]
async fn free_all(cx: Context<'_, Books>, _number: u64) -> Result<(), String> {
    cx.with(|state| state.reserved.clear());
    Ok(())
}

saga!(
    async fn resolves_too_much(cx: Context<'_, Books>) -> Result<(), String> {
        seat(cx, 1).await?;
        seat(cx, 2).await?;
        Ok(())
    }
);

#[test]
fn a_resolver_that_undoes_too_much_is_found() {
    // The seats of others stay.
    let report = FailureMatrix::new(
        || {
            let books = Books::default();
            books.with(|state| state.reserved.insert("of another saga".to_owned()));
            books
        },
        || ResolvesTooMuch {},
    )
    .invariant("the seats of others stay", |books, _| {
        books.with(|state| state.reserved.contains("of another saga"))
    })
    .run()
    .to_string();
    assert!(
        report.contains("But the invariant is broken: the seats of others stay"),
        "{report}"
    );
    assert!(report.contains("free_all → done"), "{report}");
}

#[step(compensate = ())]
async fn look_at(_cx: Context<'_, Books>, item: u64) -> Result<u64, String> {
    Ok(item)
}

saga!(
    async fn follows_a_map(cx: Context<'_, Books>) -> Result<(), String> {
        let items: HashMap<u64, u64> = (0..8).map(|item| (item, item)).collect();
        for item in items.into_keys() {
            if item % 2 == 0 {
                check(cx).await?;
            } else {
                look_at(cx, item).await?;
            }
        }
        Ok(())
    }
);

#[test]
fn a_body_that_depends_on_the_order_of_a_map_is_found() {
    let report = report!(FollowsAMap).to_string();
    assert!(report.contains("takes another way"), "{report}");
    assert!(report.contains("the order of a `HashMap`"), "{report}");
}

/// Says `Err` after its effect, when it is asked again.
#[step(compensate = unlist)]
async fn list(cx: Context<'_, Books>) -> Result<u64, String> {
    let key = cx.idempotency_key().to_string();
    if cx.with(|state| state.reserved.insert(key)) {
        Ok(1)
    } else {
        Err("listed already".to_owned())
    }
}

async fn unlist(cx: Context<'_, Books>, _: &u64) -> Result<(), String> {
    cx.with(|state| state.reserved.remove(&cx.action_key().to_string()));
    Ok(())
}

saga!(
    async fn refuses_after_its_effect(cx: Context<'_, Books>) -> Result<(), String> {
        list(cx).await?;
        Ok(())
    }
);

#[test]
fn a_step_that_refuses_after_its_effect_is_found() {
    let report = report!(RefusesAfterItsEffect).to_string();
    assert!(
        report.contains(
            "`list` was done, and refuses when it is asked again under the same key: listed already"
        ),
        "{report}"
    );
    assert!(
        report.contains("the saga is compensated, but `list` was done and is not undone"),
        "{report}"
    );
}

#[step(compensate = close_account)]
async fn open_account(cx: Context<'_, Books>) -> Result<u64, String> {
    let key = cx.idempotency_key().to_string();
    cx.with(|state| state.orders.insert(key, 1));
    Ok(1)
}

/// Needs the customer, whom the compensation of the later step has removed.
async fn close_account(cx: Context<'_, Books>, _: &u64) -> Result<(), String> {
    let key = cx.action_key().to_string();
    cx.with(|state| {
        if state.customers.contains("Ann") {
            state.orders.remove(&key);
            Ok(())
        } else {
            Err("there is no customer".to_owned())
        }
    })
}

#[step(compensate = remove_customer)]
async fn add_customer(cx: Context<'_, Books>) -> Result<(), String> {
    cx.with(|state| state.customers.insert("Ann"));
    Ok(())
}

async fn remove_customer(cx: Context<'_, Books>, (): &()) -> Result<(), String> {
    cx.with(|state| state.customers.remove("Ann"));
    Ok(())
}

saga!(
    async fn removes_what_is_needed(cx: Context<'_, Books>) -> Result<(), String> {
        open_account(cx).await?;
        add_customer(cx).await?;
        check(cx).await?;
        Ok(())
    }
);

#[test]
fn a_compensation_that_needs_what_another_has_removed_is_found() {
    let report = report!(RemovesWhatIsNeeded).to_string();
    assert!(
        report.contains("the saga is stuck: `open_account` can't be undone: there is no customer"),
        "{report}"
    );
    assert!(
        report.contains("`add_customer` was undone: does it need something that this has removed?"),
        "{report}"
    );
}
