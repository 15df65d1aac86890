//! Idempotency keys: golden, the same at every attempt, another for every effect.

use std::collections::HashSet;

use saga_runtime::{Context, InProcess, SagaId, saga, step};

use crate::participant::{Answer, Effect, Participant, Refusal, act, read, undo};
use crate::steps::{pack, pay, reserve, ship, thank};

#[step(compensate = undo_renamed, name = "charge-card.v2")]
async fn renamed(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "renamed").await
}

async fn undo_renamed(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    undo(cx, "renamed", effect).await
}

#[step(compensate = ())]
async fn stop(cx: Context<'_, Participant>) -> Result<(), Refusal> {
    read(cx, "stop").await
}

saga!(
    async fn buying(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        pay(cx).await?;
        pay(cx).await?;
        renamed(cx).await?;
        stop(cx).await?;
        ship(cx).await?;
        thank(cx).await?;
        thank(cx).await?;
        Ok(())
    }
);

saga!(
    async fn choosing(cx: Context<'_, Participant>, twice: bool) -> Result<(), Refusal> {
        if twice {
            pay(cx).await?;
            pack(cx).await?;
        } else {
            reserve(cx).await?;
        }
        if pay(cx).await.is_err() {
            pay(cx).await?;
        }
        stop(cx).await?;
        Ok(())
    }
);

/// The keys of the requests for `what`.
fn keys(participant: &Participant, what: &str) -> Vec<String> {
    let requests = participant.requests(what);
    requests.into_iter().map(|one| one.key).collect()
}

fn order_17(participant: &Participant) -> InProcess<'_, Participant> {
    InProcess::new(participant).saga_id(SagaId::new("order-17").expect("a valid id"))
}

/// Participants remember keys: if one of these changes, an effect can happen twice.
#[tokio::test]
async fn the_keys_of_a_saga_never_change() {
    let participant = Participant::new();
    order_17(&participant)
        .execute(Buying {})
        .await
        .expect("nothing fails");
    for (what, expected) in [
        ("reserve", &["order-17/reserve/0"][..]),
        ("pay", &["order-17/pay/0", "order-17/pay/1"]),
        ("renamed", &["order-17/charge-card.v2/0"]),
        ("stop", &["order-17/stop/0"]),
        ("ship", &["order-17/ship/0"]),
        ("thank", &["order-17/thank/0", "order-17/thank/1"]),
    ] {
        assert_eq!(keys(&participant, what), expected);
    }
}

#[tokio::test]
async fn the_keys_of_compensations_never_change_and_name_the_step_they_undo() {
    let participant = Participant::new().answers("stop", [Answer::Refused]);
    order_17(&participant)
        .execute(Buying {})
        .await
        .expect_err("`stop` is refused");
    for (what, expected) in [
        ("undo renamed", &["order-17/charge-card.v2/0"][..]),
        ("undo pay", &["order-17/pay/1", "order-17/pay/0"]),
        ("undo reserve", &["order-17/reserve/0"]),
    ] {
        let requests = participant.requests(what);
        let actions: Vec<_> = requests.iter().map(|one| one.action_key.as_str()).collect();
        assert_eq!(actions, expected);
        for request in requests {
            assert_eq!(request.key, format!("{}/compensation", request.action_key));
        }
    }
}

#[tokio::test]
async fn the_action_key_of_a_step_is_its_own_key() {
    let participant = Participant::new();
    participant.run(Buying {}).await.expect("nothing fails");
    for what in ["reserve", "pay", "stop", "ship", "thank"] {
        for request in participant.requests(what) {
            assert_eq!(request.key, request.action_key);
        }
    }
}

#[tokio::test]
async fn no_two_effects_of_a_saga_share_a_key() {
    let participant = Participant::new().answers("stop", [Answer::Refused]);
    participant
        .run(Buying {})
        .await
        .expect_err("`stop` is refused");
    let asked: Vec<_> = participant.asked();
    let mut keys = HashSet::new();
    for what in asked.iter().collect::<HashSet<_>>() {
        keys.extend(participant.requests(what).into_iter().map(|one| one.key));
    }
    assert_eq!(keys.len(), asked.len());
}

#[tokio::test]
async fn occurrences_count_the_calls_that_were_made_in_this_run() {
    let participant = Participant::new();
    participant
        .run(Choosing { twice: true })
        .await
        .expect("nothing fails");
    assert_eq!(keys(&participant, "pay"), ["saga/pay/0", "saga/pay/1"]);

    let participant = Participant::new();
    participant
        .run(Choosing { twice: false })
        .await
        .expect("nothing fails");
    assert_eq!(keys(&participant, "pay"), ["saga/pay/0"]);
}

#[tokio::test]
async fn a_call_that_was_refused_and_handled_counts_as_an_occurrence() {
    let participant = Participant::new()
        .answers("pay", [Answer::Done, Answer::Refused])
        .answers("stop", [Answer::Refused]);
    participant
        .run(Choosing { twice: true })
        .await
        .expect_err("`stop` is refused");
    assert_eq!(
        keys(&participant, "pay"),
        ["saga/pay/0", "saga/pay/1", "saga/pay/2"]
    );
    let undone = participant.requests("undo pay");
    let actions: Vec<_> = undone.iter().map(|one| one.action_key.as_str()).collect();
    assert_eq!(actions, ["saga/pay/2", "saga/pay/0"]);
}

#[tokio::test]
async fn another_id_means_other_keys_and_the_same_id_the_same_keys() {
    let run = async |id: &str| {
        let participant = Participant::new();
        InProcess::new(&participant)
            .saga_id(SagaId::new(id).expect("a valid id"))
            .execute(Buying {})
            .await
            .expect("nothing fails");
        keys(&participant, "pay")
    };
    assert_eq!(run("one").await, run("one").await);
    assert_ne!(run("one").await, run("other").await);
}

#[tokio::test]
async fn an_id_of_any_text_makes_a_key_of_visible_ascii() {
    let participant = Participant::new();
    InProcess::new(&participant)
        .saga_id(SagaId::new("Bestellung 17/ü\n").expect("a valid id"))
        .execute(Buying {})
        .await
        .expect("nothing fails");
    assert_eq!(
        keys(&participant, "reserve"),
        ["Bestellung%2017%2F%C3%BC%0A/reserve/0"]
    );
}

#[step(compensate = ())]
async fn uuids(cx: Context<'_, Participant>) -> Result<[String; 2], Refusal> {
    Ok([cx.idempotency_key(), cx.action_key()].map(|key| key.to_uuid().to_string()))
}

saga!(
    async fn numbering(cx: Context<'_, Participant>) -> Result<Vec<String>, Refusal> {
        let seen = uuids(cx).await?;
        Ok(seen.to_vec())
    }
);

/// Version 5 of the key's text, as other implementations of RFC 9562 compute it.
#[tokio::test]
async fn the_uuids_of_keys_never_change() {
    let participant = Participant::new();
    let seen = order_17(&participant).execute(Numbering {}).await;
    assert_eq!(
        seen.expect("nothing fails"),
        ["ce5fb4cf-cd47-5ab6-93d1-5fbd6e2c9cdb"; 2]
    );
}
