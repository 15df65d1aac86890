//! Sagas inside of sagas: their steps are steps of the outermost one.

use saga_runtime::{Context, saga};

use super::{keys, undone};
use crate::participant::{Answer, Participant, Refusal};
use crate::steps::{look, pack, pay, reserve, ship, thank};

saga!(
    #[saga(compensatable)]
    async fn preparing(cx: Context<'_, Participant>, deep: bool) -> Result<u32, Refusal> {
        let reserved = reserve(cx).await?;
        if deep {
            packing(cx).await?;
        }
        Ok(reserved.number)
    }
);

saga!(
    #[saga(compensatable)]
    async fn packing(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pack(cx).await?;
        pack(cx).await?;
        Ok(())
    }
);

saga!(
    /// Counts as a pivot: it says nothing else.
    async fn sending(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        look(cx).await?;
        ship(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

saga!(
    async fn selling(cx: Context<'_, Participant>) -> Result<u32, Refusal> {
        let one = preparing(cx, true).await?;
        let other = preparing(cx, false).await?;
        pay(cx).await?;
        sending(cx).await?;
        Ok(one + other)
    }
);

saga!(
    #[saga(compensatable)]
    async fn descending(cx: Context<'_, Participant>, deep: u32) -> Result<(), Refusal> {
        pay(cx).await?;
        if deep > 0 {
            descending(cx, deep - 1).await?;
        }
        Ok(())
    }
);

saga!(
    #[saga(compensatable)]
    async fn objecting(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        pack(cx).await?;
        Err(Refusal::objection("not like this"))
    }
);

saga!(
    async fn asking_for_it(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        objecting(cx).await?;
        Ok(())
    }
);

#[tokio::test]
async fn steps_have_the_names_of_the_sagas_around_them_in_their_keys() {
    let participant = Participant::new();
    participant.run(Selling {}).await.expect("nothing fails");
    let keys = [keys(&participant, "reserve"), keys(&participant, "pack")].concat();
    assert_eq!(
        keys,
        [
            "saga/preparing/reserve/0",
            "saga/preparing#1/reserve/0",
            "saga/preparing/packing/pack/0",
            "saga/preparing/packing/pack/1",
        ]
    );
}

#[tokio::test]
async fn a_later_failure_undoes_the_steps_of_sagas_that_have_ended() {
    let participant = Participant::new().answers("pay", [Answer::Refused]);
    let error = participant.run(Selling {}).await.expect_err("pay refuses");
    assert!(error.is_compensated());
    assert_eq!(
        undone(&participant),
        [
            "saga/preparing#1/reserve/0",
            "saga/preparing/packing/pack/1",
            "saga/preparing/packing/pack/0",
            "saga/preparing/reserve/0",
        ]
    );
}

#[tokio::test]
async fn an_error_says_in_which_saga_it_happened() {
    let refuses = "saga/preparing/packing/pack/1";
    let participant = Participant::new().answers(refuses, [Answer::Refused]);
    let error = participant.run(Selling {}).await.expect_err("pack refuses");
    assert_eq!(error.step(), Some("preparing/packing/pack"));
    assert_eq!(error.call(), Some("preparing/packing/pack#1"));
    assert_eq!(
        undone(&participant),
        ["saga/preparing/packing/pack/0", "saga/preparing/reserve/0"]
    );
}

#[tokio::test]
async fn a_saga_that_fails_by_itself_is_undone_with_the_one_around_it() {
    let participant = Participant::new();
    let error = participant
        .run(AskingForIt {})
        .await
        .expect_err("it objects");
    assert_eq!(error.step(), Some("objecting"));
    assert_eq!(error.cause().to_string(), "objection: not like this");
    assert_eq!(
        undone(&participant),
        ["saga/objecting/pack/0", "saga/reserve/0"]
    );
}

#[tokio::test]
async fn a_failure_before_the_pivot_inside_undoes_everything() {
    let participant = Participant::new().answers("ship", [Answer::Refused]);
    let error = participant.run(Selling {}).await.expect_err("ship refuses");
    assert_eq!(error.step(), Some("sending/ship"));
    assert_eq!(participant.left(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn after_the_pivot_inside_the_saga_only_goes_forward() {
    let participant = Participant::new()
        .answers("thank", [Answer::Busy, Answer::Unclear])
        .cancels_at("thank", 1);
    let sold = participant.run_cancellable(Selling {}).await;
    sold.expect("it is too late to cancel");
    assert_eq!(participant.requests("thank").len(), 3);
}

#[tokio::test]
async fn a_saga_may_call_itself() {
    let participant = Participant::new().answers(
        "saga/descending/descending/descending/pay/0",
        [Answer::Refused],
    );
    let error = participant.run(Descending { deep: 3 }).await;
    let error = error.expect_err("the deepest refuses");
    assert_eq!(error.step(), Some("descending/descending/descending/pay"));
    assert_eq!(
        undone(&participant),
        [
            "saga/descending/descending/pay/0",
            "saga/descending/pay/0",
            "saga/pay/0",
        ]
    );
}

#[tokio::test]
async fn a_saga_that_never_stops_calling_itself_fails_and_is_undone() {
    let participant = Participant::new();
    let error = participant.run(Descending { deep: 1_000 }).await;
    let error = error.expect_err("it is too deep");
    let cause = error.cause().to_string();
    assert!(cause.contains("more than 64 deep"), "{cause}");
    assert!(error.is_compensated());
    assert_eq!(participant.left(), [""; 0]);
}
