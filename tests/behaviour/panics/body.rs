//! Panics in the body of a saga, between its steps.

use saga_runtime::{Cause, CompensationOutcome, Context, saga};
use serde::{Deserialize, Serialize};

use crate::participant::{Answer, Participant, Refusal};
use crate::steps::{pay, reserve, ship, thank};

/// The place in the body that panics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Place {
    Start,
    BeforeThePivot,
    AfterThePivot,
    End,
}

saga!(
    async fn stumbling(cx: Context<'_, Participant>, place: Place) -> Result<(), Refusal> {
        assert!(place != Place::Start, "stumbled");
        reserve(cx).await?;
        let paid = pay(cx).await?;
        assert!(
            place != Place::BeforeThePivot,
            "stumbled over {}",
            paid.what
        );
        ship(cx).await?;
        assert!(place != Place::AfterThePivot, "stumbled");
        thank(cx).await?;
        assert!(place != Place::End, "stumbled");
        Ok(())
    }
);

saga!(
    async fn thanking_early(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        thank(cx).await?;
        unreachable!("this is never reached");
    }
);

/// A value of the body that panics when it is dropped.
struct Brittle;

impl Drop for Brittle {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "broke");
    }
}

saga!(
    async fn carrying(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        let _brittle = Brittle;
        pay(cx).await?;
        Ok(())
    }
);

saga!(
    async fn having_carried(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        carrying(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

#[tokio::test]
async fn a_panic_in_the_body_before_the_first_step_has_nothing_to_undo() {
    let participant = Participant::new();
    let place = Place::Start;
    let error = participant
        .run(Stumbling { place })
        .await
        .expect_err("the body panics");
    assert_eq!(participant.asked(), Vec::<String>::new());
    assert_eq!(error.step(), None);
    assert!(error.is_compensated());
}

#[tokio::test]
async fn a_panic_in_the_body_before_the_pivot_is_compensated() {
    let participant = Participant::new();
    let place = Place::BeforeThePivot;
    let error = participant
        .run(Stumbling { place })
        .await
        .expect_err("the body panics");
    let message = "stumbled over pay".to_owned();
    assert_eq!(*error.cause(), Cause::Panicked { message });
    assert_eq!(error.step(), None, "it was the body's own code");
    assert_eq!(
        participant.asked(),
        ["reserve", "pay", "undo pay", "undo reserve"]
    );
    assert!(error.is_compensated());
}

#[tokio::test]
async fn a_panic_in_the_body_after_the_pivot_undoes_nothing_and_says_so() {
    for (place, asked) in [
        (Place::AfterThePivot, vec!["reserve", "pay", "ship"]),
        (Place::End, vec!["reserve", "pay", "ship", "thank"]),
    ] {
        let participant = Participant::new();
        let error = participant
            .run(Stumbling { place })
            .await
            .expect_err("the body panics");
        assert_eq!(participant.asked(), asked);
        assert_eq!(participant.left(), asked);
        assert!(!error.is_compensated());
        let pending: Vec<_> = error
            .compensations()
            .iter()
            .filter(|one| one.outcome == CompensationOutcome::Pending)
            .map(|one| &*one.step)
            .collect();
        assert_eq!(pending, ["pay", "reserve"]);
    }
}

#[tokio::test]
async fn a_panic_in_the_body_after_a_retriable_step_undoes_nothing_either() {
    let participant = Participant::new();
    let error = participant
        .run(ThankingEarly {})
        .await
        .expect_err("the body panics");
    assert_eq!(participant.left(), ["reserve", "thank"]);
    assert!(!error.is_compensated());
}

#[tokio::test]
async fn a_value_that_panics_when_the_body_is_left_forgets_no_effect() {
    for answer in [Answer::Refused, Answer::Panics, Answer::PanicsButDone] {
        let participant = Participant::new().answers("pay", [answer]);
        let error = participant.run(Carrying {}).await.expect_err("pay failed");
        assert_eq!(participant.left(), Vec::<String>::new(), "{answer:?}");
        assert!(error.is_compensated(), "{answer:?}: {error}");

        let participant = Participant::new().answers("pay", [answer]);
        let ended = participant.run(HavingCarried {}).await;
        let error = ended.expect_err("a called saga failed");
        assert_eq!(participant.left(), Vec::<String>::new(), "{answer:?}");
        assert!(error.is_compensated(), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn a_value_that_panics_when_the_body_is_left_does_not_change_why() {
    let participant = Participant::new().answers("pay", [Answer::Panics]);
    let error = participant.run(Carrying {}).await.expect_err("pay failed");
    assert_eq!(error.step(), Some("pay"));
    assert_ne!(error.cause().to_string(), "panicked: broke");
}
