//! The same as the pages, as JSON: what the command line asks a service.
//!
//! | request | answer |
//! |---|---|
//! | `GET sagas?q=state%3Dstuck&after=…&limit=…` | [`SagaList`](saga_runtime::operator::SagaList) |
//! | `GET sagas/{id}?payloads=yes` | [`SagaDetails`](saga_runtime::operator::SagaDetails) |
//! | `POST sagas/{id}/commands`, a [`CommandRequest`](crate::CommandRequest) | [`Accepted`](saga_runtime::operator::Accepted) |
//! | `GET count?q=…` | the number of sagas |
//! | `GET counts` | [`SagaCounts`](saga_runtime::operator::SagaCounts) |
//! | `GET workers` | a list of [`WorkerView`](saga_runtime::operator::WorkerView) |
//! | `GET check` | [`CheckView`](saga_runtime::operator::CheckView), within the limit of commands per second |
//! | `GET paused` | a list of [`PauseView`](saga_runtime::operator::PauseView) |
//! | `POST pause`, `{"name": …, "reason": …, "by": …}` | [`Accepted`](saga_runtime::operator::Accepted) |
//! | `POST resume`, `{"name": …, "by": …}` | [`Accepted`](saga_runtime::operator::Accepted) |
//! | `GET definitions` | a list of [`Outline`](saga_runtime::operator::Outline) |
//! | `POST purge`, `{"before": …, "by": …}` | the number of sagas |
//!
//! An error is a [`Refusal`] with a status of 400 or more. 429 says in `Retry-After` after how many seconds the console takes the next command.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use saga_runtime::journal::from_millis;
use saga_runtime::operator::Refusal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::answers::{json, refused, retry_after, status, too_many};
use crate::desk::Desk;
use crate::form::Fields;
use crate::request::{CommandRequest, PauseRequest, PurgeRequest};

pub(crate) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/sagas", get(list))
        .route("/sagas/{id}", get(show))
        .route("/sagas/{id}/commands", post(command))
        .route("/count", get(count))
        .route("/counts", get(counts))
        .route("/workers", get(workers))
        .route("/check", get(check))
        .route("/paused", get(paused))
        .route("/pause", post(pause))
        .route("/resume", post(resume))
        .route("/definitions", get(definitions))
        .route("/purge", post(purge))
}

fn answer<T: Serialize>(answer: Result<T, Refusal>) -> Response {
    match answer {
        Ok(value) => json(StatusCode::OK, &value),
        Err(refusal) => refused(status(&refusal), &refusal),
    }
}

fn bad_request(error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new("bad_request", error.to_string())
}

fn read<T: DeserializeOwned>(body: &Bytes) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| bad_request(&error))
}

async fn list(State(desk): State<Arc<Desk>>, uri: Uri) -> Response {
    match Fields::of(&uri).query() {
        Ok(query) => answer(desk.operator.list(&query).await),
        Err(error) => answer::<()>(Err(bad_request(&error))),
    }
}

async fn count(State(desk): State<Arc<Desk>>, uri: Uri) -> Response {
    match Fields::of(&uri).query() {
        Ok(query) => answer(desk.operator.count(&query).await),
        Err(error) => answer::<()>(Err(bad_request(&error))),
    }
}

async fn show(State(desk): State<Arc<Desk>>, Path(id): Path<String>, uri: Uri) -> Response {
    let asks = Fields::of(&uri).get("payloads") == "yes";
    answer(if asks && desk.shows_payloads {
        desk.operator.show_payloads(id.as_str()).await
    } else {
        desk.operator.show(id.as_str()).await
    })
}

async fn command(State(desk): State<Arc<Desk>>, Path(id): Path<String>, body: Bytes) -> Response {
    match read::<CommandRequest>(&body) {
        Ok(asked) => {
            let CommandRequest {
                command,
                reason,
                by,
            } = &asked;
            answer(desk.command(&id, command, reason, by).await)
        }
        Err(refusal) => answer::<()>(Err(refusal)),
    }
}

async fn counts(State(desk): State<Arc<Desk>>) -> Response {
    answer(desk.counts().await)
}

async fn workers(State(desk): State<Arc<Desk>>) -> Response {
    answer(desk.operator.workers().await)
}

/// The service replays all open sagas for it, so it counts as a command.
async fn check(State(desk): State<Arc<Desk>>) -> Response {
    if let Err(wait) = desk.take_command() {
        let answer = refused(StatusCode::TOO_MANY_REQUESTS, &too_many());
        return retry_after(answer, wait);
    }
    answer(desk.operator.check().await)
}

async fn paused(State(desk): State<Arc<Desk>>) -> Response {
    answer(desk.operator.paused().await)
}

async fn pause(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    match read::<PauseRequest>(&body) {
        Ok(asked) => answer(desk.pause(&asked.name, &asked.reason, &asked.by).await),
        Err(refusal) => answer::<()>(Err(refusal)),
    }
}

async fn resume(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    match read::<PauseRequest>(&body) {
        Ok(asked) => answer(desk.resume(&asked.name, &asked.by).await),
        Err(refusal) => answer::<()>(Err(refusal)),
    }
}

async fn definitions(State(desk): State<Arc<Desk>>) -> Response {
    answer(desk.operator.definitions().await)
}

async fn purge(State(desk): State<Arc<Desk>>, body: Bytes) -> Response {
    match read::<PurgeRequest>(&body) {
        Ok(asked) => answer(desk.purge(from_millis(asked.before), &asked.by).await),
        Err(refusal) => answer::<()>(Err(refusal)),
    }
}
