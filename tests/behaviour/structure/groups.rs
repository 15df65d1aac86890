//! `try_join!`: members run at the same time, all of them to their end.

use saga_runtime::{Cause, Context, saga, step};

use super::{keys, undone};
use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};
use crate::steps::{look, pack, pay, reserve, ship, thank};

#[step(compensate = undo_hurry, timeout = "1s", retry(attempts = 1))]
async fn hurry(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "hurry").await
}

async fn undo_hurry(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "hurry", effect).await
}

#[step(compensate = undo_wrap)]
async fn wrap(cx: Context<'_, Participant>, paid: u32) -> Result<Effect, Refusal> {
    assert!(paid > 0);
    act(cx, "wrap").await
}

async fn undo_wrap(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "wrap", effect).await
}

saga!(
    async fn at_once(cx: Context<'_, Participant>) -> Result<Vec<u32>, Refusal> {
        reserve(cx).await?;
        let (paid, packed) = try_join!(pay(cx), pack(cx))?;
        ship(cx).await?;
        Ok(vec![paid.number, packed.number])
    }
);

saga!(
    async fn nested(cx: Context<'_, Participant>) -> Result<String, Refusal> {
        let (one, (two, ()), three) =
            try_join!(reserve(cx), try_join!(pay(cx), look(cx)), pack(cx))?;
        ship(cx).await?;
        Ok(format!("{} {} {}", one.what, two.what, three.what))
    }
);

saga!(
    async fn translated(cx: Context<'_, Participant>) -> Result<u32, String> {
        reserve(cx).await.map_err(|refusal| refusal.to_string())?;
        let (paid, _) =
            try_join!(pay(cx), pack(cx)).map_err(|refusal| format!("both: {refusal}"))?;
        Ok(paid.number)
    }
);

saga!(
    async fn at_the_end(cx: Context<'_, Participant>) -> Result<(Effect, (Effect, ())), Refusal> {
        reserve(cx).await?;
        try_join!(pay(cx), try_join!(pack(cx), look(cx)))
    }
);

saga!(
    async fn twice_the_same(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        try_join!(pay(cx), pay(cx))?;
        pay(cx).await?;
        look(cx).await?;
        Ok(())
    }
);

saga!(
    async fn hurrying(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        try_join!(hurry(cx), pay(cx), pack(cx))?;
        Ok(())
    }
);

saga!(
    async fn with_a_call_in_an_argument(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        try_join!(pay(cx), wrap(cx, pay(cx).await?.number))?;
        look(cx).await
    }
);

saga!(
    async fn handled_with_a_call_in_an_argument(
        cx: Context<'_, Participant>,
    ) -> Result<(), Refusal> {
        let inside = try_join!(look(cx), wrap(cx, pay(cx).await?.number));
        match try_join!(
            pay(cx),
            try_join!(look(cx), pack(cx)),
            wrap(
                cx,
                if inside.is_ok() {
                    1
                } else {
                    pay(cx).await?.number
                }
            )
        ) {
            Ok(_) => look(cx).await,
            Err(refusal) => Err(refusal),
        }
    }
);

saga!(
    async fn thanking_at_once(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        ship(cx).await?;
        try_join!(thank(cx), thank(cx))?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn members_are_asked_before_any_of_them_has_answered() {
    let participant = Participant::new();
    let (pays, packs) = (participant.holds("pay"), participant.holds("pack"));
    let running = participant.run(AtOnce {});
    let answering = async {
        pays.arrived().await;
        packs.arrived().await;
        // The second one is first.
        packs.release();
        tokio::task::yield_now().await;
        pays.release();
    };
    let (ended, ()) = tokio::join!(running, answering);
    let numbers = ended.expect("nothing fails");
    assert_eq!(numbers.len(), 2);
    assert_eq!(participant.asked(), ["reserve", "pay", "pack", "ship"]);
}

#[tokio::test]
async fn groups_in_groups_are_one_group() {
    let participant = Participant::new();
    let ended = participant.run(Nested {}).await;
    assert_eq!(ended.expect("nothing fails"), "reserve pay pack");
    assert_eq!(participant.left().len(), 4);
}

#[tokio::test]
async fn the_others_run_to_their_end_and_are_undone_in_the_order_of_the_source() {
    let participant = Participant::new().answers("pay", [Answer::Refused]);
    let error = participant.run(AtOnce {}).await.expect_err("pay refuses");
    assert_eq!(error.step(), Some("pay"));
    assert!(error.is_compensated());
    assert_eq!(participant.left(), [""; 0]);
    assert_eq!(undone(&participant), ["saga/pack/0", "saga/reserve/0"]);
}

#[tokio::test]
async fn the_first_refusal_in_the_order_of_the_source_counts() {
    let refused = [Answer::Refused];
    let participant = Participant::new()
        .answers("pack", refused)
        .answers("pay", refused);
    let error = participant.run(AtOnce {}).await.expect_err("both refuse");
    assert_eq!(error.step(), Some("pay"));
    assert_eq!(undone(&participant), ["saga/reserve/0"]);
}

#[tokio::test]
async fn the_refusal_of_a_group_can_be_translated() {
    let participant = Participant::new();
    assert!(participant.run(Translated {}).await.is_ok());
    let participant = Participant::new().answers("pack", [Answer::Refused]);
    let error = participant.run(Translated {}).await.expect_err("pack");
    assert_eq!(error.step(), Some("pack"));
    let Cause::Error(text) = error.cause() else {
        panic!("{error}");
    };
    assert!(text.starts_with("both: "), "{text}");
    assert!(error.is_compensated());
    assert_eq!(undone(&participant), ["saga/pay/0", "saga/reserve/0"]);
}

#[tokio::test]
async fn the_result_of_a_group_can_be_that_of_the_saga() {
    let participant = Participant::new();
    let (paid, (packed, ())) = participant.run(AtTheEnd {}).await.expect("nothing fails");
    assert_eq!([&*paid.what, &*packed.what], ["pay", "pack"]);
    let refused = [Answer::Refused];
    let participant = Participant::new()
        .answers("look", refused)
        .answers("pack", refused);
    let error = participant.run(AtTheEnd {}).await.expect_err("two refuse");
    assert_eq!(error.step(), Some("pack"));
    assert_eq!(undone(&participant), ["saga/pay/0", "saga/reserve/0"]);
}

#[tokio::test]
async fn a_later_failure_undoes_the_whole_group_last_first() {
    let participant = Participant::new().answers("ship", [Answer::Refused]);
    let error = participant.run(Nested {}).await.expect_err("ship refuses");
    assert_eq!(error.step(), Some("ship"));
    let undone = undone(&participant);
    assert_eq!(undone, ["saga/pack/0", "saga/pay/0", "saga/reserve/0"]);
}

#[tokio::test]
async fn members_of_one_name_have_keys_of_their_own() {
    let participant = Participant::new().answers("look", [Answer::Refused]);
    participant
        .run(TwiceTheSame {})
        .await
        .expect_err("look refuses");
    let mut keys = keys(&participant, "pay");
    keys[..2].sort();
    assert_eq!(keys, ["saga/pay/0", "saga/pay/1", "saga/pay/2"]);
    assert_eq!(
        undone(&participant),
        ["saga/pay/2", "saga/pay/1", "saga/pay/0"]
    );
}

/// The arguments of all members are evaluated before the first member begins.
#[tokio::test]
async fn a_step_in_the_arguments_of_a_member_comes_before_the_group() {
    let participant = Participant::new().answers("look", [Answer::Refused]);
    let error = participant.run(WithACallInAnArgument {}).await;
    assert!(error.expect_err("look refuses").is_compensated());
    assert_eq!(keys(&participant, "pay"), ["saga/pay/0", "saga/pay/1"]);
    assert_eq!(
        undone(&participant),
        ["saga/wrap/0", "saga/pay/1", "saga/pay/0"]
    );
    assert_eq!(participant.left(), [""; 0], "each under its own key");
}

#[tokio::test]
async fn a_step_in_the_arguments_of_a_refused_group_is_undone_alone() {
    let refused = [Answer::Refused];
    let participant = Participant::new()
        .answers("saga/pay/1", refused)
        .answers("wrap", refused);
    let error = participant.run(WithACallInAnArgument {}).await;
    let error = error.expect_err("both members refuse");
    assert_eq!(error.call(), Some("pay#1"));
    assert!(error.is_compensated());
    assert_eq!(undone(&participant), ["saga/pay/0"]);
    assert_eq!(participant.left(), [""; 0]);
}

#[tokio::test]
async fn a_step_in_the_arguments_of_a_handled_group_comes_before_the_group() {
    let refused = [Answer::Refused];
    let participant = Participant::new()
        .answers("saga/wrap/0", refused)
        .answers("saga/pay/2", refused);
    let error = participant.run(HandledWithACallInAnArgument {}).await;
    error.expect_err("pay refuses");
    assert_eq!(
        keys(&participant, "pay"),
        ["saga/pay/0", "saga/pay/1", "saga/pay/2"]
    );
    assert_eq!(
        undone(&participant),
        ["saga/wrap/1", "saga/pack/0", "saga/pay/1", "saga/pay/0"]
    );
    assert_eq!(participant.left(), [""; 0]);
}

#[tokio::test]
async fn the_error_says_which_member_of_one_name_has_failed() {
    for (key, call) in [
        ("saga/pay/0", "pay"),
        ("saga/pay/1", "pay#1"),
        ("saga/pay/2", "pay#2"),
    ] {
        let participant = Participant::new().answers(key, [Answer::Refused]);
        let error = participant.run(TwiceTheSame {}).await;
        let error = error.expect_err("it refuses");
        assert_eq!(error.step(), Some("pay"));
        assert_eq!(error.call(), Some(call));
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_never_answers_holds_the_others_up_no_longer_than_its_timeout() {
    let participant = Participant::new()
        .answers("hurry", [Answer::SilentButDone])
        .answers("pack", [Answer::Refused]);
    let error = participant.run(Hurrying {}).await.expect_err("both fail");
    assert_eq!(
        error.step(),
        Some("hurry"),
        "the first in the order of the source"
    );
    assert!(error.is_compensated());
    assert_eq!(participant.left(), [""; 0]);
}

#[tokio::test]
async fn a_member_that_panics_is_an_outcome_like_any_other() {
    let participant = Participant::new().always("hurry", Answer::Panics);
    let error = participant
        .run(Hurrying {})
        .await
        .expect_err("hurry panics");
    assert_eq!(error.step(), Some("hurry"));
    assert!(!error.is_compensated(), "its effects are unknown");
    assert_eq!(
        undone(&participant),
        ["saga/pack/0", "saga/pay/0", "saga/reserve/0"]
    );
}

#[tokio::test(start_paused = true)]
async fn retriable_steps_are_retried_at_the_same_time() {
    let busy = [Answer::Busy, Answer::Busy, Answer::Unclear];
    let participant = Participant::new().answers("thank", busy);
    participant
        .run(ThankingAtOnce {})
        .await
        .expect("it is retried");
    assert_eq!(participant.left(), ["ship", "thank", "thank"]);
}

#[tokio::test]
async fn a_cancelled_group_is_undone() {
    let participant = Participant::new().cancels_at("pack", 1);
    let error = participant.run_cancellable(AtOnce {}).await;
    let error = error.expect_err("it is cancelled");
    assert!(error.is_compensated());
    assert_eq!(
        undone(&participant),
        ["saga/pack/0", "saga/pay/0", "saga/reserve/0"]
    );
}
