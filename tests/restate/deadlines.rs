//! Deadlines, by the clock of the server and of the service: short ones, since that time is real.

use std::time::Duration;

use saga_restate::{Endpoint, ExecuteError, Report, Undone};
use saga_runtime::{Context, Saga, saga, step};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::service::Service;
use crate::services::{Desk, Fixture, reserve};

/// Longer than any deadline here.
const LONG: Duration = Duration::from_secs(2);

#[step(compensate = unload)]
async fn load(cx: Context<'_, Desk>) -> Result<String, String> {
    let loaded = cx.ask("load").await;
    tokio::time::sleep(LONG).await;
    loaded
}

async fn unload(cx: Context<'_, Desk>, _loaded: &String) -> Result<(), String> {
    cx.ask("undo load").await.map(drop)
}

#[step(compensate = (), retry(attempts = 2, backoff = "1h..1h"))]
async fn look(cx: Context<'_, Desk>) -> Result<String, String> {
    cx.ask("look").await
}

#[step(pivot)]
async fn depart(cx: Context<'_, Desk>) -> Result<String, String> {
    let departed = cx.ask("depart").await;
    tokio::time::sleep(LONG).await;
    departed
}

#[step(retriable)]
async fn arrive(cx: Context<'_, Desk>) -> Result<String, String> {
    cx.ask("arrive").await
}

saga!(
    #[saga(deadline = "1500ms")]
    async fn loading(cx: Context<'_, Desk>) -> Result<(), String> {
        reserve(cx).await?;
        load(cx).await?;
        depart(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(deadline = "1500ms")]
    async fn looking(cx: Context<'_, Desk>) -> Result<(), String> {
        reserve(cx).await?;
        look(cx).await?;
        Ok(())
    }
);

saga!(
    #[saga(deadline = "1500ms")]
    async fn departing(cx: Context<'_, Desk>) -> Result<String, String> {
        depart(cx).await?;
        arrive(cx).await
    }
);

/// A server that knows a service with these sagas.
async fn fixture() -> (Fixture, Service) {
    let fixture = Fixture::new().await;
    let endpoint = Endpoint::builder(fixture.desk.clone())
        .register::<Loading>()
        .register::<Looking>()
        .register::<Departing>();
    let service = fixture.serve(endpoint).await;
    (fixture, service)
}

/// Runs a saga that comes as far as this step before its deadline: on a busy machine that may have passed before. Says how it
/// has ended, and what was asked.
async fn as_far_as<G>(
    step: &str,
    fixture: &Fixture,
    saga: G,
) -> (Result<G::Output, ExecuteError>, Vec<String>)
where
    G: Saga + Serialize + DeserializeOwned,
{
    for id in 1..30 {
        let before = fixture.desk.asked().len();
        let ended = fixture.client.execute(&*id.to_string(), &saga).await;
        let asked = fixture.desk.asked().split_off(before);
        if asked.iter().any(|one| one == step) {
            return (ended, asked);
        }
    }
    panic!("`{step}` is never reached in time");
}

fn late<T: std::fmt::Debug>(ended: Result<T, ExecuteError>) -> Report {
    let Err(ExecuteError::Failed(report)) = ended else {
        panic!("its deadline has passed: {ended:?}");
    };
    assert_eq!(report.code, "deadline_exceeded");
    assert!(report.is_compensated, "{report}");
    *report
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_outlasts_the_deadline_ends_and_is_undone_with_the_rest() {
    let (fixture, _service) = fixture().await;
    let (ended, asked) = as_far_as("load", &fixture, Loading {}).await;
    let report = late(ended);
    assert_eq!(report.step.as_deref(), Some("load"));
    let undone = report.compensations.iter();
    let undone: Vec<_> = undone.map(|one| (&*one.step, &one.undone)).collect();
    let compensated = Undone::Compensated;
    assert_eq!(undone, [("load", &compensated), ("reserve", &compensated)]);
    assert_eq!(asked, ["reserve", "load", "undo load", "undo reserve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_for_another_attempt_ends_when_the_deadline_passes() {
    let (fixture, _service) = fixture().await;
    fixture.desk.refuse("look");
    let (ended, asked) = as_far_as("look", &fixture, Looking {}).await;
    let report = late(ended);
    assert_eq!(report.step.as_deref(), Some("look"));
    assert_eq!(asked, ["reserve", "look", "undo reserve"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passes_during_the_pivot_has_no_effect() {
    let (fixture, _service) = fixture().await;
    let (departed, asked) = as_far_as("depart", &fixture, Departing {}).await;
    assert_eq!(departed.expect("it only goes forward"), "arrive");
    assert_eq!(asked, ["depart", "arrive"]);
}
