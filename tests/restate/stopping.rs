//! A service that is stopped. Attempts under way end, or go back to Restate; nothing is compensated because of it.

use rustix::process::{Pid, Signal, kill_process};

use crate::process::{Process, free_address};
use crate::service::Service;
use crate::services::{Fixture, Order, endpoint};

fn tea() -> Order {
    Order {
        article: "tea".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_stopped_ends_what_is_under_way() {
    let Fixture {
        server: _server,
        client,
        desk,
        service,
    } = Fixture::new().await;
    let charge = desk.hold("charge");
    let saga = client.submit("order-1", &tea()).await;
    let saga = saga.expect("Restate takes it");
    charge.came().await;
    service.stop();
    charge.release();
    service.ends().await;
    assert_eq!(saga.wait().await.expect("it is well"), "tea");
    assert_eq!(desk.asked(), ["reserve", "charge", "book"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_in_time_is_handed_back_and_goes_on_elsewhere() {
    let Fixture {
        server: _server,
        client,
        desk,
        service,
    } = Fixture::new().await;
    let charge = desk.hold("charge");
    let saga = client.submit("order-1", &tea()).await;
    let saga = saga.expect("Restate takes it");
    charge.came().await;
    let address = service.address;
    service.stop();
    service.ends().await;
    assert_eq!(saga.outcome().await.expect("Restate knows it"), None);
    assert_eq!(desk.asked(), ["reserve", "charge"]);
    charge.release();
    let _service = Service::at(address, endpoint(&desk)).await;
    assert_eq!(saga.wait().await.expect("it is well"), "tea");
    assert_eq!(desk.asked(), ["reserve", "charge", "charge", "book"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_serves_ends_well_when_it_is_asked_to() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = tempfile::TempDir::new().expect("a folder");
        let database = folder.path().join("participant.db");
        let mut process = Process::start(&database, free_address(), &[]);
        process.listens().await;
        let id = Pid::from_raw(process.id()).expect("it has an id");
        kill_process(id, signal).expect("it is there");
        let ended = tokio::task::spawn_blocking(move || process.ends()).await;
        assert!(ended.expect("it can be waited for").success(), "{signal:?}");
    }
}
