//! Compensations that ask for the failure of their saga.

use saga_runtime::{Context, SagaId, TestPlace, saga, step};

use crate::participant::{Answer, Effect, Participant, Refusal, act, read, undo};
use crate::steps::{look, pay};

/// Is undone by a request whose name has the reason.
#[step(compensate = cancel)]
async fn book(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    assert_eq!(cx.failure(), None);
    act(cx, "book").await
}

async fn cancel(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    let why = cx
        .failure()
        .map(|failure| format!("{failure} ({})", failure.code()));
    read(cx, &format!("why: {}", why.unwrap_or_default())).await?;
    undo(cx, "book", effect).await
}

saga!(
    #[saga(compensatable)]
    async fn booking(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
        let booked = book(cx).await?;
        pay(cx).await?;
        Ok(booked)
    }
);

saga!(
    async fn travelling(cx: Context<'_, Participant>, objects: bool) -> Result<(), Refusal> {
        book(cx).await?;
        booking(cx).await?;
        if objects {
            return Err(Refusal::objection("too far"));
        }
        look(cx).await?;
        Ok(())
    }
);

fn whys(participant: &Participant) -> Vec<String> {
    let asked = participant.asked().into_iter();
    asked.filter(|what| what.starts_with("why")).collect()
}

#[tokio::test(start_paused = true)]
async fn each_compensation_sees_the_step_and_the_text_at_each_attempt() {
    let participant = Participant::new()
        .answers("look", [Answer::Refused])
        .answers("undo book", [Answer::Refused]);
    let travelling = Travelling { objects: false };
    participant
        .run(travelling)
        .await
        .expect_err("`look` refuses");
    assert_eq!(
        whys(&participant),
        ["why: `look` failed: look was refused (error)"; 3]
    );
}

#[tokio::test(start_paused = true)]
async fn the_step_of_a_called_saga_comes_with_its_path() {
    let participant = Participant::new().answers("pay", [Answer::Refused]);
    let travelling = Travelling { objects: false };
    participant
        .run(travelling)
        .await
        .expect_err("`pay` refuses");
    assert_eq!(
        whys(&participant),
        ["why: `booking/pay` failed: pay was refused (error)"; 2]
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_body_has_no_step() {
    let participant = Participant::new();
    let travelling = Travelling { objects: true };
    participant.run(travelling).await.expect_err("it objects");
    assert_eq!(whys(&participant), ["why: objection: too far (error)"; 2]);
}

#[tokio::test]
async fn a_test_gives_an_id_an_attempt_and_a_failure() {
    let participant = Participant::new();
    let place = TestPlace::new()
        .saga_id(SagaId::new("order-17").expect("a valid id"))
        .attempt(3)
        .failure("ship", "no courier")
        .failure_code("timed_out");
    let paid = pay(place.context(&participant))
        .await
        .expect("nothing fails");
    let request = participant.requests("pay").remove(0);
    assert_eq!((&*request.key, request.attempt), ("order-17", 3));
    cancel(place.context(&participant), &paid)
        .await
        .expect("nothing fails");
    assert_eq!(
        whys(&participant),
        ["why: `ship` failed: no courier (timed_out)"]
    );
}
