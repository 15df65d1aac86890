//! A new definition leaves out, renames, inserts or moves calls that are recorded: steps that were attempted and have no outcome yet,
//! and sagas that are called. It is a misfit before anything has an effect; the same definition goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use saga_runtime::coordinator::Builder;
use saga_runtime::journal::{Event, Journal, Memory, State};
use saga_runtime::{Context, Coordinator, EventName, event, saga, sleep, step, try_join_all};

/// A builder with its journal.
type Open = Builder<Shop, Arc<dyn Journal>>;

const GO: EventName<u32> = EventName::new("go");
const STOP: EventName<u32> = EventName::new("stop");

/// Counts what its services are asked for. Some of them fail until they are mended.
#[derive(Clone, Default)]
struct Shop {
    desk: super::Desk,
    works: Arc<AtomicBool>,
}

impl Shop {
    fn ask(&self, what: &'static str) -> Result<u32, String> {
        self.desk.ask(what);
        let works = self.works.load(Ordering::Relaxed);
        works.then_some(1).ok_or_else(|| "no answer".to_owned())
    }
}

macro_rules! steps {
    ($($step:ident)+) => {$(
        #[step(compensate = undo)]
        async fn $step(cx: Context<'_, Shop>) -> Result<u32, String> {
            Ok(cx.desk.ask(stringify!($step)))
        }
    )+};
}

steps!(quote book ship);

macro_rules! failing_steps {
    ($($step:ident)+) => {$(
        #[step(compensate = undo, retry(attempts = 100_000, backoff = "1ms..1ms", when = always))]
        async fn $step(cx: Context<'_, Shop>) -> Result<u32, String> {
            cx.ask(stringify!($step))
        }
    )+};
}

failing_steps!(charge bill);

#[step(compensate = undo, retry(attempts = 100_000, backoff = "1ms..1ms", when = always))]
async fn pack(cx: Context<'_, Shop>, _parcel: u32) -> Result<u32, String> {
    cx.ask("pack")
}

#[step(compensate = undo)]
async fn refuse(cx: Context<'_, Shop>) -> Result<u32, String> {
    cx.desk.ask("refuse");
    Err("refused".to_owned())
}

#[step(pivot, name = "charge")]
async fn charge_for_good(cx: Context<'_, Shop>) -> Result<u32, String> {
    Ok(cx.desk.ask("charge for good"))
}

#[step(compensate = (), name = "quote")]
async fn quote_for_good(cx: Context<'_, Shop>) -> Result<u32, String> {
    Ok(cx.desk.ask("quote for good"))
}

fn always(_: &str) -> bool {
    true
}

async fn undo(cx: Context<'_, Shop>, _: &u32) -> Result<(), String> {
    cx.desk.ask("undo");
    Ok(())
}

/// Sagas that are called.
macro_rules! inner {
    ($($saga:ident: $step:ident;)+) => {$(
        saga!(
            #[saga(compensatable)]
            async fn $saga(cx: Context<'_, Shop>) -> Result<u32, String> {
                $step(cx).await
            }
        );
    )+};
}

inner! {
    quoting: quote;
    asking: quote;
    charging: charge;
    billing: charge;
}

saga!(
    #[saga(compensatable)]
    async fn waiting(cx: Context<'_, Shop>) -> Result<u32, String> {
        quote(cx).await?;
        Ok(event(cx, GO).await)
    }
);

saga!(
    #[saga(compensatable, name = "waiting")]
    async fn stopping(cx: Context<'_, Shop>) -> Result<u32, String> {
        quote(cx).await?;
        Ok(event(cx, STOP).await)
    }
);

/// A new definition of a saga, and of what it calls, in the place of an old one.
struct Change {
    journal: Memory,
    shop: Shop,
}

impl Change {
    /// Runs the saga `a` of the old definition until so many of its calls wait.
    async fn after(
        started: Coordinator<Shop>,
        journal: Memory,
        submit: impl AsyncFnOnce(&Coordinator<Shop>),
        waits: usize,
    ) -> Self {
        submit(&started).await;
        loop {
            let inspected = started.inspect("a").await.expect("the journal works");
            let entries = inspected.expect("it is there").entries;
            let mut calls: Vec<_> = entries
                .iter()
                .filter_map(|entry| match &entry.event {
                    Event::Failing { step, .. } | Event::Waiting { step, .. } => Some(step.clone()),
                    _ => None,
                })
                .collect();
            calls.sort_by_key(ToString::to_string);
            calls.dedup();
            if calls.len() == waits {
                break;
            }
            assert!(calls.len() < waits, "{calls:?}");
            tokio::task::yield_now().await;
        }
        started.shutdown().await;
        Self {
            journal,
            shop: Shop::default(),
        }
    }

    fn builder(&self) -> Open {
        Coordinator::builder(self.shop.clone()).journal(self.journal.clone())
    }

    /// The new definition does not fit, which is known before it has an effect.
    async fn shows_a_misfit(self, register: impl Fn(Open) -> Open, says: &str) {
        let report = register(self.builder()).check().await;
        let report = report.expect("the journal works");
        let text = report.to_string();
        assert_eq!(report.misfit_count, 1, "{text}");
        assert!(text.contains("definition_changed"), "{text}");
        assert!(text.contains(says), "{says}: {text}");
        let step = report.misfits[0].step.as_ref().expect("it is at a call");
        assert!(text.contains(&format!("`{step}`")), "{step}: {text}");
        self.shop.works.store(true, Ordering::Relaxed);
        let coordinator = register(self.builder()).start().await;
        let coordinator = coordinator.expect("it only reports");
        // A saga that waits for its next attempt wakes by itself.
        drop(coordinator.send("a", GO, &1).await);
        ends(&coordinator, State::Stuck).await;
        assert_eq!(self.shop.desk.asked(), [""; 0], "nothing has an effect");
        let again = coordinator.retry("a", "try it").await;
        again.expect("it is stuck");
        ends(&coordinator, State::Stuck).await;
        assert_eq!(self.shop.desk.asked(), [""; 0], "nor after a retry");
    }

    /// The definition fits, and goes on to this end.
    async fn fits(self, register: impl Fn(Open) -> Open, end: State, asked: &[&str]) {
        let report = register(self.builder()).check().await;
        let report = report.expect("the journal works");
        assert!(report.is_fine(), "{report}");
        self.shop.works.store(true, Ordering::Relaxed);
        let coordinator = register(self.builder()).start().await;
        let coordinator = coordinator.expect("nothing is refused");
        drop(coordinator.send("a", GO, &1).await);
        ends(&coordinator, end).await;
        let mut all = self.shop.desk.asked();
        all.sort_unstable();
        assert_eq!(all, asked);
    }
}

async fn ends(coordinator: &Coordinator<Shop>, end: State) {
    let ended = async {
        while coordinator.status("a").await.expect("the journal works") != Some(end) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_mins(1), ended).await;
    let inspected = coordinator.inspect("a").await.expect("the journal works");
    assert!(ended.is_ok(), "{}", inspected.expect("it is there"));
}

/// Each definition and its changes: the calls that wait when it is changed, and what the misfit says.
macro_rules! changes {
    (|$cx:ident| $($name:ident, $waits:literal, { $($old:tt)* } goes on to $end:ident, $asked:expr; [$($change:ident { $($new:tt)* } says $says:literal;)*])+) => {$(
        mod $name {
            use super::*;

            saga!(
                async fn changing($cx: Context<'_, Shop>) -> Result<u32, String> { $($old)* }
            );

            async fn before() -> Change {
                let journal = Memory::new();
                let shop = Shop::default();
                let builder = Coordinator::builder(shop).journal(journal.clone());
                let builder = builder.patience(Duration::ZERO).register::<Changing>();
                let started = builder.start().await.expect("the journal is new");
                let submit = async |coordinator: &Coordinator<Shop>| {
                    let submitted = coordinator.submit("a", Changing {}).await;
                    drop(submitted.expect("it is new"));
                };
                Change::after(started, journal, submit, $waits).await
            }

            #[tokio::test]
            async fn goes_on() {
                let change = before().await;
                change.fits(Open::register::<Changing>, State::$end, &$asked).await;
            }

            $(
                mod $change {
                    use super::*;

                    saga!(
                        async fn changing($cx: Context<'_, Shop>) -> Result<u32, String> { $($new)* }
                    );

                    #[tokio::test]
                    async fn does_not_fit() {
                        let change = super::before().await;
                        change.shows_a_misfit(Open::register::<Changing>, $says).await;
                    }
                }
            )*
        }
    )+};
}

changes! { |cx|
    an_attempted_step, 1, {
        quote(cx).await?;
        charge(cx).await
    } goes on to Completed, ["charge"]; [
    renamed { quote(cx).await?; bill(cx).await }
        says "call 2 is recorded as step `charge` (compensatable), and is step `bill` (compensatable) now; if `bill` is `charge` under another name";
    after_a_refusal { quote(cx).await?; refuse(cx).await?; charge(cx).await }
        says "call 2 is recorded as step `charge` (compensatable), and is step `refuse` (compensatable) now";
    after_a_wait { quote(cx).await?; event(cx, GO).await; charge(cx).await }
        says "call 2 is recorded as step `charge` (compensatable), and is the wait `event:go` now";
    after_a_called_saga { quote(cx).await?; charging(cx).await?; charge(cx).await }
        says "call 2 is recorded as step `charge` (compensatable), and step `charging/charge` (compensatable) comes without it now";
    removed { quote(cx).await }
        says "call 2 is recorded as step `charge` (compensatable), and the saga ends before it now";
    fails_before { let price = quote(cx).await?; if price > 0 { return Err("too dear".to_owned()); }
        charge(cx).await }
        says "call 2 is recorded as step `charge` (compensatable), and the saga ends before it now";
    undone_in_another_way { quote(cx).await?; charge_for_good(cx).await }
        says "call 2 is recorded as step `charge` (compensatable), and is step `charge` (pivot) now; it is undone in another way now";
    ]

    attempted_members_of_a_group, 2, {
        let (charge, _, _) = try_join!(charge(cx), quote(cx), bill(cx))?;
        ship(cx).await?;
        Ok(charge)
    } goes on to Completed, ["bill", "charge", "ship"]; [
    one_removed { let (charge, _) = try_join!(charge(cx), quote(cx))?; ship(cx).await?; Ok(charge) }
        says "is recorded as step `bill` (compensatable), and is step `charge` (compensatable) now";
    one_after_them { let (charge, _) = try_join!(charge(cx), quote(cx))?; bill(cx).await?; Ok(charge) }
        says "is recorded as step `bill` (compensatable), and is step `charge` (compensatable) now";
    ]

    a_done_member_of_a_group, 1, {
        let (price, _) = try_join!(quote(cx), charge(cx))?;
        ship(cx).await?;
        Ok(price)
    } goes on to Completed, ["charge", "ship"]; [
    renamed { let (price, _) = try_join!(book(cx), charge(cx))?; ship(cx).await?; Ok(price) }
        says "call 1 is recorded as step `quote` (compensatable), and is in a group of steps that run at the same time now, without that one: `book`, `charge`; if `book` is `quote` under another name, keep the recorded one with `name = \"quote\"`; if it was inserted, give the saga another version";
    left_out { let (_, price) = try_join!(charge(cx), charging(cx))?; ship(cx).await?; Ok(price) }
        says "call 1 is recorded as step `quote` (compensatable), and is in a group of steps that run at the same time now, without that one: `charge`; the step was removed from the group";
    undone_in_another_way { let (price, _) = try_join!(quote_for_good(cx), charge(cx))?; ship(cx).await?; Ok(price) }
        says "call 1 is recorded as step `quote` (compensatable), and is step `quote` (nothing to undo) now; it is undone in another way now";
    ]

    a_wait_for_an_event, 1, {
        quote(cx).await?;
        let go = event(cx, GO).await;
        ship(cx).await?;
        Ok(go)
    } goes on to Completed, ["ship"]; [
    of_another_name { quote(cx).await?; let go = event(cx, STOP).await; ship(cx).await?; Ok(go) }
        says "call 2 is recorded as the wait `event:go`, and is the wait `event:stop` now; if the event `stop` is `go` under another name, keep the recorded one with `EventName::new(\"go\")`; if the wait was inserted, give the saga another version; or a branch";
    with_a_step_before { quote(cx).await?; book(cx).await?; let go = event(cx, GO).await; ship(cx).await?; Ok(go) }
        says "call 2 is recorded as the wait `event:go`, and is step `book` (compensatable) now; if step `book` (compensatable) was inserted, or the wait `event:go` was removed or moved, give the saga another version; or a branch";
    with_a_pause_before { quote(cx).await?; sleep(cx, Duration::ZERO).await; let go = event(cx, GO).await; ship(cx).await?; Ok(go) }
        says "call 2 is recorded as the wait `event:go`, and is the wait `sleep` now; if the wait `sleep` was inserted, or the wait `event:go` was removed or moved, give the saga another version";
    removed { quote(cx).await }
        says "call 2 is recorded as the wait `event:go`, and the saga ends before it now; the wait was removed, or a branch";
    ]

    a_wait_of_a_called_saga, 1, {
        let go = waiting(cx).await?;
        ship(cx).await?;
        Ok(go)
    } goes on to Completed, ["ship"]; [
    is_for_another_event { let go = stopping(cx).await?; ship(cx).await?; Ok(go) }
        says "call 2 is recorded as the wait `waiting/event:go`, and is the wait `waiting/event:stop` now; if the event `stop` is `go` under another name";
    ]

    attempted_items_of_a_fan_out, 3, {
        quote(cx).await?;
        try_join_all(4, [0_u32, 1, 2], |parcel| pack(cx, parcel)).await?;
        ship(cx).await
    } goes on to Completed, ["pack", "pack", "pack", "ship"]; [
    fewer { quote(cx).await?; try_join_all(4, [0_u32, 1], |parcel| pack(cx, parcel)).await?; ship(cx).await }
        says "is recorded as step `pack#2` (compensatable), and is step `pack";
    ]

    an_attempted_step_of_a_loop, 1, {
        for _ in 0..2 {
            quote(cx).await?;
        }
        charge(cx).await
    } goes on to Completed, ["charge"]; [
    longer { for _ in 0..3 { quote(cx).await?; } charge(cx).await }
        says "call 3 is recorded as step `charge` (compensatable), and is step `quote#2` (compensatable) now";
    ]

    an_attempted_step_of_a_called_saga, 1, {
        quote(cx).await?;
        charging(cx).await?;
        ship(cx).await
    } goes on to Completed, ["charge", "ship"]; [
    of_a_renamed_one { quote(cx).await?; billing(cx).await?; ship(cx).await }
        says "call 1 of the saga `charging` that is called is recorded as step `charging/charge` (compensatable), and step `billing/charge` (compensatable) comes without it now";
    of_a_removed_one { quote(cx).await?; ship(cx).await }
        says "step `ship` (compensatable) comes without it now";
    ]

    called_sagas_that_run_at_the_same_time, 3, {
        let (charged, _, _) = try_join!(charging(cx), waiting(cx), bill(cx))?;
        ship(cx).await?;
        Ok(charged)
    } goes on to Completed, ["bill", "charge", "ship"]; [
    one_is_removed { let (charged, _) = try_join!(charging(cx), bill(cx))?; ship(cx).await?; Ok(charged) }
        says "of the saga `waiting` that is called is recorded as step `waiting/quote` (compensatable)";
    one_is_renamed { let (charged, _, _) = try_join!(billing(cx), waiting(cx), bill(cx))?; ship(cx).await?; Ok(charged) }
        says "of the saga `charging` that is called is recorded as step `charging/charge` (compensatable)";
    ]

    a_called_saga, 1, {
        quoting(cx).await?;
        book(cx).await?;
        let go = event(cx, GO).await;
        ship(cx).await?;
        Ok(go)
    } goes on to Completed, ["ship"]; [
    is_renamed { asking(cx).await?; book(cx).await?; let go = event(cx, GO).await; ship(cx).await?; Ok(go) }
        says "call 1 of the saga `quoting` that is called is recorded as step `quoting/quote` (compensatable), and step `asking/quote` (compensatable) comes without it now";
    is_removed { book(cx).await?; let go = event(cx, GO).await; ship(cx).await?; Ok(go) }
        says "step `book` (compensatable) comes without it now; a saga that is called was renamed, inserted, moved or removed";
    is_moved { book(cx).await?; quoting(cx).await?; let go = event(cx, GO).await; ship(cx).await?; Ok(go) }
        says "step `book` (compensatable) comes without it now";
    is_moved_behind_the_wait { book(cx).await?; let go = event(cx, GO).await; quoting(cx).await?; ship(cx).await?; Ok(go) }
        says "step `book` (compensatable) comes without it now";
    is_called_once_more { quoting(cx).await?; quoting(cx).await?; book(cx).await?; let go = event(cx, GO).await; ship(cx).await?; Ok(go) }
        says "is recorded as step `book` (compensatable), and step `quoting#1/quote` (compensatable) comes without it now";
    is_called_in_a_group { try_join!(quoting(cx), asking(cx))?; book(cx).await?; let go = event(cx, GO).await; ship(cx).await?; Ok(go) }
        says "is recorded as step `book` (compensatable), and step `asking/quote` (compensatable) comes without it now";
    ]

    a_saga_that_is_called_last, 1, {
        quoting(cx).await?;
        quoting(cx).await?;
        let go = event(cx, GO).await;
        Ok(go)
    } goes on to Completed, [""; 0]; [
    is_called_once_less { quoting(cx).await?; let go = event(cx, GO).await; Ok(go) }
        says "of the saga `quoting#1` that is called is recorded as step `quoting#1/quote` (compensatable), and";
    ]
}
