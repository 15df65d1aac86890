//! A saga that waits for its next attempt is a row: no task, no slot, and what was tried is recorded.

use std::time::Duration;

use saga_runtime::coordinator::Builder;
use saga_runtime::journal::{AttemptPhase, Event, Filter, Journal, Memory, State};
use saga_runtime::{Context, Coordinator, saga, sleep, step, try_join_all};

use crate::shop::{Answer, Refused, Shop, becomes, charge, inspected, order};

/// Asks the shop, and notes the number of the attempt.
async fn asked(cx: Context<'_, Shop>, what: &'static str) -> Result<(), Refused> {
    cx.note(&format!("{what} {}", cx.attempt()));
    cx.ask(what).await.map(drop)
}

#[step(retriable, retry(backoff = "1h..1h"))]
async fn thank_tomorrow(cx: Context<'_, Shop>) -> Result<(), Refused> {
    asked(cx, "thank").await
}

#[step(retriable, retry(backoff = "100ms..100ms"))]
async fn thank_soon(cx: Context<'_, Shop>) -> Result<(), Refused> {
    asked(cx, "thank").await
}

#[step(compensate = unpack, retry(attempts = 9, backoff = "100ms..100ms", when = any),
    compensation(retry(attempts = 3, backoff = "100ms..100ms")))]
async fn pack(cx: Context<'_, Shop>, parcel: u8) -> Result<u8, Refused> {
    if parcel == 1 {
        asked(cx, "pack").await?;
    }
    Ok(parcel)
}

#[step(compensate = (), retry(attempts = 9, backoff = "1h..1h", when = any))]
async fn pack_tomorrow(cx: Context<'_, Shop>) -> Result<(), Refused> {
    asked(cx, "pack").await
}

fn any(_: &Refused) -> bool {
    true
}

async fn unpack(cx: Context<'_, Shop>, parcel: &u8) -> Result<(), Refused> {
    match parcel {
        1 => asked(cx, "unpack").await,
        _ => Ok(()),
    }
}

#[step(compensate = forget, retry(attempts = 2, backoff = "100ms..100ms"), in_doubt(when = any))]
async fn learn(cx: Context<'_, Shop>) -> Result<(), Refused> {
    asked(cx, "learn").await
}

async fn forget(cx: Context<'_, Shop>, (): &()) -> Result<(), Refused> {
    asked(cx, "forget").await
}

#[step(compensate = forget_slowly, compensation(retry(backoff = "1h..1h")))]
async fn learn_by_heart(_cx: Context<'_, Shop>) -> Result<(), Refused> {
    Ok(())
}

async fn forget_slowly(cx: Context<'_, Shop>, (): &()) -> Result<(), Refused> {
    asked(cx, "forget").await
}

saga!(
    #[derive(Clone)]
    async fn thanking_tomorrow(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        thank_tomorrow(cx).await?;
        Ok(())
    }
);

saga!(
    async fn in_the_body(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        thank_soon(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(deadline = "300ms")]
    async fn in_time(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        pack_tomorrow(cx).await?;
        Ok(())
    }
);

saga!(
    async fn in_a_group(cx: Context<'_, Shop>) -> Result<(), Refused> {
        try_join!(order(cx), pack(cx, 1))?;
        Ok(())
    }
);

saga!(
    async fn in_a_fan_out(cx: Context<'_, Shop>) -> Result<(), Refused> {
        try_join_all(2, [0_u8, 1, 2, 3], |parcel| pack(cx, parcel)).await?;
        Ok(())
    }
);

saga!(
    #[saga(compensatable)]
    async fn packing(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        pack(cx, 1).await?;
        Ok(())
    }
);

saga!(
    async fn in_a_sub_saga(cx: Context<'_, Shop>) -> Result<(), Refused> {
        try_join!(charge(cx), packing(cx))?;
        Ok(())
    }
);

saga!(
    async fn compensating(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        pack(cx, 1).await?;
        charge(cx).await?;
        Ok(())
    }
);

#[step(compensate = ())]
async fn complain(_cx: Context<'_, Shop>) -> Result<(), Refused> {
    // Of two bytes each, behind one of a single byte: no cut is between characters by chance.
    Err(Refused(format!("a{}", "ä".repeat(1024 * 1024))))
}

saga!(
    async fn complaining(cx: Context<'_, Shop>) -> Result<(), Refused> {
        complain(cx).await?;
        Ok(())
    }
);

saga!(
    async fn settling(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        learn(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(compensatable)]
    async fn resting(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        sleep(cx, Duration::from_hours(1)).await;
        Ok(())
    }
);

saga!(
    async fn in_two_ways(cx: Context<'_, Shop>) -> Result<(), Refused> {
        try_join!(pack_tomorrow(cx), resting(cx))?;
        Ok(())
    }
);

saga!(
    async fn in_many_sub_sagas(cx: Context<'_, Shop>) -> Result<(), Refused> {
        try_join_all(2, 0..5, |_| resting(cx)).await?;
        Ok(())
    }
);

saga!(
    #[saga(compensations = parallel)]
    async fn undoing_at_once(cx: Context<'_, Shop>) -> Result<(), Refused> {
        try_join_all(2, 0..5, |_| learn_by_heart(cx)).await?;
        charge(cx).await?;
        Ok(())
    }
);

fn builder(shop: &Shop) -> Builder<Shop> {
    Coordinator::builder(shop.clone())
        .register::<ThankingTomorrow>()
        .register::<InTheBody>()
        .register::<InTime>()
        .register::<InAGroup>()
        .register::<InAFanOut>()
        .register::<InASubSaga>()
        .register::<Compensating>()
        .register::<Settling>()
        .register::<Complaining>()
        .register::<InTwoWays>()
        .register::<InManySubSagas>()
        .register::<UndoingAtOnce>()
}

/// Every wait is long.
async fn impatient(shop: &Shop, journal: impl Journal) -> Coordinator<Shop> {
    let builder = builder(shop).patience(Duration::ZERO).journal(journal);
    builder.start().await.expect("the journal works")
}

/// The calls of a saga that were recorded as failing, with the number of attempts.
async fn failing(coordinator: &Coordinator<Shop>, saga: &str) -> Vec<(String, AttemptPhase, u32)> {
    let entries = inspected(coordinator, saga).await.entries;
    let failing = entries.iter().filter_map(|entry| match &entry.event {
        Event::Failing {
            step,
            phase,
            attempts,
            ..
        } => Some((step.to_string(), *phase, *attempts)),
        _ => None,
    });
    failing.collect()
}

/// Waits until nothing runs, and the saga has tried something.
async fn parks(coordinator: &Coordinator<Shop>, saga: &str) {
    let parking = async {
        while failing(coordinator, saga).await.is_empty()
            || !format!("{coordinator:?}").contains("running: 0")
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let parked = tokio::time::timeout(Duration::from_mins(1), parking).await;
    assert!(parked.is_ok(), "{}", inspected(coordinator, saga).await);
}

/// The attempts that the shop has noted.
fn attempts(shop: &Shop) -> Vec<String> {
    let asked = shop.asked();
    asked.into_iter().filter(|one| one.contains(' ')).collect()
}

#[tokio::test]
async fn sagas_that_wait_for_an_attempt_keep_no_other_from_running() {
    let shop = Shop::default().always("thank", Answer::Refuses);
    let builder = builder(&shop).in_flight(10).journal(Memory::new());
    let coordinator = builder.start().await.expect("the journal works");
    let mut ids = Vec::new();
    for number in 0..10 {
        let id = format!("waiting-{number}");
        let submitted = coordinator.submit(id.as_str(), ThankingTomorrow {}).await;
        let _ = submitted.expect("it is new");
        ids.push(id);
    }
    for id in &ids {
        parks(&coordinator, id).await;
        assert_eq!(
            inspected(&coordinator, id).await.record.state,
            State::Waiting
        );
        assert_eq!(
            failing(&coordinator, id).await,
            [("thank_tomorrow".to_owned(), AttemptPhase::Forward, 1)]
        );
        let text = inspected(&coordinator, id).await.to_string();
        assert!(
            text.contains("thank_tomorrow fails (forward) since +"),
            "{text}"
        );
        assert!(text.contains(", 1 attempts, next at +"), "{text}");
    }
    for (filter, count) in [
        (Filter::default().failing(), 10),
        (Filter::default().failing_step("thank_tomorrow"), 10),
        (Filter::default().failing_step("order"), 0),
    ] {
        let listed = coordinator.list(&filter).await.expect("the journal works");
        assert_eq!(listed.sagas.len(), count, "{filter:?}");
        for saga in listed.sagas {
            let [step] = &*saga.failing else {
                panic!("{saga:?}")
            };
            assert_eq!(
                (step.call.to_string(), step.attempts),
                ("thank_tomorrow".to_owned(), 1)
            );
            assert_eq!(step.reason.message, "thank was refused");
            let waits = step.until.duration_since(step.since).expect("it is later");
            assert!(waits > Duration::from_mins(29), "{waits:?}");
        }
    }
    shop.behaves();
    let eleventh = coordinator.execute("eleventh", ThankingTomorrow {});
    let ended = tokio::time::timeout(Duration::from_secs(30), eleventh).await;
    ended.expect("it gets a slot").expect("nothing fails");
}

#[tokio::test]
async fn a_saga_that_waits_in_several_calls_at_once_keeps_no_slot() {
    let shop = Shop::default().always("pack", Answer::Refuses);
    let shop = shop.always("forget", Answer::Refuses);
    let shop = shop.answers("charge", [Answer::Refuses]);
    let builder = builder(&shop).in_flight(1).journal(Memory::new());
    let coordinator = builder.start().await.expect("the journal works");
    let submitted = [
        coordinator.submit("two", InTwoWays {}).await.is_ok(),
        coordinator.submit("many", InManySubSagas {}).await.is_ok(),
        coordinator
            .submit("undoing", UndoingAtOnce {})
            .await
            .is_ok(),
    ];
    assert_eq!(submitted, [true; 3]);
    let other = coordinator.execute("other", ThankingTomorrow {});
    let ended = tokio::time::timeout(Duration::from_secs(30), other).await;
    ended.expect("it gets the slot").expect("nothing fails");
    for id in ["two", "many", "undoing"] {
        let inspected = inspected(&coordinator, id).await;
        assert_eq!(inspected.record.state, State::Waiting, "{inspected}");
    }
}

/// The saga is parked after its first attempt, another coordinator takes it over, and its second attempt succeeds.
macro_rules! survives_a_restart {
    ($($test:ident: $saga:expr, $what:literal, $step:literal, $phase:ident, $end:ident;)+) => {$(
        #[tokio::test]
        async fn $test() {
            let shop = Shop::default().answers($what, [Answer::Refuses]);
            let shop = match AttemptPhase::$phase {
                AttemptPhase::Compensating => shop.answers("charge", [Answer::Refuses]),
                _ => shop,
            };
            let journal = Memory::new();
            let first = impatient(&shop, journal.clone()).await;
            let _ = first.submit("a", $saga).await.expect("it is new");
            parks(&first, "a").await;
            first.shutdown().await;
            let second = impatient(&shop, journal).await;
            becomes(&second, "a", State::$end).await;
            let step = ($step.to_owned(), AttemptPhase::$phase, 1);
            assert_eq!(failing(&second, "a").await, [step], "one entry per parking");
            let attempts = attempts(&shop);
            let attempts: Vec<_> = attempts.iter().filter(|one| one.starts_with($what)).collect();
            assert_eq!(attempts, [concat!($what, " 1"), concat!($what, " 2")]);
        }
    )+};
}

survives_a_restart! {
    a_step_in_the_body: InTheBody {}, "thank", "thank_soon", Forward, Completed;
    a_member_of_a_group: InAGroup {}, "pack", "pack", Forward, Completed;
    an_item_of_a_fan_out: InAFanOut {}, "pack", "pack#1", Forward, Completed;
    a_step_of_a_sub_saga: InASubSaga {}, "pack", "packing/pack", Forward, Completed;
    a_compensation: Compensating {}, "unpack", "pack", Compensating, Compensated;
}

#[tokio::test]
async fn restarts_give_a_compensation_no_more_attempts() {
    let shop = Shop::default().answers("charge", [Answer::Refuses]);
    let shop = shop.always("unpack", Answer::Refuses);
    let journal = Memory::new();
    for process in 1..=8 {
        let coordinator = impatient(&shop, journal.clone()).await;
        let submitted = coordinator.submit("a", Compensating {}).await;
        let _ = submitted.expect("it is the same saga");
        let trying = async {
            while attempts(&shop).len() < 1 + process.min(3) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let tried = tokio::time::timeout(Duration::from_mins(1), trying).await;
        assert!(tried.is_ok(), "process {process}: {:?}", shop.asked());
        parks(&coordinator, "a").await;
        coordinator.shutdown().await;
    }
    let last = impatient(&shop, journal).await;
    becomes(&last, "a", State::Stuck).await;
    let tried = ["pack 1", "unpack 1", "unpack 2", "unpack 3"];
    assert_eq!(attempts(&shop), tried);
}

#[tokio::test]
async fn a_step_in_doubt_that_is_asked_again_is_parked_as_well() {
    let shop = Shop::default().answers("learn", [(); 3].map(|()| Answer::Refuses));
    let journal = Memory::new();
    let first = impatient(&shop, journal.clone()).await;
    let _ = first.submit("a", Settling {}).await.expect("it is new");
    parks(&first, "a").await;
    first.shutdown().await;
    let second = impatient(&shop, journal).await;
    becomes(&second, "a", State::Compensated).await;
    assert_eq!(
        failing(&second, "a").await,
        [
            ("learn".to_owned(), AttemptPhase::Forward, 1),
            ("learn".to_owned(), AttemptPhase::Settling, 3)
        ]
    );
    assert_eq!(
        attempts(&shop),
        ["learn 1", "learn 2", "learn 3", "learn 4", "forget 1"]
    );
}

#[tokio::test]
async fn the_deadline_wakes_a_saga_that_waits_for_an_attempt() {
    let shop = Shop::default().always("pack", Answer::Refuses);
    let coordinator = impatient(&shop, Memory::new()).await;
    let _ = coordinator.submit("a", InTime {}).await.expect("it is new");
    becomes(&coordinator, "a", State::Compensated).await;
    let inspected = inspected(&coordinator, "a").await;
    assert_eq!(
        inspected.record.epoch, 2,
        "it is claimed once more: {inspected}"
    );
    assert_eq!(attempts(&shop), ["pack 1"]);
}

#[tokio::test]
async fn the_text_of_an_error_takes_little_of_the_journal() {
    let coordinator = impatient(&Shop::default(), Memory::new()).await;
    let complained = coordinator.execute("a", Complaining {}).await;
    let error = complained.expect_err("it is refused").to_string();
    assert!(
        error.len() < 2 * Event::MAX_TEXT && error.ends_with(" bytes)"),
        "the first caller gets no more than later ones: {error}"
    );
    let mut cut = 0;
    for entry in inspected(&coordinator, "a").await.entries {
        if let Event::StepRefused { reason, .. } | Event::Compensating { reason, .. } = entry.event
        {
            let bytes = reason.message.len();
            assert!(
                (Event::MAX_TEXT - 1..=Event::MAX_TEXT).contains(&bytes),
                "{bytes}"
            );
            cut += 1;
        }
    }
    assert_eq!(cut, 2);
}
