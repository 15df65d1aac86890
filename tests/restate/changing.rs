//! A definition that changes while sagas are in flight. They stay on their deployment, and a history that does not fit says so.

use serde_json::Value;

use crate::service::Service;
use crate::services::{Desk, Fixture};
use saga_restate::Endpoint;

/// The saga as it was.
mod before {
    use saga_runtime::{Context, saga};

    use crate::services::{Desk, charge, reserve};

    saga!(
        pub(crate) async fn trip(cx: Context<'_, Desk>) -> Result<u32, String> {
            reserve(cx).await?;
            charge(cx).await?;
            Ok(1)
        }
    );
}

/// The same with another step in the middle.
mod after {
    use saga_runtime::{Context, saga};

    use crate::services::{Desk, charge, pack, reserve};

    saga!(
        pub(crate) async fn trip(cx: Context<'_, Desk>) -> Result<u32, String> {
            reserve(cx).await?;
            pack(cx).await?;
            charge(cx).await?;
            Ok(2)
        }
    );
}

fn old(desk: &Desk) -> Endpoint<Desk> {
    Endpoint::builder(desk.clone()).register::<before::Trip>()
}

fn new(desk: &Desk) -> Endpoint<Desk> {
    Endpoint::builder(desk.clone()).register::<after::Trip>()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_in_flight_stays_on_the_deployment_where_it_began() {
    let fixture = Fixture::new().await;
    let _service = fixture.serve(old(&fixture.desk)).await;
    let charge = fixture.desk.hold("charge");
    let trip = fixture.client.submit("trip-1", &before::Trip {}).await;
    let trip = trip.expect("Restate takes it");
    charge.came().await;
    let desk = Desk::default();
    let _service = fixture.serve(new(&desk)).await;
    let other = fixture.client.execute("trip-2", &after::Trip {}).await;
    assert_eq!(other.expect("it is well"), 2);
    assert_eq!(desk.asked(), ["reserve", "pack", "charge"]);
    charge.release();
    assert_eq!(trip.wait().await.expect("it is well"), 1);
    assert_eq!(fixture.desk.asked(), ["reserve", "charge"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_does_not_fit_says_so_and_waits_for_the_definition_that_it_fits() {
    let fixture = Fixture::new().await;
    let service = fixture.serve(old(&fixture.desk)).await;
    let charge = fixture.desk.hold("charge");
    let trip = fixture.client.submit("trip-1", &before::Trip {}).await;
    let trip = trip.expect("Restate takes it");
    charge.came().await;
    // The server may learn of the request later.
    fixture.journaled(trip.invocation(), "charge").await;
    let address = service.address;
    service.vanishes().await;
    charge.release();

    let desk = Desk::default();
    let service = Service::at(address, new(&desk)).await;
    let message = loop {
        let about = fixture.about(trip.invocation(), "last_failure").await;
        match about["last_failure"].as_str() {
            Some(failure) if failure.contains("570") => break failure.to_owned(),
            _ => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    };
    assert!(message.contains("charge"), "{message}");
    assert!(message.contains("pack"), "{message}");
    let columns = "status, completion_result";
    let about = fixture.about(trip.invocation(), columns).await;
    assert_eq!(about["completion_result"], Value::Null, "{about}");
    assert_eq!(desk.asked(), Vec::<String>::new(), "nothing is guessed");

    service.vanishes().await;
    let _service = Service::at(address, old(&fixture.desk)).await;
    assert_eq!(trip.wait().await.expect("it is well"), 1);
    assert_eq!(fixture.desk.asked(), ["reserve", "charge", "charge"]);
}
