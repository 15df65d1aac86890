//! Policies from the settings of a running service.

use std::time::Duration;

use saga_runtime::coordinator::StartError;
use saga_runtime::journal::Memory;
use saga_runtime::meta::{Policy, RetryPolicy};
use saga_runtime::{Context, Coordinator, saga, step};

use crate::shop::{Answer, Refused, Shop, cancel, order};

const SHORT: Duration = Duration::from_millis(1);

/// Three attempts, without a pause that a test would notice.
const THRICE: RetryPolicy = RetryPolicy::attempts(3).backoff(SHORT, SHORT);

#[step(compensate = (), retry(attempts = 2, backoff = "1ms..1ms"))]
async fn quote(cx: Context<'_, Shop>) -> Result<String, Refused> {
    cx.ask("quote").await
}

#[step(compensate = cancel, compensation(retry(attempts = 1)), name = "reserve-it")]
async fn reserve(cx: Context<'_, Shop>) -> Result<String, Refused> {
    cx.ask("order").await
}

saga!(
    async fn quoting(cx: Context<'_, Shop>) -> Result<String, Refused> {
        reserve(cx).await?;
        quote(cx).await
    }
);

saga!(
    #[saga(policy = Policy::new().retry(THRICE).timeout(Duration::from_secs(5)))]
    async fn tried_thrice(cx: Context<'_, Shop>) -> Result<(), Refused> {
        order(cx).await?;
        quote(cx).await?;
        Ok(())
    }
);

fn count(shop: &Shop, what: &str) -> usize {
    shop.asked().iter().filter(|one| *one == what).count()
}

#[tokio::test]
async fn settings_change_the_numbers_of_a_step_and_of_its_compensation() {
    let shop = Shop::default()
        .always("quote", Answer::Refuses)
        .answers("cancel", [Answer::Refuses, Answer::Refuses]);
    let coordinator = Coordinator::builder(shop.clone())
        .journal(Memory::new())
        .register::<Quoting>()
        .policy(quote, |policy| {
            assert_eq!(policy.retry.and_then(|retry| retry.max_attempts()), Some(2));
            policy.retry(RetryPolicy::attempts(4).backoff(SHORT, SHORT))
        })
        .policy_of("reserve-it", Policy::new().compensation_retry(THRICE))
        .start()
        .await
        .expect("the steps are known");
    let failed = coordinator.execute("quoting", Quoting {}).await;
    let failed = failed.expect_err("it is never quoted");
    assert!(failed.to_string().contains("quote was refused"), "{failed}");
    assert_eq!(count(&shop, "quote"), 4);
    assert_eq!(count(&shop, "cancel"), 3);
    coordinator.shutdown().await;
}

#[tokio::test]
async fn a_time_limit_of_the_settings_ends_an_attempt() {
    let shop = Shop::default().answers("quote", [Answer::Never]);
    let coordinator = Coordinator::builder(shop.clone())
        .journal(Memory::new())
        .register::<Quoting>()
        .policy(quote, |policy| policy.timeout(SHORT))
        .start()
        .await
        .expect("the step is known");
    let quoted = coordinator.execute("quoting", Quoting {}).await;
    assert_eq!(quoted.expect("the second attempt is answered"), "quote");
    assert_eq!(count(&shop, "quote"), 2);
    coordinator.shutdown().await;
}

#[tokio::test]
async fn the_saga_gives_numbers_to_steps_without_some_and_settings_come_first() {
    let shop = Shop::default()
        .answers("order", [Answer::Refuses, Answer::Refuses])
        .answers("quote", [Answer::Refuses]);
    let start = |shop: &Shop| {
        Coordinator::builder(shop.clone())
            .journal(Memory::new())
            .register::<TriedThrice>()
    };
    let coordinator = start(&shop).start().await.expect("the journal works");
    let done = coordinator.execute("thrice", TriedThrice {}).await;
    done.expect("the third attempt of `order`, and the second of `quote`");
    assert_eq!((count(&shop, "order"), count(&shop, "quote")), (3, 2));
    coordinator.shutdown().await;

    let shop = Shop::default().answers("order", [Answer::Refuses]);
    let coordinator = start(&shop)
        .policy(order, |policy| policy.retry(RetryPolicy::ONCE))
        .start()
        .await
        .expect("the step is known");
    let refused = coordinator.execute("once", TriedThrice {}).await;
    refused.expect_err("the settings allow one attempt");
    assert_eq!(count(&shop, "order"), 1);
    coordinator.shutdown().await;
}

#[tokio::test]
async fn a_policy_for_a_step_that_no_saga_calls_is_refused_at_the_start() {
    let builder = || {
        Coordinator::builder(Shop::default())
            .journal(Memory::new())
            .register::<Quoting>()
    };
    let by_name = builder().policy_of("reserve", Policy::new());
    let by_function = builder().policy(order, |policy| policy.timeout(SHORT));
    for (refused, name) in [(by_name, "reserve"), (by_function, "order")] {
        let error = refused.start().await.expect_err("it is not known");
        assert_eq!(
            error.to_string(),
            format!(
                "a policy is set for the step `{name}`, but no registered saga calls one of this name: \
                 the steps are `quote`, `reserve-it`"
            )
        );
        assert!(matches!(error, StartError::UnknownStep { step, .. } if step == name));
    }
}
