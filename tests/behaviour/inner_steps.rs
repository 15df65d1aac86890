//! Steps and compensations that await other steps: those are part of them, under keys of their own.

use saga_runtime::engine::Instance;
use saga_runtime::{Cause, Context, saga, step};

use crate::participant::{Answer, Effect, Participant, Refusal, act, read, undo};
use crate::steps::{pay, reserve};

/// Has nothing to undo, and asks a participant that remembers keys.
#[step(compensate = ())]
async fn price(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "price").await
}

#[step(compensate = (), retry(attempts = 3))]
async fn sum(cx: Context<'_, Participant>) -> Result<[u32; 2], Refusal> {
    let first = price(cx).await?;
    let second = price(cx).await?;
    read(cx, "sum").await?;
    Ok([first.number, second.number])
}

saga!(
    async fn summing(cx: Context<'_, Participant>) -> Result<Vec<[u32; 2]>, Refusal> {
        let first = sum(cx).await?;
        let second = sum(cx).await?;
        Ok(vec![first, second])
    }
);

fn keys(participant: &Participant, what: &str) -> Vec<String> {
    let requests = participant.requests(what);
    requests.into_iter().map(|one| one.key).collect()
}

#[tokio::test(start_paused = true)]
async fn each_inner_call_has_a_key_of_its_own() {
    let participant = Participant::new();
    let sums = participant.run(Summing {}).await.expect("nothing fails");
    assert_eq!(sums, [[1, 2], [3, 4]]);
    assert_eq!(
        keys(&participant, "price"),
        [
            "saga/sum/0/price/0",
            "saga/sum/0/price/1",
            "saga/sum/1/price/0",
            "saga/sum/1/price/1",
        ]
    );
    assert_eq!(keys(&participant, "sum"), ["saga/sum/0", "saga/sum/1"]);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_makes_its_inner_calls_under_the_same_keys() {
    let refusals = [Answer::Refused, Answer::Refused];
    let participant = Participant::new().answers("sum", refusals);
    let sums = participant.run(Summing {}).await.expect("the third time");
    assert_eq!(sums, [[1, 2], [3, 4]]);
    let attempt = ["saga/sum/0/price/0", "saga/sum/0/price/1"];
    assert_eq!(keys(&participant, "price")[..6], [attempt; 3].concat());
}

/// Would leave the first payment behind if the second is refused.
#[step(compensate = undo_both, retry(attempts = 1))]
async fn pay_both(cx: Context<'_, Participant>) -> Result<[Effect; 2], Refusal> {
    Ok([pay(cx).await?, pay(cx).await?])
}

async fn undo_both(cx: Context<'_, Participant>, paid: &[Effect; 2]) -> Result<(), Refusal> {
    undo(cx, "pay", &paid[0]).await?;
    undo(cx, "pay", &paid[1]).await
}

saga!(
    async fn paying_both(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        reserve(cx).await?;
        pay_both(cx).await?;
        Ok(())
    }
);

#[tokio::test(start_paused = true)]
async fn a_step_that_can_be_refused_awaits_nothing_that_has_to_be_undone() {
    let participant = Participant::new();
    let error = participant
        .run(PayingBoth {})
        .await
        .expect_err("`pay_both` awaits `pay`");
    assert_eq!(error.step(), Some("pay_both"));
    let Cause::Panicked { message } = error.cause() else {
        panic!("{error}");
    };
    assert!(
        message.starts_with("step `pay_both` awaits step `pay`, which nothing would record or undo: make `pay_both` a saga"),
        "{message}"
    );
    assert_eq!(participant.requests("pay"), []);
    assert_eq!(participant.left(), Vec::<String>::new());
}

#[step(retriable)]
async fn pay_twice(cx: Context<'_, Participant>) -> Result<[Effect; 2], Refusal> {
    let paid = [pay(cx).await?, pay(cx).await?];
    read(cx, "pay_twice").await?;
    Ok(paid)
}

saga!(
    async fn paying_twice(cx: Context<'_, Participant>) -> Result<[Effect; 2], Refusal> {
        let paid = pay_twice(cx).await?;
        Ok(paid)
    }
);

#[tokio::test(start_paused = true)]
async fn a_retriable_step_awaits_any_step_until_both_are_done() {
    let participant = Participant::new()
        .answers("pay", [Answer::Done, Answer::Refused])
        .answers("pay_twice", [Answer::Refused]);
    let paid = participant
        .run(PayingTwice {})
        .await
        .expect("it is retried");
    assert_eq!(paid.map(|one| one.number), [1, 2]);
    let attempt = ["saga/pay_twice/0/pay/0", "saga/pay_twice/0/pay/1"];
    assert_eq!(keys(&participant, "pay"), [attempt; 3].concat());
    assert_eq!(participant.left(), ["pay", "pay"]);
}

#[step(compensate = apologize)]
async fn order(cx: Context<'_, Participant>) -> Result<Effect, Refusal> {
    act(cx, "order").await
}

/// Undoes the order by two steps, the same one twice.
async fn apologize(cx: Context<'_, Participant>, order: &Effect) -> Result<(), Refusal> {
    pay(cx).await?;
    pay(cx).await?;
    let nested = price_of_price(cx).await?;
    assert_eq!(nested, 3, "remembered under its own key");
    undo(cx, "order", order).await
}

#[step(compensate = ())]
async fn price_of_price(cx: Context<'_, Participant>) -> Result<u32, Refusal> {
    Ok(price(cx).await?.number - 1)
}

saga!(
    async fn apologizing(cx: Context<'_, Participant>) -> Result<(), Refusal> {
        order(cx).await?;
        Err(Refusal::objection("enough"))
    }
);

#[tokio::test(start_paused = true)]
async fn a_compensation_awaits_any_step_under_the_same_keys_at_each_attempt() {
    let participant = Participant::new().answers("undo order", [Answer::Refused]);
    let error = participant
        .run(Apologizing {})
        .await
        .expect_err("it objects");
    assert!(error.is_compensated(), "{error}");
    let attempt = [
        "saga/order/0/compensation/pay/0",
        "saga/order/0/compensation/pay/1",
    ];
    assert_eq!(keys(&participant, "pay"), [attempt; 2].concat());
    let nested = ["saga/order/0/compensation/price_of_price/0/price/0"];
    assert_eq!(keys(&participant, "price"), [nested; 2].concat());
    let actions = participant.requests("pay");
    assert!(actions.iter().all(|one| one.action_key == "saga/order/0"));
    assert_eq!(participant.left(), ["pay", "pay", "price"]);
}

#[tokio::test]
async fn a_step_in_a_test_awaits_others_by_the_same_rule() {
    let participant = Participant::new();
    let cx = Context::for_test(&participant);
    for _ in 0..2 {
        assert_eq!(sum(cx).await, Ok([1, 2]));
    }
    let attempt = ["test/price/0", "test/price/1"];
    assert_eq!(keys(&participant, "price"), [attempt; 2].concat());
    let shared = participant.clone();
    let paying = tokio::spawn(async move { pay_both(Context::for_test(&shared)).await });
    assert!(
        paying
            .await
            .expect_err("`pay_both` awaits `pay`")
            .is_panic()
    );
    assert_eq!(participant.requests("pay"), []);
}

#[tokio::test]
async fn a_step_that_the_body_awaits_by_another_way_does_not_run() {
    let participant = Participant::new();
    let shared = participant.clone();
    let hidden = tokio::spawn(async move {
        let instance = Instance::new("hiding", None);
        pay(Context::for_saga(&shared, &instance)).await
    });
    assert!(hidden.await.expect_err("no engine calls it").is_panic());
    assert_eq!(participant.requests("pay"), []);
}
