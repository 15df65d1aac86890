//! The body of a saga is plain Rust: `if`, `match`, `?`, early returns and shadowing mean what they always mean.

use std::collections::BTreeMap;

use saga_runtime::{Cause, Context, saga, step};
use serde::{Deserialize, Serialize};

use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};
use crate::steps::{look, pack, pay, reserve, ship, thank};

/// A means of travel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Route {
    ByTrain { seats: u32 },
    ByCar(String),
    NotAtAll,
    Nonsense,
}

#[step(compensate = undo_seat)]
async fn seat(cx: Context<'_, Participant>, number: u32) -> Result<(u32, Effect), Refusal> {
    Ok((number, act(cx, "seat").await?))
}

async fn undo_seat(
    cx: Context<'_, Participant>,
    (number, effect): &(u32, Effect),
) -> Result<(), Refusal> {
    assert!(*number > 0);
    undo(cx, "seat", effect).await
}

#[step(compensate = ())]
async fn is_free(_cx: Context<'_, Participant>, seat: u32) -> Result<bool, Refusal> {
    Ok(seat != 13)
}

saga!(
    async fn travelling(
        cx: Context<'_, Participant>,
        route: Route,
        mut notes: Vec<String>,
    ) -> Result<Vec<String>, Refusal> {
        notes.push("start".to_owned());
        match &route {
            Route::ByTrain { seats } if *seats > 1 => {
                let (first, _) = seat(cx, 1).await?;
                let (second, _) = seat(cx, first + 1).await?;
                notes.push(format!("seats {first} and {second}"));
            }
            Route::ByTrain { .. } => {
                seat(cx, 7).await?;
            }
            Route::ByCar(name) => {
                let car = pay(cx).await?;
                let name = name.to_uppercase();
                notes.push(format!("{name} for {}", car.what));
            }
            Route::NotAtAll => return Ok(notes),
            Route::Nonsense => Err(Refusal::objection("nonsense"))?,
        }
        let notes = {
            let packed = pack(cx).await?;
            let mut notes = notes;
            notes.push(packed.what);
            notes
        };
        Ok(notes)
    }
);

saga!(
    async fn choosing_a_seat(
        cx: Context<'_, Participant>,
        wanted: Option<u32>,
    ) -> Result<u32, Refusal> {
        let Some(wanted) = wanted else {
            reserve(cx).await?;
            return Err(Refusal::objection("no wish"));
        };
        let taken = if wanted < 100 && is_free(cx, wanted).await? {
            seat(cx, wanted).await?.0
        } else {
            let fallback = [20, 21].into_iter().find(|number| number % 2 == 1);
            seat(cx, fallback.unwrap_or(1)).await?.0
        };
        look(cx).await?;
        Ok(taken)
    }
);

saga!(
    async fn counting(cx: Context<'_, Participant>, words: String) -> Result<String, Refusal> {
        let reserved = reserve(cx).await?;
        let mut counts = BTreeMap::new();
        for word in words.split(' ') {
            let cx = 1; // the name means the context again behind the loop
            *counts.entry(word).or_insert(0) += cx;
        }
        let limit: u32 = counts
            .get("limit")
            .copied()
            .ok_or_else(|| Refusal::objection("no limit"))?;
        let label = format!("{}{limit}", reserved.what);
        let reserved = reserve(cx).await?;
        Ok(format!("{label} {}", reserved.what))
    }
);

saga!(
    async fn shipping_maybe(
        cx: Context<'_, Participant>,
        ships: bool,
        thanks: bool,
    ) -> Result<u32, Refusal> {
        reserve(cx).await?;
        let mut steps = 1;
        if ships {
            ship(cx).await?;
            steps += 1;
        }
        if thanks {
            thank(cx).await?;
            steps += 1;
        }
        Ok(steps)
    }
);

saga! {
    async fn in_braces(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
        look(cx).await?;
        reserve(cx).await
    }
}

fn on(route: Route) -> Travelling {
    Travelling {
        route,
        notes: vec!["given".to_owned()],
    }
}

#[tokio::test]
async fn one_way_is_taken_and_the_others_are_not() {
    for (route, asked, notes) in [
        (
            Route::ByTrain { seats: 2 },
            &["seat", "seat", "pack"][..],
            &["given", "start", "seats 1 and 2", "pack"][..],
        ),
        (
            Route::ByTrain { seats: 1 },
            &["seat", "pack"],
            &["given", "start", "pack"],
        ),
        (
            Route::ByCar("vw".to_owned()),
            &["pay", "pack"],
            &["given", "start", "VW for pay", "pack"],
        ),
        (Route::NotAtAll, &[], &["given", "start"]),
    ] {
        let participant = Participant::new();
        let done = participant.run(on(route.clone())).await;
        assert_eq!(done.expect("nothing fails"), notes, "{route:?}");
        assert_eq!(participant.asked(), asked, "{route:?}");
    }
}

#[tokio::test]
async fn what_is_undone_is_what_was_done_on_the_way_that_was_taken() {
    for (route, undone) in [
        (Route::ByTrain { seats: 2 }, &["undo seat", "undo seat"][..]),
        (Route::ByTrain { seats: 1 }, &["undo seat"]),
        (Route::ByCar("vw".to_owned()), &["undo pay"]),
    ] {
        let participant = Participant::new().answers("pack", [Answer::Refused]);
        participant
            .run(on(route.clone()))
            .await
            .expect_err("`pack` is refused");
        let asked = participant.asked();
        let failed = asked.iter().position(|what| what == "pack");
        let after = failed.expect("`pack` was asked") + 1;
        assert_eq!(asked[after..], *undone, "{route:?}");
        assert_eq!(participant.left(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_error_of_the_body_before_the_first_step_undoes_nothing() {
    let participant = Participant::new();
    let error = participant
        .run(on(Route::Nonsense))
        .await
        .expect_err("the body objects");
    assert_eq!(*error.cause(), Cause::Error(Refusal::objection("nonsense")));
    assert_eq!(participant.asked(), Vec::<String>::new());
}

#[tokio::test]
async fn an_early_return_of_an_error_undoes_what_was_done() {
    let participant = Participant::new();
    let error = participant
        .run(ChoosingASeat { wanted: None })
        .await
        .expect_err("there is no wish");
    assert_eq!(participant.asked(), ["reserve", "undo reserve"]);
    assert_eq!(error.step(), None);
}

#[tokio::test]
async fn a_question_mark_on_plain_code_undoes_what_was_done() {
    let participant = Participant::new();
    let words = "a b a".to_owned();
    let error = participant
        .run(Counting { words })
        .await
        .expect_err("there is no limit");
    assert_eq!(*error.cause(), Cause::Error(Refusal::objection("no limit")));
    assert_eq!(error.step(), None);
    assert_eq!(participant.asked(), ["reserve", "undo reserve"]);
}

#[tokio::test]
async fn loops_closures_and_shadowing_between_steps_are_plain_code() {
    let participant = Participant::new();
    let words = "limit the limit".to_owned();
    let done = participant.run(Counting { words }).await;
    assert_eq!(done.expect("nothing fails"), "reserve2 reserve");
    assert_eq!(participant.left(), ["reserve", "reserve"]);
}

#[tokio::test]
async fn a_step_can_stand_in_a_condition() {
    for (wanted, taken) in [(12, 12), (13, 21), (200, 21)] {
        let participant = Participant::new();
        let wanted = Some(wanted);
        let seat = participant.run(ChoosingASeat { wanted }).await;
        assert_eq!(seat.expect("there is a seat"), taken, "{wanted:?}");
    }
}

#[tokio::test]
async fn a_pivot_in_one_branch_counts_only_if_it_was_taken() {
    for (ships, thanks) in [(false, false), (false, true), (true, false), (true, true)] {
        let participant = Participant::new();
        let steps = participant.run(ShippingMaybe { ships, thanks }).await;
        let expected = 1 + u32::from(ships) + u32::from(thanks);
        assert_eq!(steps.expect("nothing fails"), expected);
    }
    let participant = Participant::new().cancels_at("reserve", 1);
    let saga = ShippingMaybe {
        ships: false,
        thanks: true,
    };
    let error = participant
        .run_cancellable(saga)
        .await
        .expect_err("it is cancelled before it goes forward for good");
    assert!(error.is_compensated());
    assert_eq!(participant.asked(), ["reserve", "undo reserve"]);
}

#[tokio::test]
async fn the_last_step_can_be_the_result() {
    let participant = Participant::new();
    let done = participant.run(InBraces {}).await;
    assert_eq!(done.expect("nothing fails").what, "reserve");

    let participant = Participant::new().answers("reserve", [Answer::Refused]);
    let error = participant
        .run(InBraces {})
        .await
        .expect_err("`reserve` is refused");
    assert_eq!(error.step(), Some("reserve"));
}
