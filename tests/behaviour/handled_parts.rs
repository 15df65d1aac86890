//! Called sagas and groups whose failure the body handles: what such a part has done is undone first, then the body goes on.

mod groups;
mod limits;

use saga_runtime::{Cause, Context, saga, step};

use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};
use crate::steps::{look, pack, pay, reserve, ship};

#[step(compensate = undo_other)]
async fn other(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "other").await
}

async fn undo_other(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "other", effect).await
}

saga!(
    #[saga(compensatable)]
    async fn packing(cx: Context<'_, Participant>) -> Result<String, Refusal> {
        let reserved = reserve(cx).await?;
        pack(cx).await?;
        look(cx).await?;
        Ok(reserved.what)
    }
);

saga!(
    async fn selling(cx: Context<'_, Participant>) -> Result<String, Refusal> {
        pay(cx).await?;
        let from = match packing(cx).await {
            Ok(from) => from,
            Err(refusal) => {
                assert!(refusal.to_string().ends_with("was refused"), "{refusal}");
                other(cx).await?.what
            }
        };
        ship(cx).await?;
        Ok(from)
    }
);

#[tokio::test]
async fn a_saga_that_fails_is_undone_last_first_and_then_the_body_goes_on() {
    for (step, undone) in [
        ("reserve", &[][..]),
        ("pack", &["undo reserve"]),
        ("look", &["undo pack", "undo reserve"]),
    ] {
        let participant = Participant::new().answers(step, [Answer::Refused]);
        let from = participant.run(Selling {}).await;
        assert_eq!(from.expect("there is another way"), "other", "{step}");
        let calls = ["reserve", "pack", "look"];
        let last = calls.iter().position(|call| *call == step).expect("a call");
        let asked = [&["pay"], &calls[..=last], undone, &["other", "ship"]].concat();
        assert_eq!(participant.asked(), asked, "{step}");
        assert_eq!(participant.left(), ["pay", "other", "ship"], "{step}");
    }
}

#[tokio::test]
async fn a_saga_that_succeeds_stays_and_is_undone_with_the_rest() {
    let participant = Participant::new();
    let from = participant.run(Selling {}).await;
    assert_eq!(from.expect("nothing fails"), "reserve");
    assert_eq!(participant.left(), ["pay", "reserve", "pack", "ship"]);

    let participant = Participant::new().answers("ship", [Answer::Refused]);
    let error = participant
        .run(Selling {})
        .await
        .expect_err("`ship` is refused");
    let undone = ["undo pack", "undo reserve", "undo pay"];
    assert_eq!(participant.asked()[5..], undone);
    assert!(error.is_compensated());
}

#[tokio::test]
async fn a_part_that_was_undone_is_not_undone_again_when_a_later_step_fails() {
    let participant = Participant::new()
        .answers("look", [Answer::Refused])
        .answers("ship", [Answer::Refused]);
    let error = participant
        .run(Selling {})
        .await
        .expect_err("`ship` is refused");
    let asked = participant.asked();
    assert_eq!(
        asked[4..],
        [
            "undo pack",
            "undo reserve",
            "other",
            "ship",
            "undo other",
            "undo pay"
        ]
    );
    assert_eq!(error.step(), Some("ship"));
    assert_eq!(
        error.to_string(),
        "saga `selling` failed at step `ship`: ship was refused; \
         compensated: `packing/pack`, `packing/reserve`, `other`, `pay`"
    );
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[tokio::test]
async fn the_way_behind_a_part_that_was_undone_fails_like_any_other() {
    let participant = Participant::new()
        .answers("pack", [Answer::Refused])
        .answers("other", [Answer::Refused]);
    let error = participant
        .run(Selling {})
        .await
        .expect_err("neither way works");
    assert_eq!(error.step(), Some("other"));
    assert_eq!(*error.cause(), Cause::Error(Refusal::refused("other")));
    assert!(error.is_compensated());
    assert_eq!(participant.left(), Vec::<String>::new());
}

saga!(
    async fn trying_twice(cx: Context<'_, Participant>, times: u32) -> Result<u32, Refusal> {
        for time in 0..times {
            if let Ok(_from) = packing(cx).await {
                pay(cx).await?;
                return Ok(time);
            }
        }
        Err(Refusal::objection("no more suppliers"))
    }
);

#[tokio::test]
async fn each_call_of_a_saga_that_is_tried_again_has_keys_of_its_own() {
    let participant = Participant::new().answers("pack", [Answer::Refused, Answer::Refused]);
    let time = participant.run(TryingTwice { times: 3 }).await;
    assert_eq!(time.expect("the third one has it"), 2);
    let requests = participant.all_requests();
    let keys: Vec<_> = requests
        .iter()
        .map(|request| &*request.action_key)
        .collect();
    assert_eq!(
        keys,
        [
            "saga/packing/reserve/0",
            "saga/packing/pack/0",
            "saga/packing/reserve/0",
            "saga/packing#1/reserve/0",
            "saga/packing#1/pack/0",
            "saga/packing#1/reserve/0",
            "saga/packing#2/reserve/0",
            "saga/packing#2/pack/0",
            "saga/packing#2/look/0",
            "saga/pay/0",
        ]
    );
    assert_eq!(participant.left(), ["reserve", "pack", "pay"]);
}

#[tokio::test]
async fn a_body_that_finds_no_other_way_fails_by_itself() {
    let participant = Participant::new().always("pack", Answer::Refused);
    let error = participant.run(TryingTwice { times: 2 }).await;
    let error = error.expect_err("no supplier has it");
    assert_eq!(error.step(), None);
    assert!(error.is_compensated());
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "pack",
            "undo reserve",
            "reserve",
            "pack",
            "undo reserve"
        ]
    );
}

saga!(
    #[saga(compensatable)]
    async fn delivering(cx: Context<'_, Participant>) -> Result<String, Refusal> {
        pay(cx).await?;
        let from = match packing(cx).await {
            Ok(from) => from,
            Err(_) => other(cx).await?.what,
        };
        look(cx).await?;
        Ok(from)
    }
);

saga!(
    async fn ordering(cx: Context<'_, Participant>) -> Result<Option<String>, Refusal> {
        let delivered = delivering(cx).await.ok();
        ship(cx).await?;
        Ok(delivered)
    }
);

#[tokio::test]
async fn a_part_inside_of_a_part_is_undone_once() {
    let participant = Participant::new()
        .answers("pack", [Answer::Refused])
        .answers("look", [Answer::Refused]);
    let delivered = participant.run(Ordering {}).await;
    assert_eq!(delivered.expect("all is handled"), None);
    assert_eq!(
        participant.asked(),
        [
            "pay",
            "reserve",
            "pack",
            "undo reserve",
            "other",
            "look",
            "undo other",
            "undo pay",
            "ship"
        ]
    );
    assert_eq!(participant.left(), ["ship"]);
}

#[tokio::test]
async fn the_outer_part_may_succeed_although_the_inner_one_has_failed() {
    let participant = Participant::new().answers("pack", [Answer::Refused]);
    let delivered = participant.run(Ordering {}).await;
    assert_eq!(delivered.expect("all is handled").as_deref(), Some("other"));
    assert_eq!(participant.left(), ["pay", "other", "ship"]);
}

saga!(
    /// Counts as a pivot.
    async fn sending(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pack(cx).await?;
        ship(cx).await?;
        Ok(())
    }
);

saga!(
    async fn sending_somehow(cx: Context<'_, Participant>) -> Result<bool, Refusal> {
        reserve(cx).await?;
        match sending(cx).await {
            Ok(()) => Ok(true),
            Err(Refusal::Objection(_)) => Ok(false),
            Err(_) => {
                other(cx).await?;
                Ok(false)
            }
        }
    }
);

#[tokio::test(start_paused = true)]
async fn a_saga_with_a_pivot_is_handled_before_its_pivot_is_done() {
    let participant = Participant::new();
    let is_sent = participant.run(SendingSomehow {}).await;
    assert!(is_sent.expect("nothing fails"));

    let participant = Participant::new().answers("ship", [Answer::Refused]);
    let is_sent = participant.run(SendingSomehow {}).await;
    assert!(!is_sent.expect("it is handled"));
    assert_eq!(participant.left(), ["reserve", "other"]);

    let participant = Participant::new()
        .answers("ship", [Answer::Refused])
        .always("undo pack", Answer::Refused);
    let error = participant.run(SendingSomehow {}).await;
    let error = error.expect_err("`pack` stays");
    assert!(matches!(error.cause(), Cause::NotUndone { .. }), "{error}");
    assert_eq!(participant.left(), ["pack"], "what was before is undone");
}
