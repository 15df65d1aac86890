//! A part of a saga whose failure the body handles, on a journal: its end is recorded, and a replay takes the same branch.

use std::time::Duration;

use saga_runtime::coordinator::{Builder, ExecuteError};
use saga_runtime::journal::{Event, Journal, Memory, NewSaga, Reason, State, StepCall};
use saga_runtime::{Cause, Context, Coordinator, Kind, saga, step, try_join_all};

use crate::cut_off::{Ended, call, done, left};
use crate::shop::{Answer, Refused, Shop, becomes, charge, events, id, inspected, order, reasons};

#[step(compensate = unpack, compensation(retry(attempts = 2, backoff = "1h..1h")))]
async fn pack(cx: Context<'_, Shop>) -> Result<String, Refused> {
    cx.ask("pack").await
}

async fn unpack(cx: Context<'_, Shop>, _: &str) -> Result<(), Refused> {
    cx.ask("unpack").await.map(drop)
}

#[step(compensate = ())]
async fn check(cx: Context<'_, Shop>) -> Result<String, String> {
    cx.ask("check").await.map_err(|refused| refused.to_string())
}

/// An error that a journal has as text alone.
struct TextAlone(String);

impl std::fmt::Display for TextAlone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[step(compensate = ())]
async fn weigh(cx: Context<'_, Shop>) -> Result<String, TextAlone> {
    let asked = cx.ask("weigh").await;
    asked.map_err(|refused| TextAlone(refused.to_string()))
}

saga!(
    #[saga(compensatable)]
    async fn packing(cx: Context<'_, Shop>) -> Result<(), String> {
        order(cx).await.map_err(|refused| refused.to_string())?;
        pack(cx).await.map_err(|refused| refused.to_string())?;
        weigh(cx).await.map_err(|error| error.0)?;
        check(cx).await?;
        Ok(())
    }
);

saga!(
    #[derive(Clone)]
    async fn sending(cx: Context<'_, Shop>) -> Result<String, Refused> {
        let mut way = String::from("packed");
        if let Err(error) = packing(cx).await {
            way = error;
            charge(cx).await?;
        }
        Ok(way)
    }
);

fn builder(shop: &Shop) -> Builder<Shop> {
    Coordinator::builder(shop.clone()).register::<Sending>()
}

async fn started(shop: &Shop, journal: impl Journal) -> Coordinator<Shop> {
    let started = builder(shop).journal(journal).start().await;
    started.expect("the journal works")
}

fn the_saga() -> NewSaga {
    NewSaga {
        id: id("one"),
        name: "sending".to_owned(),
        version: 1,
        fingerprint: Sending::shape().fingerprint(),
        input: "{}".to_owned(),
        trace: None,
    }
}

#[tokio::test]
async fn the_failure_and_each_compensation_are_recorded_before_the_body_goes_on() {
    let shop = Shop::default().always("check", Answer::Refuses);
    let coordinator = started(&shop, Memory::new()).await;
    let way = coordinator.execute("one", Sending {}).await;
    assert_eq!(way.expect("it is handled"), "check was refused");
    let recorded = inspected(&coordinator, "one").await;
    let told = recorded.entries.iter().map(|entry| {
        let call = entry.event.step().map(ToString::to_string);
        format!("{} {}", entry.event.name(), call.unwrap_or_default())
    });
    let told: Vec<_> = told.collect();
    assert_eq!(
        told,
        [
            "step_done packing/order",
            "step_done packing/pack",
            "step_done packing/weigh",
            "step_refused packing/check",
            "step_refused packing",
            "compensation_done packing/pack",
            "compensation_done packing/order",
            "step_done charge",
            "completed ",
        ]
    );
    assert!(recorded.to_compensate.is_empty(), "{recorded}");
}

#[tokio::test]
async fn it_goes_on_after_every_beginning_of_its_history() {
    for failing in ["order", "pack", "weigh", "check"] {
        let shop = Shop::default().always(failing, Answer::Refuses);
        let coordinator = started(&shop, Memory::new()).await;
        let first = coordinator.execute("one", Sending {}).await;
        let first = first.expect("it is handled");
        let whole = inspected(&coordinator, "one").await.entries;
        let whole: Vec<_> = whole.into_iter().map(|entry| entry.event).collect();
        let is_text_alone = |event: &Event| matches!(event, Event::StepRefused { step, .. } if step.name == "packing/weigh");
        for length in 0..whole.len() {
            // These two entries are appended together: see the next test.
            if length > 0 && is_text_alone(&whole[length - 1]) {
                continue;
            }
            for ended in [Ended::Orderly, Ended::Killed] {
                let place = format!("{failing}, {length} of {whole:?}");
                let shop = Shop::default().always(failing, Answer::Refuses);
                let journal = left(the_saga(), &whole[..length], ended).await;
                let coordinator = started(&shop, journal).await;
                becomes(&coordinator, "one", State::Completed).await;
                let way = coordinator.execute("one", Sending {}).await;
                assert_eq!(way.expect(&place), first, "{place}");
                let again = inspected(&coordinator, "one").await.entries;
                let names = |events: &[Event]| {
                    let names = events
                        .iter()
                        .map(|event| (event.name(), event.step().cloned()));
                    names.collect::<Vec<_>>()
                };
                let again: Vec<_> = again.into_iter().map(|entry| entry.event).collect();
                assert_eq!(names(&again), names(&whole), "{place}");
                for event in &whole[..length] {
                    let asked = match event {
                        Event::StepDone { step, .. } => step.name.to_string(),
                        Event::CompensationDone { step, .. } => format!("un{}", step.name),
                        _ => continue,
                    };
                    let asked = asked.replace("packing/", "").replace("unorder", "cancel");
                    assert!(!shop.asked().contains(&asked), "{asked} again: {place}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_failure_of_which_a_journal_has_the_text_alone_ends_the_whole_saga() {
    // The process has ended between two entries that are appended together, as a journal may let it.
    let refused = Event::StepRefused {
        step: call("packing/weigh", Kind::NothingToUndo),
        attempts: 1,
        reason: Reason::new("error", "weigh was refused"),
    };
    let entries = [
        done("packing/order", Kind::Compensatable),
        done("packing/pack", Kind::Compensatable),
        refused,
    ];
    let entries = entries.map(|event| match event {
        Event::StepDone {
            step,
            attempts,
            inputs,
            ..
        } => Event::StepDone {
            output: format!("\"{}\"", step.name.replace("packing/", "")),
            step,
            attempts,
            inputs,
        },
        event => event,
    });
    let shop = Shop::default();
    let journal = left(the_saga(), &entries, Ended::Killed).await;
    let coordinator = started(&shop, journal).await;
    becomes(&coordinator, "one", State::Compensated).await;
    assert_eq!(shop.asked(), ["unpack", "cancel"]);
}

#[tokio::test(start_paused = true)]
async fn a_compensation_that_fails_lets_the_saga_rest_and_then_the_body_goes_on() {
    let shop = Shop::default()
        .always("check", Answer::Refuses)
        .answers("unpack", [Answer::Refuses]);
    let journal = Memory::in_tokio_time();
    let coordinator = started(&shop, journal.clone()).await;
    let handle = coordinator
        .submit("one", Sending {})
        .await
        .expect("it is new");
    drop(handle);
    shop.is_asked("unpack").await;
    becomes(&coordinator, "one", State::Waiting).await;
    // The earlier steps wait: the part is undone last first, and the body does not go on.
    assert_eq!(shop.asked(), ["order", "pack", "weigh", "check", "unpack"]);
    assert_eq!(
        *events(&coordinator, "one").await.last().expect("events"),
        "failing"
    );
    coordinator.shutdown().await;

    let coordinator = started(&shop, journal).await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    becomes(&coordinator, "one", State::Completed).await;
    assert_eq!(shop.asked()[5..], ["unpack", "cancel", "charge"]);
}

#[tokio::test(start_paused = true)]
async fn a_part_that_can_not_be_undone_is_mended_by_hand_and_the_saga_is_undone() {
    let shop = Shop::default()
        .always("check", Answer::Refuses)
        .always("unpack", Answer::Refuses);
    let coordinator = builder(&shop).patience(Duration::from_hours(9));
    let coordinator = coordinator.journal(Memory::in_tokio_time()).start().await;
    let coordinator = coordinator.expect("the journal works");
    let stuck = match coordinator.execute("one", Sending {}).await {
        Err(ExecuteError::Stuck(stuck)) => stuck.error.expect("it has failed"),
        other => panic!("{other:?}"),
    };
    let message = "check was refused".to_owned();
    assert_eq!(*stuck.cause(), Cause::NotUndone { message });
    assert_eq!(stuck.step(), Some("packing/check"));
    shop.behaves();
    let asked = shop.asked().len();
    let retried = coordinator.retry(&id("one"), "the shelf is free").await;
    retried.expect("it is stuck");
    becomes(&coordinator, "one", State::Compensated).await;
    assert_eq!(shop.asked()[asked..], ["unpack"], "and not plan B");
    let recorded = inspected(&coordinator, "one").await;
    assert_eq!(reasons(&recorded), ["the shelf is free"]);
    match coordinator.execute("one", Sending {}).await {
        Err(ExecuteError::Failed(error)) => assert!(error.is_compensated(), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_body_that_does_not_handle_the_failure_any_more_is_not_the_recorded_one() {
    mod later {
        use super::{Context, Refused, Shop, charge, packing, saga};

        saga!(
            #[saga(name = "sending")]
            pub(super) async fn sending_at_once(cx: Context<'_, Shop>) -> Result<String, Refused> {
                packing(cx).await.map_err(Refused)?;
                charge(cx).await
            }
        );
    }
    let shop = Shop::default().always("check", Answer::Refuses);
    let coordinator = started(&shop, Memory::new()).await;
    coordinator
        .execute("one", Sending {})
        .await
        .expect("it is handled");
    let whole = inspected(&coordinator, "one").await.entries;
    let whole: Vec<_> = whole.into_iter().map(|entry| entry.event).collect();
    let saga = NewSaga {
        fingerprint: later::SendingAtOnce::shape().fingerprint(),
        ..the_saga()
    };
    let journal = left(saga, &whole[..whole.len() - 1], Ended::Killed).await;
    let builder = Coordinator::builder(shop.clone()).register::<later::SendingAtOnce>();
    let coordinator = builder
        .journal(journal)
        .start()
        .await
        .expect("the journal works");
    becomes(&coordinator, "one", State::Stuck).await;
    let text = inspected(&coordinator, "one").await.to_string();
    assert!(
        text.contains("the definition of `sending` has changed"),
        "{text}"
    );
}

#[step(compensate = unload)]
async fn load(cx: Context<'_, Shop>, number: u32) -> Result<u32, Refused> {
    match number {
        1 => cx.ask("load 1").await.map(|_| number),
        _ => cx.ask("load").await.map(|_| number),
    }
}

async fn unload(cx: Context<'_, Shop>, _: &u32) -> Result<(), Refused> {
    cx.ask("unload").await.map(drop)
}

saga!(
    #[saga(compensatable)]
    async fn loading(cx: Context<'_, Shop>) -> Result<(), Refused> {
        try_join_all(3, 0..5, |number| load(cx, number)).await?;
        Ok(())
    }
);

saga!(
    async fn shipping(cx: Context<'_, Shop>) -> Result<(), Refused> {
        if loading(cx).await.is_err() {
            charge(cx).await?;
        }
        Ok(())
    }
);

saga!(
    /// Makes a call for large numbers only.
    #[saga(compensatable)]
    async fn check_weight(cx: Context<'_, Shop>, number: u32) -> Result<u32, Refused> {
        match number {
            0 => Ok(number),
            1 => Err(Refused("too heavy".to_owned())),
            _ => load(cx, number).await,
        }
    }
);

saga!(
    #[saga(compensatable)]
    async fn weighing(cx: Context<'_, Shop>) -> Result<(), Refused> {
        load(cx, 0).await?;
        let weights = try_join_all(3, [0, 0], |number| check_weight(cx, number)).await?;
        try_join_all(3, 0..weights.len(), |number| {
            check_weight(cx, u32::try_from(number).unwrap_or_default())
        })
        .await?;
        load(cx, 2).await?;
        Ok(())
    }
);

saga!(
    async fn shipping_what_is_weighed(cx: Context<'_, Shop>) -> Result<(), Refused> {
        if weighing(cx).await.is_err() {
            charge(cx).await?;
        }
        Ok(())
    }
);

#[tokio::test]
async fn in_a_part_that_has_failed_the_items_without_a_call_end_as_before() {
    let events = [
        Event::StepDone {
            step: call("weighing/load", Kind::Compensatable),
            attempts: 1,
            output: "0".to_owned(),
            inputs: None,
        },
        Event::StepRefused {
            step: call("weighing", Kind::Compensatable),
            attempts: 1,
            reason: Reason {
                error: Some(r#""too heavy""#.to_owned()),
                ..Reason::new("error", "too heavy")
            },
        },
    ];
    let saga = NewSaga {
        name: "shipping_what_is_weighed".to_owned(),
        fingerprint: ShippingWhatIsWeighed::shape().fingerprint(),
        ..the_saga()
    };
    for ended in [Ended::Orderly, Ended::Killed] {
        let shop = Shop::default();
        let journal = left(saga.clone(), &events, ended).await;
        let sagas = builder(&shop).register::<ShippingWhatIsWeighed>();
        let coordinator = sagas.journal(journal).start().await;
        let coordinator = coordinator.expect("the journal works");
        becomes(&coordinator, "one", State::Completed).await;
        assert_eq!(shop.asked(), ["unload", "charge"], "{ended:?}");
    }
}

#[tokio::test]
async fn in_a_part_that_has_failed_no_item_begins_that_had_not_begun() {
    let load = |occurrence| StepCall {
        occurrence,
        ..call("loading/load", Kind::Compensatable)
    };
    let loaded = |occurrence: u32| Event::StepDone {
        step: load(occurrence),
        attempts: 1,
        output: occurrence.to_string(),
        inputs: None,
    };
    let refused = |step| Event::StepRefused {
        step,
        attempts: 1,
        reason: Reason {
            error: Some(r#""load 1""#.to_owned()),
            ..Reason::new("error", "load 1 was refused")
        },
    };
    // The third one was done before the second one was refused, so the fourth one had begun, and the fifth one had not.
    let events = [
        loaded(2),
        refused(load(1)),
        loaded(0),
        loaded(3),
        refused(call("loading", Kind::Compensatable)),
    ];
    let saga = NewSaga {
        name: "shipping".to_owned(),
        fingerprint: Shipping::shape().fingerprint(),
        ..the_saga()
    };
    for ended in [Ended::Orderly, Ended::Killed] {
        let shop = Shop::default().always("load 1", Answer::Refuses);
        let journal = left(saga.clone(), &events, ended).await;
        let coordinator = builder(&shop).register::<Shipping>().journal(journal);
        let coordinator = coordinator.start().await.expect("the journal works");
        becomes(&coordinator, "one", State::Completed).await;
        let asked = ["unload", "unload", "unload", "charge"];
        assert_eq!(shop.asked(), asked, "{ended:?}");
    }
}
