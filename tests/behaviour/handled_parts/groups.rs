//! Groups whose failure the body handles.

use saga_runtime::{Cause, Context, saga};

use super::{other, packing};
use crate::participant::{Answer, Participant, Refusal};
use crate::steps::{look, pack, pay, reserve, ship};

saga!(
    async fn at_once(cx: Context<'_, Participant>) -> Result<u32, Refusal> {
        look(cx).await?;
        let parts = match try_join!(reserve(cx), pay(cx), pack(cx)) {
            Ok(_) => 3,
            Err(Refusal::Refused(_)) => {
                other(cx).await?;
                1
            }
            Err(refusal) => return Err(refusal),
        };
        ship(cx).await?;
        Ok(parts)
    }
);

fn sorted(mut asked: Vec<String>) -> Vec<String> {
    asked.sort_unstable();
    asked
}

#[tokio::test]
async fn a_group_that_fails_is_undone_last_first_and_then_the_body_goes_on() {
    for (refused, undone) in [
        ("reserve", ["undo pack", "undo pay"]),
        ("pay", ["undo pack", "undo reserve"]),
        ("pack", ["undo pay", "undo reserve"]),
    ] {
        let participant = Participant::new().answers(refused, [Answer::Refused]);
        let parts = participant.run(AtOnce {}).await;
        assert_eq!(parts.expect("there is another way"), 1, "{refused}");
        let asked = participant.asked();
        assert_eq!(sorted(asked[1..4].to_vec()), ["pack", "pay", "reserve"]);
        assert_eq!(asked[4..6], undone, "{refused}");
        assert_eq!(asked[6..], ["other", "ship"], "{refused}");
        assert_eq!(participant.left(), ["other", "ship"], "{refused}");
    }
}

#[tokio::test]
async fn a_group_that_succeeds_stays() {
    let participant = Participant::new();
    let parts = participant.run(AtOnce {}).await;
    assert_eq!(parts.expect("nothing fails"), 3);
    assert_eq!(
        sorted(participant.left()),
        ["pack", "pay", "reserve", "ship"]
    );

    let participant = Participant::new().answers("ship", [Answer::Refused]);
    let error = participant
        .run(AtOnce {})
        .await
        .expect_err("`ship` is refused");
    assert_eq!(
        participant.asked()[5..],
        ["undo pack", "undo pay", "undo reserve"]
    );
    assert!(error.is_compensated());
}

#[tokio::test]
async fn a_group_that_was_undone_is_not_undone_again() {
    let participant = Participant::new()
        .answers("pay", [Answer::Refused])
        .answers("ship", [Answer::Refused]);
    let error = participant
        .run(AtOnce {})
        .await
        .expect_err("`ship` is refused");
    assert_eq!(participant.asked()[8..], ["undo other"]);
    assert!(error.is_compensated());
    let compensated: Vec<_> = error.compensations().iter().map(|one| &*one.step).collect();
    assert_eq!(compensated, ["pack", "reserve", "other"]);
}

#[tokio::test]
async fn the_first_refusal_in_the_order_of_the_source_is_the_one_that_the_body_gets() {
    let participant = Participant::new()
        .answers("reserve", [Answer::Refused])
        .answers("pay", [Answer::Unclear])
        .answers("pack", [Answer::Refused]);
    let parts = participant.run(AtOnce {}).await;
    assert_eq!(parts.expect("the first one is handled"), 1);
    assert_eq!(participant.left(), ["other", "ship"]);
}

saga!(
    async fn with_sagas(cx: Context<'_, Participant>) -> Result<Vec<String>, Refusal> {
        let from = match try_join!(packing(cx), pay(cx), packing(cx)) {
            Ok((one, _, two)) => vec![one, two],
            Err(_) => Vec::new(),
        };
        other(cx).await?;
        Ok(from)
    }
);

#[tokio::test]
async fn sagas_that_are_members_are_undone_with_the_others() {
    let participant = Participant::new().answers("saga/packing#1/look/0", [Answer::Refused]);
    let from = participant.run(WithSagas {}).await;
    assert_eq!(from.expect("the failure is handled"), Vec::<String>::new());
    let requests = participant.all_requests();
    let undone = requests.iter().filter(|one| one.what.starts_with("undo"));
    let undone: Vec<_> = undone.map(|one| &*one.action_key).collect();
    assert_eq!(
        undone,
        [
            "saga/packing#1/pack/0",
            "saga/packing#1/reserve/0",
            "saga/pay/0",
            "saga/packing/pack/0",
            "saga/packing/reserve/0",
        ]
    );
    assert_eq!(participant.left(), ["other"]);
}

#[tokio::test]
async fn members_that_are_sagas_and_succeed_stay() {
    let participant = Participant::new().answers("other", [Answer::Refused]);
    let error = participant
        .run(WithSagas {})
        .await
        .expect_err("`other` is refused");
    assert_eq!(error.step(), Some("other"));
    assert!(error.is_compensated());
    assert_eq!(participant.left(), Vec::<String>::new());
}

saga!(
    async fn twice_in_a_loop(cx: Context<'_, Participant>) -> Result<u32, Refusal> {
        let mut tried = 0;
        while tried < 2 {
            let both = try_join!(reserve(cx), pay(cx));
            tried += 1;
            if both.is_ok() {
                break;
            }
        }
        ship(cx).await?;
        Ok(tried)
    }
);

#[tokio::test]
async fn a_group_that_is_tried_again_has_keys_of_its_own() {
    let participant = Participant::new().answers("pay", [Answer::Refused]);
    let tried = participant.run(TwiceInALoop {}).await;
    assert_eq!(tried.expect("the second time it works"), 2);
    let keys = |what| {
        let requests = participant.requests(what).into_iter();
        requests.map(|request| request.key).collect::<Vec<_>>()
    };
    assert_eq!(keys("reserve"), ["saga/reserve/0", "saga/reserve/1"]);
    assert_eq!(keys("pay"), ["saga/pay/0", "saga/pay/1"]);
    assert_eq!(participant.left(), ["reserve", "pay", "ship"]);
}

#[tokio::test]
async fn a_member_that_can_not_be_undone_ends_the_whole_saga() {
    let participant = Participant::new()
        .answers("pay", [Answer::Refused])
        .always("undo pack", Answer::Refused);
    let error = participant.run(AtOnce {}).await.expect_err("`pack` stays");
    let message = "pay was refused".to_owned();
    assert_eq!(*error.cause(), Cause::NotUndone { message });
    assert_eq!(error.step(), Some("pay"));
    assert!(!error.is_compensated());
    assert_eq!(participant.left(), ["pack"]);
    assert_eq!(participant.requests("other"), []);
}
