//! Steps that run at the same time: they do not freeze, and a cancel in the middle leaves nothing behind.

use saga_restate::{ExecuteError, Report};

use crate::service::Service;
use crate::services::{Desk, Fixture, Parcels, endpoint};

const MEMBERS: [&str; 4] = ["reserve", "charge", "pack", "label"];

/// Two `ctx.run` that are polled together froze in 66 of so many sagas.
const SAGAS: usize = 80;

#[tokio::test(flavor = "multi_thread")]
async fn eighty_sagas_with_a_group_of_four_all_end_under_load() {
    let fixture = Fixture::new().await;
    let mut running = tokio::task::JoinSet::new();
    for number in 0..SAGAS {
        let client = fixture.client.clone();
        running.spawn(async move { client.execute(format!("{number}"), &Parcels {}).await });
    }
    let mut ended = 0;
    while let Some(parcels) = running.join_next().await {
        let parcels = parcels.expect("it does not panic");
        assert_eq!(parcels.expect("nothing is wrong"), 4);
        ended += 1;
    }
    assert_eq!(ended, SAGAS);
    for step in MEMBERS.into_iter().chain(["book"]) {
        assert_eq!(fixture.desk.times(step), SAGAS, "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_members_of_a_group_run_at_the_same_time() {
    let fixture = Fixture::new().await;
    let holds = MEMBERS.map(|step| fixture.desk.hold(step));
    let parcels = fixture.client.submit("parcels-1", &Parcels {}).await;
    let parcels = parcels.expect("Restate takes it");
    for hold in &holds {
        hold.came().await;
    }
    for hold in holds.iter().rev() {
        hold.release();
    }
    assert_eq!(parcels.wait().await.expect("nothing is wrong"), 4);
}

/// Every step was asked for, and undone; nothing came after the group.
fn nothing_is_left(desk: &Desk, ended: Result<usize, ExecuteError>) -> Box<Report> {
    let Err(ExecuteError::Failed(report)) = ended else {
        panic!("it is cancelled: {ended:?}");
    };
    assert_eq!(report.code, "cancelled");
    assert!(report.is_compensated, "{report}");
    for step in MEMBERS {
        assert!(desk.times(step) > 0, "{step}");
        assert_eq!(desk.times(&format!("undo {step}")), 1, "{step}");
    }
    assert_eq!(desk.times("book"), 0);
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_in_the_middle_of_a_group_undoes_every_member() {
    for held in MEMBERS {
        let fixture = Fixture::new().await;
        let hold = fixture.desk.hold(held);
        let parcels = fixture.client.submit("parcels-1", &Parcels {}).await;
        let parcels = parcels.expect("Restate takes it");
        hold.came().await;
        fixture.press(parcels.invocation(), "cancel").await;
        hold.release();
        nothing_is_left(&fixture.desk, parcels.wait().await);
        for step in MEMBERS {
            assert_eq!(fixture.desk.times(step), 1, "{step}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_in_the_middle_of_a_group_whose_process_dies_undoes_every_member() {
    let Fixture {
        server,
        client,
        desk,
        service,
    } = Fixture::new().await;
    let hold = desk.hold("charge");
    let parcels = client.submit("parcels-1", &Parcels {}).await;
    let parcels = parcels.expect("Restate takes it");
    hold.came().await;
    let path = format!("/invocations/{}/cancel", parcels.invocation());
    let pressed = server.ask(http::Method::PATCH, &path, String::new());
    pressed.await.expect("the server does it");
    let address = service.address;
    service.vanishes().await;
    hold.release();
    let _service = Service::at(address, endpoint(&desk)).await;
    nothing_is_left(&desk, parcels.wait().await);
}
