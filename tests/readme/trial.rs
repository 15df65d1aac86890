//! Tests of sagas and their steps.

use saga_runtime::{Context, saga, step};

struct Shop {
    limit: u64,
}

#[step(compensate = refund)]
async fn charge(cx: Context<'_, Shop>, amount: u64) -> Result<u64, String> {
    if amount > cx.limit {
        Err("card declined".to_owned())
    } else {
        Ok(4)
    }
}

async fn refund(_cx: Context<'_, Shop>, _payment: &u64) -> Result<(), String> {
    Ok(())
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, amount: u64) -> Result<u64, String> {
        charge(cx, amount).await
    }
);

#[tokio::test]
async fn it_does_what_it_says() {
    let shop = Shop { limit: 500 };
    let cx = Context::for_test(&shop);
    assert_eq!(charge(cx, 100).await, Ok(4));
    assert_eq!(refund(cx, &4).await, Ok(()));

    let error = PlaceOrder { amount: 900 }.execute(&shop).await.unwrap_err();
    assert_eq!(error.step(), Some("charge"));
    assert!(error.is_compensated());
}
