//! Twelve sagas that end at a poll of their request, as if their process had ended there: Restate calls them again, and whatever is left
//! is whole.

use std::time::Duration;

use saga_restate::testing::{CrashPoint, Server};
use saga_restate::{Client, Endpoint, ExecuteError};
use saga_runtime::coordinator::Registrable;

use crate::service::Service;
use crate::twelve_sagas::{
    Branch, Called, Desk, FanOut, Forward, Group, Handled, InDoubt, Late, Line, Napping, PAID,
    Polls, Rounds, Undisturbed, Waiting, desks, is_whole, undisturbed,
};

/// A saga that has not ended by then is lost.
const PATIENCE: Duration = Duration::from_mins(1);

struct Fixture {
    client: Client,
    desk: Desk,
    crash: CrashPoint,
}

impl Fixture {
    /// Executes a saga, and sends the event that it may wait for. Returns whether it has completed.
    async fn executed<G: Registrable<Desk> + Default>(&self, id: &str, what: &str) -> bool {
        let saga = self.client.submit(id, &G::default()).await;
        let saga = saga.unwrap_or_else(|error| panic!("{what}: {error}"));
        // It may have ended.
        let _ = self.client.send::<G, _>(id, PAID, &1).await;
        let ended = tokio::time::timeout(PATIENCE, saga.wait()).await;
        match ended.unwrap_or_else(|_| panic!("{what}: it does not end")) {
            Ok(_) => true,
            Err(ExecuteError::Failed(report)) => {
                assert!(report.is_compensated, "{what}: {report}");
                false
            }
            Err(other) => panic!("{what}: {other}"),
        }
    }

    /// Ends a saga at these polls, one after the other. Returns how often.
    async fn crashed<G: Registrable<Desk> + Default>(&self, mut polls: Polls) -> usize {
        let expected = undisturbed::<G>(&self.desk.of("nothing")).await;
        let mut crashes = 0;
        let mut last = None;
        loop {
            let poll = polls.after(last);
            last = Some(poll);
            let (name, refuses) = (G::META.name, self.desk.refuses);
            let what = format!("{name}, {refuses:?}, ends at poll {poll}");
            let id = format!("poll-{poll}");
            self.crash.at_poll(poll);
            let is_completed = self.executed::<G>(&id, &what).await;
            let prefix = format!("/{name}/{id}/");
            let expected: Undisturbed = expected.with_keys(&prefix);
            is_whole(&self.desk.of(&prefix), is_completed, &expected, 2, &what);
            if !self.crash.has_happened() {
                break;
            }
            crashes += 1;
        }
        println!("{}: {crashes} crashes", G::META.name);
        crashes
    }
}

async fn every_saga_ends_at_polls(desk: Desk) {
    let server = Server::start().await.expect("a server");
    let client = Client::connect(&server.ingress()).expect("an address");
    let crash = CrashPoint::default();
    let endpoint = Endpoint::builder(desk.clone())
        .crashes(&crash)
        .patience(Duration::from_millis(50))
        .register::<Line>()
        .register::<Branch>()
        .register::<Rounds>()
        .register::<Group>()
        .register::<FanOut>()
        .register::<Called>()
        .register::<Waiting>()
        .register::<Napping>()
        .register::<Handled>()
        .register::<Late>()
        .register::<InDoubt>()
        .register::<Forward>();
    let service = Service::start(endpoint).await;
    let registered = server.register(&service.url()).await;
    registered.expect("it is an endpoint");
    let fixture = Fixture {
        client,
        desk,
        crash,
    };
    let crashes = [
        fixture.crashed::<Line>(Polls::Each).await,
        fixture.crashed::<Branch>(Polls::some(5)).await,
        fixture.crashed::<Rounds>(Polls::some(5)).await,
        fixture.crashed::<Group>(Polls::Each).await,
        fixture.crashed::<FanOut>(Polls::some(5)).await,
        fixture.crashed::<Called>(Polls::some(7)).await,
        fixture.crashed::<Waiting>(Polls::some(5)).await,
        fixture.crashed::<Napping>(Polls::some(5)).await,
        fixture.crashed::<Handled>(Polls::some(3)).await,
        fixture.crashed::<Late>(Polls::some(9)).await,
        fixture.crashed::<InDoubt>(Polls::some(9)).await,
        fixture.crashed::<Forward>(Polls::some(5)).await,
    ];
    println!("{crashes:?}");
    assert!(crashes.iter().all(|crashes| *crashes > 0), "{crashes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_that_complete_may_end_at_any_poll() {
    let [completes, ..] = desks();
    every_saga_ends_at_polls(completes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_whose_last_step_is_refused_may_end_at_any_poll() {
    let [_, refuses, _] = desks();
    every_saga_ends_at_polls(refuses).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sagas_whose_pivot_is_refused_may_end_at_any_poll() {
    let [.., refuses] = desks();
    every_saga_ends_at_polls(refuses).await;
}
