//! Refusals that the body of a saga looks at itself, instead of ending with `?`.

use saga_runtime::{Cause, Context, saga, step};

use crate::participant::{Answer, Effect, Participant, Refusal, act, read, resolve, undo};
use crate::steps::{pay, reserve, ship, thank};

#[step(
    compensate = undo_courier,
    timeout = "1s",
    retry(attempts = 2, when = Refusal::is_busy),
    in_doubt(when = Refusal::is_unclear)
)]
async fn courier(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "courier").await
}

async fn undo_courier(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "courier", effect).await
}

#[step(
    compensate = undo_drone,
    timeout = "1s",
    in_doubt(when = Refusal::is_unclear, resolve = resolve_drone)
)]
async fn drone(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "drone").await
}

async fn undo_drone(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "drone", effect).await
}

async fn resolve_drone(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    resolve(cx, "drone").await
}

#[step(compensate = ())]
async fn sign(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    read(cx, "sign").await
}

saga!(
    async fn delivering(cx: Context<'_, Participant>) -> Result<String, Refusal> {
        reserve(cx).await?;
        let delivery = match courier(cx).await {
            Ok(delivery) => delivery,
            Err(refusal) => {
                assert_eq!(refusal.to_string(), "courier was refused");
                pay(cx).await?
            }
        };
        sign(cx).await?;
        Ok(delivery.what)
    }
);

saga!(
    async fn flying(cx: Context<'_, Participant>) -> Result<String, Refusal> {
        reserve(cx).await?;
        let delivery = if let Ok(flown) = drone(cx).await {
            flown
        } else {
            pay(cx).await?
        };
        sign(cx).await?;
        Ok(delivery.what)
    }
);

saga!(
    async fn objecting(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        match courier(cx).await {
            Ok(_) => {}
            Err(Refusal::Refused(_)) => return Err(Refusal::objection("no courier")),
            Err(other) => return Err(other),
        }
        sign(cx).await?;
        Ok(())
    }
);

saga!(
    async fn objecting_to_a_step_without_policies(
        cx: Context<'_, Participant>,
        panics: bool,
    ) -> Result<(), Refusal> {
        reserve(cx).await?;
        if pay(cx).await.is_ok() {
            return Ok(());
        }
        assert!(!panics, "no pay");
        Err(Refusal::objection("no pay"))
    }
);

saga!(
    async fn converting(cx: Context<'_, Participant>) -> Result<(), String> {
        reserve(cx).await.map_err(|refusal| refusal.to_string())?;
        courier(cx).await.map_err(|refusal| refusal.to_string())?;
        Ok(())
    }
);

saga!(
    async fn trying_everything(cx: Context<'_, Participant>) -> Result<Vec<bool>, Refusal> {
        let mut done = Vec::new();
        done.push(reserve(cx).await.is_ok());
        let _ = courier(cx).await;
        done.push(pay(cx).await.is_ok_and(|paid| paid.what == "pay"));
        let shipped = ship(cx).await;
        done.push(shipped.is_ok());
        thank(cx).await?;
        Ok(done)
    }
);

#[tokio::test]
async fn a_refusal_that_is_handled_takes_another_way() {
    let participant = Participant::new().answers("courier", [Answer::Refused]);
    let delivery = participant.run(Delivering {}).await;
    assert_eq!(delivery.expect("there is another way"), "pay");
    assert_eq!(participant.asked(), ["reserve", "courier", "pay", "sign"]);
    assert_eq!(participant.left(), ["reserve", "pay"]);
}

#[tokio::test]
async fn a_step_that_succeeds_is_not_refused() {
    let participant = Participant::new();
    let delivery = participant.run(Delivering {}).await;
    assert_eq!(delivery.expect("nothing fails"), "courier");
    assert_eq!(participant.asked(), ["reserve", "courier", "sign"]);
}

#[tokio::test]
async fn a_refusal_that_was_handled_is_not_undone_when_a_later_step_fails() {
    let participant = Participant::new()
        .answers("courier", [Answer::Refused])
        .answers("sign", [Answer::Refused]);
    let error = participant
        .run(Delivering {})
        .await
        .expect_err("`sign` is refused");
    assert_eq!(
        participant.asked()[4..],
        ["undo pay", "undo reserve"],
        "and not `courier`"
    );
    assert_eq!(error.step(), Some("sign"));
}

#[tokio::test]
async fn the_step_that_ends_the_saga_is_named_and_not_the_one_that_was_handled() {
    let participant = Participant::new()
        .answers("courier", [Answer::Refused])
        .answers("pay", [Answer::Refused]);
    let error = participant
        .run(Delivering {})
        .await
        .expect_err("neither way works");
    assert_eq!(error.step(), Some("pay"));
    assert_eq!(*error.cause(), Cause::Error(Refusal::refused("pay")));
}

#[tokio::test]
async fn an_error_that_the_body_makes_of_a_refusal_is_its_own() {
    let participant = Participant::new().answers("courier", [Answer::Refused]);
    let error = participant
        .run(Objecting {})
        .await
        .expect_err("the body objects");
    assert_eq!(error.step(), None);
    let objection = Refusal::objection("no courier");
    assert_eq!(*error.cause(), Cause::Error(objection));
    assert_eq!(participant.asked(), ["reserve", "courier", "undo reserve"]);
}

#[tokio::test]
async fn a_refusal_that_was_handled_is_not_to_blame_for_what_the_body_does_then() {
    for panics in [false, true] {
        let participant = Participant::new().answers("pay", [Answer::Refused]);
        let error = participant
            .run(ObjectingToAStepWithoutPolicies { panics })
            .await
            .expect_err("the body objects");
        assert_eq!(error.step(), None, "{error}");
        assert_eq!(participant.asked(), ["reserve", "pay", "undo reserve"]);
    }
}

#[tokio::test]
async fn an_error_that_is_converted_before_the_question_mark_still_is_the_step_s() {
    let participant = Participant::new().answers("courier", [Answer::Refused]);
    let error = participant
        .run(Converting {})
        .await
        .expect_err("`courier` is refused");
    assert_eq!(
        *error.cause(),
        Cause::Error("courier was refused".to_owned())
    );
    assert_eq!(error.step(), Some("courier"));
    assert!(error.is_compensated());
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[tokio::test]
async fn results_can_be_looked_at_in_any_way_or_not_at_all() {
    let participant = Participant::new()
        .answers("courier", [Answer::Refused])
        .answers("ship", [Answer::Refused]);
    let done = participant.run(TryingEverything {}).await;
    assert_eq!(done.expect("all is handled"), [true, true, false]);
    assert_eq!(participant.left(), ["reserve", "pay", "thank"]);
}

#[tokio::test(start_paused = true)]
async fn a_handled_step_is_retried_first() {
    let participant = Participant::new().answers("courier", [Answer::Busy]);
    let delivery = participant.run(Delivering {}).await;
    assert_eq!(delivery.expect("the second attempt succeeds"), "courier");
    assert_eq!(participant.requests("courier").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_or_a_panic_is_not_handled_but_ends_the_saga() {
    for doubt in [Answer::SilentButDone, Answer::PanicsButDone] {
        let participant = Participant::new().answers("courier", [doubt, doubt]);
        let error = participant
            .run(Delivering {})
            .await
            .expect_err("a refusal is what can be handled");
        assert_eq!(
            participant.asked(),
            [
                "reserve",
                "courier",
                "courier",
                "courier",
                "undo courier",
                "undo reserve"
            ],
            "{doubt:?}"
        );
        assert_eq!(error.step(), Some("courier"));
        assert!(!matches!(error.cause(), Cause::Error(_)), "{error}");
        assert!(error.is_compensated());
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_in_doubt_that_refuses_when_asked_again_is_handled() {
    let answers = [Answer::Unclear, Answer::Refused];
    let participant = Participant::new().answers("courier", answers);
    let delivery = participant.run(Delivering {}).await;
    assert_eq!(delivery.expect("there is another way"), "pay");
    assert_eq!(
        participant.asked(),
        ["reserve", "courier", "courier", "pay", "sign"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_that_gave_no_answer_and_refuses_when_asked_again_is_handled() {
    for nothing in [Answer::Silent, Answer::Panics] {
        let answers = [nothing, nothing, Answer::Refused];
        let participant = Participant::new().answers("courier", answers);
        let delivery = participant.run(Delivering {}).await;
        assert_eq!(delivery.expect("there is another way"), "pay");
        assert_eq!(
            participant.asked(),
            ["reserve", "courier", "courier", "courier", "pay", "sign"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_in_doubt_that_turns_out_to_be_done_ends_the_saga_and_is_compensated() {
    let participant = Participant::new().answers("courier", [Answer::UnclearButDone]);
    let error = participant
        .run(Delivering {})
        .await
        .expect_err("the step failed, and yet it was done");
    assert_eq!(
        participant.asked(),
        [
            "reserve",
            "courier",
            "courier",
            "undo courier",
            "undo reserve"
        ]
    );
    let message = "courier was unclear".to_owned();
    assert_eq!(*error.cause(), Cause::InDoubt { message });
    assert_eq!(error.step(), Some("courier"));
    assert_eq!(
        error.to_string(),
        "saga `delivering` failed at step `courier`: in doubt: courier was unclear; \
         compensated: `courier`, `reserve`"
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_that_stays_in_doubt_ends_the_saga() {
    let participant = Participant::new().always("courier", Answer::Unclear);
    let error = participant
        .run(Delivering {})
        .await
        .expect_err("the refusal is unknown");
    let message = "courier was unclear".to_owned();
    assert_eq!(*error.cause(), Cause::InDoubt { message });
    assert!(!error.is_compensated());
    assert_eq!(participant.requests("undo reserve").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_in_doubt_that_was_resolved_can_be_handled() {
    let participant = Participant::new().answers("drone", [Answer::UnclearButDone]);
    let delivery = participant.run(Flying {}).await;
    assert_eq!(delivery.expect("there is another way"), "pay");
    assert_eq!(
        participant.asked(),
        ["reserve", "drone", "resolve drone", "pay", "sign"]
    );
    assert_eq!(participant.left(), ["reserve", "pay"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_was_resolved_and_handled_is_not_undone_twice() {
    let participant = Participant::new()
        .answers("drone", [Answer::UnclearButDone])
        .answers("sign", [Answer::Refused]);
    let error = participant
        .run(Flying {})
        .await
        .expect_err("`sign` is refused");
    assert_eq!(participant.asked()[5..], ["undo pay", "undo reserve"]);
    let compensated: Vec<_> = error.compensations().iter().map(|one| &*one.step).collect();
    assert_eq!(compensated, ["drone", "pay", "reserve"]);
    assert!(error.is_compensated());
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_fails_for_good_ends_the_saga_even_if_the_error_is_handled() {
    let participant = Participant::new()
        .answers("drone", [Answer::UnclearButDone])
        .always("resolve drone", Answer::Refused);
    let error = participant
        .run(Flying {})
        .await
        .expect_err("the drone may still be in the air");
    assert_eq!(participant.requests("pay"), []);
    assert!(!error.is_compensated());
    assert_eq!(participant.left(), ["drone"]);
}
