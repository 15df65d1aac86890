//! Sagas that can't be run: each is stuck with a reason, and harms no other.

use saga_runtime::coordinator::{Coordinator, ExecuteError, StartError};
use saga_runtime::journal::{Event, Journal, Memory, NewSaga, SagaVersion, State, StepCall};
use saga_runtime::{Context, Kind, Saga, saga, step};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cut_off::{Ended, gone};
use crate::shop::{Refused, Sell, Shop, becomes, builder, id, inspected, started};

/// Adds a saga to a journal that a worker left after these entries.
async fn cut_off(journal: &Memory, saga: &str, name: &str, input: &str, events: Vec<Event>) {
    let new = NewSaga {
        id: id(saga),
        name: name.to_owned(),
        version: 1,
        fingerprint: 0,
        input: input.to_owned(),
        trace: None,
    };
    crate::cut_off::cut_off(journal, new, &events, Ended::Killed).await;
}

fn done(name: &'static str, kind: Kind, output: &str) -> Event {
    let step = StepCall {
        name: name.into(),
        occurrence: 0,
        kind,
    };
    Event::StepDone {
        step,
        attempts: 1,
        output: output.to_owned(),
        inputs: None,
    }
}

async fn is_stuck(journal: Memory, saga: &str, reason: &str) {
    let shop = Shop::default();
    let coordinator = started(&shop, journal).await;
    becomes(&coordinator, saga, State::Stuck).await;
    match inspected(&coordinator, saga)
        .await
        .entries
        .last()
        .map(|last| &last.event)
    {
        Some(Event::Stuck { reason: said }) => assert_eq!(said.message, reason),
        other => panic!("{other:?}"),
    }
    // Others are not harmed.
    let executed = coordinator.execute("sound", Sell { amount: 3 }).await;
    assert_eq!(executed.expect("nothing fails"), 3);
}

#[tokio::test]
async fn a_definition_that_has_changed() {
    let journal = Memory::new();
    let events = vec![done("pay", Kind::Compensatable, "\"pay\"")];
    cut_off(&journal, "order-1", "sell", "{\"amount\":3}", events).await;
    let reason = "the definition of `sell` has changed: call 1 is recorded as step `pay` (compensatable), and is step `order` (compensatable) now; if `order` is `pay` under another name, keep the recorded one with `name = \"pay\"`; if it was inserted, give the saga another version; or a branch may depend on something that is not recorded: between steps, the body must not ask a service, a clock or a random number, but `cx.now()` and `cx.uuid()`";
    is_stuck(journal, "order-1", reason).await;
}

#[tokio::test]
async fn a_definition_that_has_become_shorter() {
    let journal = Memory::new();
    let events = vec![
        done("order", Kind::Compensatable, "\"order\""),
        done("charge", Kind::Compensatable, "\"charge\""),
        done("ship", Kind::Pivot, "\"ship\""),
        done("thank", Kind::Retriable, "\"thank\""),
        done("report", Kind::Retriable, "\"report\""),
    ];
    cut_off(&journal, "order-1", "sell", "{\"amount\":3}", events).await;
    let reason = "the definition of `sell` has changed: call 5 is recorded as step `report` (retriable), and the saga ends before it now; the step was removed, or a branch may depend on something that is not recorded: between steps, the body must not ask a service, a clock or a random number, but `cx.now()` and `cx.uuid()`";
    is_stuck(journal, "order-1", reason).await;
}

#[tokio::test]
async fn an_input_that_can_not_be_read() {
    let journal = Memory::new();
    cut_off(&journal, "order-1", "sell", "{\"price\":3}", vec![]).await;
    let reason = "the recorded input can't be read: missing field `amount` at line 1 column 11";
    is_stuck(journal, "order-1", reason).await;
}

#[tokio::test]
async fn an_output_that_can_not_be_read() {
    let journal = Memory::new();
    let events = vec![done("order", Kind::Compensatable, "17")];
    cut_off(&journal, "order-1", "sell", "{\"amount\":3}", events).await;
    let reason = "the recorded output of step `order` can't be read: invalid type: integer `17`, expected a string at line 1 column 2";
    is_stuck(journal, "order-1", reason).await;
}

#[tokio::test]
async fn a_history_that_makes_no_sense() {
    let journal = Memory::new();
    let events = vec![
        Event::Compensating {
            step: None,
            reason: saga_runtime::journal::Reason::new("error", "declined"),
        },
        done("order", Kind::Compensatable, "\"order\""),
    ];
    cut_off(&journal, "order-1", "sell", "{\"amount\":3}", events).await;
    let reason = "entry 2 can't be read: `step_done` can't follow what comes before";
    is_stuck(journal, "order-1", reason).await;
}

#[tokio::test]
async fn a_definition_that_is_not_registered_waits_and_others_go_on() {
    let journal = Memory::new();
    cut_off(&journal, "refund-1", "refund", "{}", vec![]).await;
    cut_off(&journal, "order-1", "sell", "{\"amount\":3}", vec![]).await;
    let coordinator = started(&Shop::default(), journal).await;
    becomes(&coordinator, "order-1", State::Completed).await;
    let waits = inspected(&coordinator, "refund-1").await.record;
    assert!(!waits.state.is_final());
    assert_eq!(waits.epoch, 1, "no worker has claimed it");
}

#[tokio::test]
async fn a_saga_that_ends_its_processes_is_stuck_in_the_end() {
    let journal = Memory::new();
    cut_off(&journal, "order-1", "sell", "{\"amount\":3}", vec![]).await;
    let gone = gone();
    for _ in 0..3 {
        let claimed = journal
            .claim(&gone, &[SagaVersion::new("sell", 1)], 1)
            .await;
        assert_eq!(claimed.expect("it works").len(), 1);
    }
    let shop = Shop::default();
    let coordinator = builder(&shop)
        .max_recoveries(3)
        .journal(journal)
        .start()
        .await;
    let coordinator = coordinator.expect("the journal works");
    becomes(&coordinator, "order-1", State::Stuck).await;
    assert_eq!(shop.asked(), [""; 0]);
    // An operator may try once more.
    coordinator
        .retry(&id("order-1"), "mended")
        .await
        .expect("it is stuck");
    becomes(&coordinator, "order-1", State::Completed).await;
}

#[derive(Debug, Clone)]
struct Poison;

impl Serialize for Poison {
    fn serialize<Z: serde::Serializer>(&self, _: Z) -> Result<Z::Ok, Z::Error> {
        std::panic::resume_unwind(Box::new("poison"))
    }
}

impl<'de> Deserialize<'de> for Poison {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

#[step(compensate = spit_out)]
async fn take_poison(_cx: Context<'_, Shop>) -> Result<Poison, Refused> {
    Ok(Poison)
}

async fn spit_out(cx: Context<'_, Shop>, _poison: &Poison) -> Result<(), Refused> {
    crate::shop::cancel(cx, "order").await
}

#[step(compensate = ())]
async fn take_much(_cx: Context<'_, Shop>, bytes: usize) -> Result<String, Refused> {
    Ok("x".repeat(bytes))
}

saga!(
    async fn poisoning(cx: Context<'_, Shop>) -> Result<(), Refused> {
        take_poison(cx).await?;
        Ok(())
    }
);

saga!(
    async fn overflowing(cx: Context<'_, Shop>, bytes: usize) -> Result<(), Refused> {
        crate::shop::order(cx).await?;
        take_much(cx, bytes).await?;
        Ok(())
    }
);

async fn limited(shop: &Shop) -> Coordinator<Shop> {
    let builder = builder(shop)
        .register::<Poisoning>()
        .register::<Overflowing>();
    let started = builder
        .payload_limit(100)
        .journal(Memory::new())
        .start()
        .await;
    started.expect("the journal works")
}

#[tokio::test]
async fn an_output_that_panics_when_it_is_written_is_undone_and_harms_only_its_saga() {
    let shop = Shop::default();
    let coordinator = limited(&shop).await;
    match coordinator.execute("poison-1", Poisoning {}).await {
        Err(ExecuteError::Failed(error)) => {
            assert!(error.to_string().contains("panicked: poison"), "{error}");
            assert!(error.is_compensated());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), ["cancel"]);
    let executed = coordinator.execute("sound", Sell { amount: 3 }).await;
    assert_eq!(executed.expect("nothing fails"), 3);
}

#[tokio::test]
async fn an_output_that_is_too_large_is_undone() {
    let shop = Shop::default();
    let coordinator = limited(&shop).await;
    let executed = coordinator
        .execute("small", Overflowing { bytes: 90 })
        .await;
    executed.expect("nothing fails");
    match coordinator
        .execute("large", Overflowing { bytes: 200 })
        .await
    {
        Err(ExecuteError::Failed(error)) => {
            let text = error.to_string();
            assert!(
                text.contains("the output can't be recorded: 202 bytes, 100 are allowed"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), ["order", "order", "cancel"]);
}

mod twin {
    use super::{Context, Refused, Shop, saga};

    saga!(
        #[saga(name = "sell")]
        pub(super) async fn other(cx: Context<'_, Shop>) -> Result<(), Refused> {
            crate::shop::order(cx).await?;
            Ok(())
        }
    );
}

#[tokio::test]
async fn two_sagas_of_one_name_are_not_started() {
    let builder = builder(&Shop::default()).register::<twin::Other>();
    match builder.journal(Memory::new()).start().await {
        Err(StartError::RegisteredTwice { name, version }) => {
            assert_eq!((name, version), ("sell", 1));
        }
        other => panic!("{other:?}"),
    }
}

mod other_shop {
    use super::{Context, Refused, Shop, step};

    /// Has the name of a step of the shop.
    #[step(compensate = ())]
    pub(super) async fn order(_cx: Context<'_, Shop>) -> Result<(), Refused> {
        Ok(())
    }
}

saga!(
    async fn order_twice(cx: Context<'_, Shop>, twice: bool) -> Result<(), Refused> {
        crate::shop::order(cx).await?;
        if twice {
            other_shop::order(cx).await?;
        }
        Ok(())
    }
);

#[tokio::test]
async fn a_saga_with_two_steps_of_one_name_is_not_started() {
    let builder = builder(&Shop::default()).register::<OrderTwice>();
    let error = builder.journal(Memory::new()).start().await;
    assert_eq!(
        error.expect_err("two steps are called `order`").to_string(),
        "in the saga `order_twice`, `durable::shop::order` and `durable::unrunnable::other_shop::order` are both called \
         `order`: give one of them another name with `name = \"…\"`"
    );
}

/// A payload whose code panics.
#[derive(Debug, Clone, Serialize)]
struct Poisoned(u8);

impl<'de> Deserialize<'de> for Poisoned {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            13 => std::panic::resume_unwind(Box::new("thirteen")),
            number => Ok(Self(number)),
        }
    }
}

saga!(
    async fn swallow(cx: Context<'_, Shop>, poison: Poisoned) -> Result<u8, Refused> {
        crate::shop::order(cx).await?;
        Ok(poison.0)
    }
);

#[tokio::test]
async fn an_input_whose_code_panics() {
    let journal = Memory::new();
    for (saga, poison) in [("first", "1"), ("poisoned", "13"), ("last", "3")] {
        let input = format!("{{\"poison\":{poison}}}");
        cut_off(&journal, saga, "swallow", &input, vec![]).await;
    }
    let shop = Shop::default();
    let coordinator = builder(&shop).register::<Swallow>().journal(journal);
    let coordinator = coordinator.start().await.expect("the journal works");
    becomes(&coordinator, "first", State::Completed).await;
    becomes(&coordinator, "last", State::Completed).await;
    becomes(&coordinator, "poisoned", State::Stuck).await;
}

/// A payload that panics when it is dropped, unless something panics already.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Slippery {
    is_slippery: bool,
}

impl Drop for Slippery {
    fn drop(&mut self) {
        if self.is_slippery && !std::thread::panicking() {
            std::panic::resume_unwind(Box::new("it has slipped"));
        }
    }
}

#[step(compensate = leave)]
async fn hand_over(_: Context<'_, Shop>, is_slippery: bool) -> Result<Slippery, Refused> {
    Ok(Slippery { is_slippery })
}

async fn leave(_: Context<'_, Shop>, _: &Slippery) -> Result<(), Refused> {
    Ok(())
}

saga!(
    async fn slip(cx: Context<'_, Shop>, in_the_middle: bool) -> Result<Slippery, Refused> {
        let first = hand_over(cx, in_the_middle).await?;
        crate::shop::order(cx).await?;
        drop(first);
        let last = hand_over(cx, !in_the_middle).await?;
        Ok(last)
    }
);

saga!(
    async fn slide(cx: Context<'_, Shop>, input: Slippery) -> Result<bool, Refused> {
        crate::shop::order(cx).await?;
        Ok(input.is_slippery)
    }
);

/// Runs a saga whose values panic when they are dropped, and says how it ended.
async fn ends<G>(saga: G) -> State
where
    G: Saga<Services = Shop> + Serialize + DeserializeOwned,
{
    let shop = Shop::default();
    let coordinator = builder(&shop).register::<G>().journal(Memory::new());
    let coordinator = coordinator.start().await.expect("the journal works");
    // The output would panic when the caller drops it.
    drop(
        coordinator
            .submit("order-1", saga)
            .await
            .expect("it is new"),
    );
    let state = loop {
        let inspected = inspected(&coordinator, "order-1").await;
        if inspected.record.state.is_final() || inspected.record.state == State::Stuck {
            println!("{inspected}");
            break inspected.record.state;
        }
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    };
    // Others are not harmed.
    let executed = coordinator.execute("sound", Sell { amount: 3 }).await;
    assert_eq!(executed.expect("nothing fails"), 3);
    coordinator.shutdown().await;
    state
}

#[tokio::test]
async fn a_value_that_panics_when_it_is_dropped() {
    let (in_the_middle, is_slippery) = (true, true);
    assert_eq!(ends(Slip { in_the_middle }).await, State::Compensated);
    let in_the_middle = false;
    assert_eq!(ends(Slip { in_the_middle }).await, State::Completed);
    let input = Slippery { is_slippery };
    // It panics outside of the body, so the steps to compensate are not known any more.
    assert_eq!(ends(Slide { input }).await, State::Stuck);
}
