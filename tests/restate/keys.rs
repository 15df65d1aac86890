//! Keys on Restate, where sagas of two names may have the same id.

use saga_restate::Endpoint;
use saga_runtime::{Context, saga, step};

use crate::services::{Desk, Fixture};

#[step(compensate = unbook)]
async fn flight(cx: Context<'_, Desk>) -> Result<String, String> {
    cx.ask(cx.idempotency_key().as_str()).await
}

async fn unbook(cx: Context<'_, Desk>, flight: &String) -> Result<(), String> {
    assert_eq!(cx.action_key().as_str(), flight);
    cx.ask(cx.idempotency_key().as_str()).await.map(drop)
}

saga!(
    #[saga(compensatable)]
    async fn leg(cx: Context<'_, Desk>) -> Result<(), String> {
        flight(cx).await?;
        Ok(())
    }
);

saga!(
    async fn trip(cx: Context<'_, Desk>) -> Result<(), String> {
        flight(cx).await?;
        leg(cx).await?;
        Ok(())
    }
);

saga!(
    async fn tour(cx: Context<'_, Desk>) -> Result<(), String> {
        flight(cx).await?;
        Err("no tour".to_owned())
    }
);

#[tokio::test(flavor = "multi_thread")]
async fn sagas_of_two_names_with_the_same_id_ask_under_different_keys() {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::builder(fixture.desk.clone())
        .register::<Trip>()
        .register::<Tour>();
    let _service = fixture.serve(endpoint).await;
    let trip = fixture.client.execute("a 1", &Trip {}).await;
    trip.expect("it is well");
    let tour = fixture.client.execute("a 1", &Tour {}).await;
    tour.expect_err("there is none");
    assert_eq!(
        fixture.desk.asked(),
        [
            "/trip/a%201/flight/0",
            "/trip/a%201/leg/flight/0",
            "/tour/a%201/flight/0",
            "/tour/a%201/flight/0/compensation",
        ]
    );
}
