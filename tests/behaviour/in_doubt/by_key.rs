//! A compensation by key: it resolves the step, too.

use saga_runtime::{CompensationOutcome, Context, saga, step};

use super::DOUBTS;
use crate::participant::{Answer, Effect, Participant, Refusal, act, resolve};
use crate::steps::{pay, reserve};

#[step(
    compensate = void,
    timeout = "1s",
    in_doubt(resolve, when = |error| error.is_unclear()),
)]
async fn book(
    cx: Context<'_, Participant>,
    item: &str,
    pieces: Vec<u32>,
) -> Result<Effect, Refusal> {
    assert_eq!((item, &*pieces), ("chair", &[1, 2][..]));
    act(cx, "book").await
}

async fn void(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    resolve(cx, "book").await
}

saga!(
    async fn booking(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        book(cx, "chair", vec![1, 2]).await?;
        pay(cx).await?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn it_undoes_a_step_in_doubt_and_a_step_that_is_done() {
    let done = Participant::new().answers("pay", [Answer::Refused]);
    let mut cases = vec![(done, CompensationOutcome::Compensated)];
    for doubt in DOUBTS {
        let participant = Participant::new().answers("book", [doubt]);
        cases.push((participant, CompensationOutcome::Resolved));
    }
    for (participant, outcome) in cases {
        let error = participant
            .run(Booking {})
            .await
            .expect_err("one step is not done");
        assert!(error.is_compensated());
        let undone = error.compensations();
        assert_eq!((&*undone[0].step, &undone[0].outcome), ("book", &outcome));
        let [request] = &participant.requests("book")[..] else {
            panic!("it is asked once: {:?}", participant.asked());
        };
        let [undoing] = &participant.requests("resolve book")[..] else {
            panic!("it is undone once: {:?}", participant.asked());
        };
        assert_eq!(undoing.action_key, request.key);
        assert_eq!(participant.left(), Vec::<String>::new());
    }
}

#[test]
fn the_shape_names_it_in_both_places() {
    let shape = Booking::shape();
    let book = shape.steps().find(|step| step.name == "book");
    let book = book.expect("the saga calls it");
    assert_eq!(
        (book.compensation, book.resolver),
        (Some("void"), Some("void"))
    );
}
