//! What a replay sees is what the first run saw, and what can't be read back is refused at once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use saga_runtime::coordinator::{ExecuteError, OperatorError, Rejected, SubmitError};
use saga_runtime::journal::Memory;
use saga_runtime::{Context, Coordinator, EventName, event, saga, sleep, step};
use serde::{Deserialize, Serialize};

use crate::shop::{Refused, Shop, becomes, charge, order};

use saga_runtime::journal::State;

/// Wins nothing, or a prize that has no worth: JSON has one word for both.
#[step(compensate = ())]
async fn draw(_cx: Context<'_, Shop>) -> Result<Option<Option<u8>>, Refused> {
    Ok(Some(None))
}

saga!(
    #[derive(Clone)]
    async fn drawing(cx: Context<'_, Shop>) -> Result<(bool, bool), Refused> {
        let won = draw(cx).await?.is_some();
        sleep(cx, Duration::from_millis(20)).await;
        if won {
            charge(cx).await?;
        } else {
            order(cx).await?;
        }
        Ok((won, draw(cx).await?.is_some()))
    }
);

saga!(
    #[derive(Clone)]
    async fn weighing(cx: Context<'_, Shop>, grams: f64) -> Result<f64, Refused> {
        order(cx).await?;
        Ok(grams)
    }
);

saga!(
    #[derive(Clone)]
    async fn moving(
        cx: Context<'_, Shop>,
        #[serde(alias = "sum")] amount: u128,
        #[serde(default)] note: Option<String>,
        #[serde(default)] tags: HashSet<String>,
        #[serde(default)] rates: HashMap<String, u64>,
        #[serde(default)] legs: Vec<u8>,
    ) -> Result<(), Refused> {
        let _ = (amount, note, tags, rates, legs);
        order(cx).await?;
        Ok(())
    }
);

const WEIGHED: EventName<f64> = EventName::new("weighed");

saga!(
    #[derive(Clone)]
    async fn told(cx: Context<'_, Shop>) -> Result<f64, Refused> {
        order(cx).await?;
        Ok(event(cx, WEIGHED).await)
    }
);

/// A code of a country. Upper and lower case are the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Country(String);

impl PartialEq for Country {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

saga!(
    #[derive(PartialEq)]
    async fn delivering(cx: Context<'_, Shop>, to: Country) -> Result<String, Refused> {
        order(cx).await?;
        Ok(to.0)
    }
);

async fn started(shop: &Shop, journal: Memory, parks: bool) -> Coordinator<Shop> {
    let builder = Coordinator::builder(shop.clone())
        .journal(journal)
        .register::<Drawing>()
        .register::<Weighing>()
        .register::<Moving>()
        .register::<Told>()
        .register::<Delivering>();
    let builder = if parks {
        builder.patience(Duration::ZERO)
    } else {
        builder
    };
    builder.start().await.expect("the journal works")
}

#[tokio::test]
async fn a_value_that_json_does_not_tell_apart_is_the_same_before_and_after_a_replay() {
    for parks in [false, true] {
        let shop = Shop::default();
        let coordinator = started(&shop, Memory::new(), parks).await;
        let drawn = coordinator.execute("draw-1", Drawing {}).await;
        assert_eq!(drawn.expect("nothing fails"), (false, false));
        assert_eq!(shop.asked(), ["order"], "parks: {parks}");
    }
}

#[tokio::test]
async fn an_input_that_cant_be_read_back_is_not_started() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new(), false).await;
    let grams = f64::NAN;
    match coordinator.submit("weight-1", Weighing { grams }).await {
        Err(SubmitError::Rejected(Rejected::Input(error))) => {
            let text = error.to_string();
            assert!(text.starts_with("`grams` can't be read back"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    let found = coordinator.inspect("weight-1").await;
    assert!(found.expect("it works").is_none());
    let grams = 117.633_313_944_000_17;
    for _ in 0..2 {
        let executed = coordinator.execute("weight-2", Weighing { grams }).await;
        assert_eq!(executed.expect("nothing fails").to_bits(), grams.to_bits());
    }
}

fn transfer(amount: u128) -> Moving {
    Moving {
        amount,
        note: None,
        tags: ["a", "b", "c", "d"].map(str::to_owned).into(),
        rates: (0..9).map(|rate| (format!("rate {rate}"), rate)).collect(),
        legs: vec![1, 2],
    }
}

#[tokio::test]
async fn inputs_are_the_same_request_if_the_saga_would_see_the_same_value() {
    const LARGE: u128 = 1_000_000_000_000_000_000_000_000;
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new(), false).await;
    let executed = coordinator.execute("order-1", transfer(LARGE + 1)).await;
    executed.expect("nothing fails");
    // Each of these sets and maps has an order of its own.
    for _ in 0..20 {
        let executed = coordinator.execute("order-1", transfer(LARGE + 1)).await;
        executed.expect("it is the same");
    }
    let others = [
        transfer(LARGE + 2),
        Moving {
            legs: vec![2, 1],
            ..transfer(LARGE + 1)
        },
        Moving {
            note: Some(String::new()),
            ..transfer(LARGE + 1)
        },
    ];
    for other in others {
        match coordinator.execute("order-1", other.clone()).await {
            Err(ExecuteError::NotStarted(SubmitError::Conflict { .. })) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(shop.asked(), ["order"]);
}

#[tokio::test]
async fn where_the_saga_derives_partial_eq_that_says_which_inputs_are_the_same() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new(), false).await;
    let to = |country: &str| Delivering {
        to: Country(country.to_owned()),
    };
    for country in ["ch", "CH", "Ch"] {
        let executed = coordinator.execute("order-1", to(country)).await;
        assert_eq!(executed.expect("it is the same"), "ch");
    }
    match coordinator.execute("order-1", to("at")).await {
        Err(ExecuteError::NotStarted(SubmitError::Conflict { .. })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(shop.asked(), ["order"]);
}

#[tokio::test]
async fn an_event_that_cant_be_read_back_is_not_sent() {
    let shop = Shop::default();
    let coordinator = started(&shop, Memory::new(), false).await;
    let handle = coordinator.submit("told-1", Told {}).await;
    let handle = handle.expect("it is new");
    becomes(&coordinator, "told-1", State::Waiting).await;
    match coordinator.send("told-1", WEIGHED, &f64::NAN).await {
        Err(OperatorError::Output(error)) => {
            assert!(error.to_string().contains("can't be read back"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let sent = coordinator.send("told-1", WEIGHED, &0.1).await;
    sent.expect("it can be read back");
    assert_eq!(
        handle.wait().await.expect("nothing fails").to_bits(),
        0.1_f64.to_bits()
    );
}

#[tokio::test]
async fn a_result_is_the_same_for_the_first_caller_and_a_later_one() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Kept {
        number: u8,
        #[serde(skip)]
        note: String,
    }

    saga!(
        #[derive(Clone)]
        async fn keeping(cx: Context<'_, Shop>) -> Result<Kept, Refused> {
            order(cx).await?;
            Ok(Kept {
                number: 7,
                note: "not recorded".to_owned(),
            })
        }
    );

    let coordinator = Coordinator::builder(Shop::default())
        .journal(Memory::new())
        .register::<Keeping>();
    let coordinator = coordinator.start().await.expect("the journal works");
    let first = coordinator.execute("kept-1", Keeping {}).await;
    let later = coordinator.execute("kept-1", Keeping {}).await;
    let later = later.expect("nothing fails");
    assert_eq!(first.expect("nothing fails"), later);
    assert_eq!(later.note, "");
}
