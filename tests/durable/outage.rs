//! An outage of a service: what can be undone is undone at once, the rest when the service is back, and no operator is needed.

use std::time::Duration;

use saga_runtime::coordinator::Builder;
use saga_runtime::journal::{Memory, State};
use saga_runtime::meta::RetryPolicy;
use saga_runtime::{Context, Coordinator, saga, step};

use crate::shop::{Answer, Refused, Shop, becomes, events, id, inspected};

#[step(compensate = release)]
async fn reserve(cx: Context<'_, Shop>) -> Result<(), Refused> {
    cx.ask("reserve").await.map(drop)
}

async fn release(cx: Context<'_, Shop>, (): &()) -> Result<(), Refused> {
    cx.ask("release").await.map(drop)
}

#[step(compensate = refund, in_doubt(when = any))]
async fn charge(cx: Context<'_, Shop>) -> Result<(), Refused> {
    cx.ask("charge").await.map(drop)
}

async fn refund(cx: Context<'_, Shop>, (): &()) -> Result<(), Refused> {
    cx.ask("refund").await.map(drop)
}

#[step(compensate = refund, in_doubt(when = any, resolve = void))]
async fn charge_by_card(cx: Context<'_, Shop>) -> Result<(), Refused> {
    cx.ask("charge").await.map(drop)
}

async fn void(cx: Context<'_, Shop>) -> Result<(), Refused> {
    cx.ask("void").await.map(drop)
}

fn any(_: &Refused) -> bool {
    true
}

#[step(compensate = ())]
async fn pack(cx: Context<'_, Shop>) -> Result<(), Refused> {
    cx.ask("pack").await.map(drop)
}

#[step(compensate = refund, compensation(retry(backoff = "1ms..1ms", give_up_after = "20ms")))]
async fn charge_cash(cx: Context<'_, Shop>) -> Result<(), Refused> {
    cx.ask("charge").await.map(drop)
}

#[step(pivot, in_doubt(when = any, retry(backoff = "1ms..1ms", give_up_after = "9ms")))]
async fn ship(cx: Context<'_, Shop>) -> Result<(), Refused> {
    cx.ask("ship").await.map(drop)
}

#[step(retriable, retry(backoff = "1ms..1ms", give_up_after = "9ms"))]
async fn thank(cx: Context<'_, Shop>) -> Result<(), Refused> {
    cx.ask("thank").await.map(drop)
}

saga!(
    async fn selling(cx: Context<'_, Shop>) -> Result<(), Refused> {
        reserve(cx).await?;
        charge(cx).await?;
        pack(cx).await?;
        Ok(())
    }
);

saga!(
    async fn selling_by_card(cx: Context<'_, Shop>) -> Result<(), Refused> {
        reserve(cx).await?;
        charge_by_card(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(compensations = parallel)]
    async fn selling_at_once(cx: Context<'_, Shop>) -> Result<(), Refused> {
        reserve(cx).await?;
        charge(cx).await?;
        pack(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(on_compensation_failure = halt)]
    async fn selling_in_order(cx: Context<'_, Shop>) -> Result<(), Refused> {
        reserve(cx).await?;
        charge(cx).await?;
        pack(cx).await?;
        Ok(())
    }
);

saga!(
    async fn selling_for_cash(cx: Context<'_, Shop>) -> Result<(), Refused> {
        reserve(cx).await?;
        charge_cash(cx).await?;
        pack(cx).await?;
        Ok(())
    }
);

saga!(
    async fn shipping(cx: Context<'_, Shop>) -> Result<(), Refused> {
        reserve(cx).await?;
        ship(cx).await?;
        Ok(())
    }
);

saga!(
    async fn thanking(cx: Context<'_, Shop>) -> Result<(), Refused> {
        reserve(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

/// A day in which no wait is longer than a hundredth of a second.
const SHORT_WAITS: RetryPolicy =
    RetryPolicy::FOR_A_DAY.backoff(Duration::from_micros(10), Duration::from_millis(10));

/// The attempts in the hour of an outage, by [`RetryPolicy::FOR_A_DAY`].
const IN_AN_HOUR: usize = 25;

fn builder(shop: &Shop) -> Builder<Shop> {
    Coordinator::builder(shop.clone())
        .compensation_retry(SHORT_WAITS)
        .register::<Selling>()
        .register::<SellingByCard>()
        .register::<SellingAtOnce>()
        .register::<SellingInOrder>()
        .register::<SellingForCash>()
        .register::<Shipping>()
        .register::<Thanking>()
}

async fn started(shop: &Shop, journal: Memory) -> Coordinator<Shop> {
    let started = builder(shop).journal(journal).start().await;
    started.expect("the journal works")
}

/// How often a service was asked.
fn count(shop: &Shop, what: &str) -> usize {
    shop.asked().iter().filter(|one| *one == what).count()
}

/// Waits until a service was asked so often.
async fn is_asked(shop: &Shop, what: &str, times: usize) {
    loop {
        let asked = shop.asked_something.notified();
        if count(shop, what) >= times {
            return;
        }
        asked.await;
    }
}

/// The service is down for an hour. All the time another process takes the saga over now and then.
macro_rules! survives_an_outage {
    ($(fn $test:ident() of $saga:expr, $down:literal, $refused:literal;)+) => {$(
        #[tokio::test]
        async fn $test() {
            let shop = Shop::default().answers($refused, [Answer::Refuses]);
            let shop = shop.always($down, Answer::Refuses);
            let journal = Memory::new();
            let first = started(&shop, journal.clone()).await;
            let _ = first.submit("a", $saga).await.expect("it is new");
            is_asked(&shop, $down, 5).await;
            shop.is_asked("release").await;
            let before = count(&shop, $down);
            assert!(before <= 6, "the stock is released first: {:?}", shop.asked());
            is_asked(&shop, $down, IN_AN_HOUR / 2).await;
            first.shutdown().await;
            let second = started(&shop, journal).await;
            is_asked(&shop, $down, IN_AN_HOUR).await;
            assert_eq!(count(&shop, "release"), 1);
            assert!(!inspected(&second, "a").await.record.state.is_final());
            shop.behaves();
            becomes(&second, "a", State::Compensated).await;
            assert_eq!(count(&shop, "release"), 1);
            let events = events(&second, "a").await;
            let by_hand = ["retried", "stuck", "compensation_resolved", "compensation_skipped"];
            assert!(!events.iter().any(|event| by_hand.contains(event)), "{events:?}");
        }
    )+};
}

survives_an_outage! {
    fn a_refund_waits_for_the_service_and_the_stock_does_not() of Selling {}, "refund", "pack";
    fn so_it_is_if_all_is_undone_at_once() of SellingAtOnce {}, "refund", "pack";
    fn a_step_in_doubt_is_asked_until_the_service_is_back() of Selling {}, "charge", "nothing";
    fn a_resolver_is_attempted_until_the_service_is_back() of SellingByCard {}, "void", "charge";
}

#[tokio::test]
async fn where_the_order_is_strict_the_stock_waits_for_the_refund() {
    let shop = Shop::default().answers("pack", [Answer::Refuses]);
    let shop = shop.always("refund", Answer::Refuses);
    let coordinator = started(&shop, Memory::new()).await;
    let _ = coordinator
        .submit("a", SellingInOrder {})
        .await
        .expect("it is new");
    is_asked(&shop, "refund", IN_AN_HOUR).await;
    assert_eq!(count(&shop, "release"), 0);
    shop.behaves();
    becomes(&coordinator, "a", State::Compensated).await;
    assert_eq!(shop.asked().last().map(String::as_str), Some("release"));
}

#[tokio::test]
async fn a_compensation_fails_for_good_when_its_time_is_over() {
    let shop = Shop::default().answers("pack", [Answer::Refuses]);
    let shop = shop.always("refund", Answer::Refuses);
    let coordinator = started(&shop, Memory::new()).await;
    let _ = coordinator
        .submit("a", SellingForCash {})
        .await
        .expect("it is new");
    becomes(&coordinator, "a", State::Stuck).await;
    assert_eq!(count(&shop, "refund"), 21);
    assert_eq!(count(&shop, "release"), 1);
}

#[tokio::test]
async fn a_pivot_says_how_long_it_is_settled() {
    let shop = Shop::default().always("ship", Answer::Refuses);
    let coordinator = started(&shop, Memory::new()).await;
    let _ = coordinator
        .submit("a", Shipping {})
        .await
        .expect("it is new");
    becomes(&coordinator, "a", State::Stuck).await;
    // Once forward, and ten times to settle it.
    assert_eq!(count(&shop, "ship"), 11);
    assert_eq!(count(&shop, "release"), 0);
}

#[tokio::test]
async fn a_retriable_step_is_stuck_when_its_time_is_over_and_goes_on_when_it_is_retried() {
    let shop = Shop::default().always("thank", Answer::Refuses);
    let coordinator = started(&shop, Memory::new()).await;
    let _ = coordinator
        .submit("a", Thanking {})
        .await
        .expect("it is new");
    becomes(&coordinator, "a", State::Stuck).await;
    assert_eq!(count(&shop, "thank"), 10);
    let stuck = inspected(&coordinator, "a").await.to_string();
    assert!(
        stuck.contains("step `thank` is given up after 10 attempts"),
        "{stuck}"
    );
    shop.behaves();
    let retried = coordinator.retry(&id("a"), "the mail is back").await;
    let _ = retried.expect("it is stuck");
    becomes(&coordinator, "a", State::Completed).await;
    assert_eq!(count(&shop, "release"), 0);
}
