//! What clients see: a status for each outcome. The `Idempotency-Key` of a request is the id of its saga.

use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use saga_runtime::coordinator::{OperatorError, Rejected, SubmitError};
use saga_runtime::{Coordinator, ExecuteError};

use crate::trip::{APPROVAL, Agency, BookTrip, Request, Trip, TripError};

/// A client waits for so long. Then it is told to ask again.
const PATIENCE: Duration = Duration::from_secs(5);

type Trips = State<Coordinator<Agency>>;

pub(crate) fn routes(coordinator: Coordinator<Agency>) -> Router {
    Router::new()
        .route("/trips", post(book))
        .route("/trips/{id}", get(look).delete(cancel))
        .route("/trips/{id}/approval", put(decide))
        .with_state(coordinator)
}

/// Books a trip. The same request with the same key books no second one, and gets the same answer.
async fn book(
    State(trips): Trips,
    headers: HeaderMap,
    request: Result<Json<Request>, JsonRejection>,
) -> Response {
    let key = headers.get("idempotency-key");
    let Some(id) = key.and_then(|key| key.to_str().ok()) else {
        let missing = "send an `Idempotency-Key`: a text that is this request's own";
        return (StatusCode::BAD_REQUEST, missing).into_response();
    };
    let request = match request {
        Ok(Json(request)) => request,
        Err(unread) => return (StatusCode::BAD_REQUEST, unread.body_text()).into_response(),
    };
    // The saga does not end with this future: a client that hangs up cancels nothing.
    answer(
        trips
            .execute_within(id, BookTrip { request }, PATIENCE)
            .await,
    )
}

/// How a trip has ended, or that it has not.
async fn look(State(trips): Trips, Path(id): Path<String>) -> Response {
    match trips.attach::<BookTrip>(id.as_str()).await {
        Ok(trip) => answer(trip.wait_within(PATIENCE).await),
        Err(error) => refusal(&error),
    }
}

async fn decide(
    State(trips): Trips,
    Path(id): Path<String>,
    Json(approved): Json<bool>,
) -> Response {
    match trips.send(id, APPROVAL, &approved).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => refusal(&error),
    }
}

async fn cancel(State(trips): Trips, Path(id): Path<String>) -> Response {
    match trips.cancel(id, "the customer").await {
        Ok(_) => StatusCode::ACCEPTED.into_response(),
        Err(error) => refusal(&error),
    }
}

fn answer(end: Result<Trip, ExecuteError<TripError>>) -> Response {
    let error = match end {
        Ok(trip) => return Json(trip).into_response(),
        Err(error) => error,
    };
    let status = match &error {
        // All is undone.
        ExecuteError::Failed(_) => StatusCode::CONFLICT,
        // The key belongs to another trip.
        ExecuteError::NotStarted(SubmitError::Conflict { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
        ExecuteError::NotStarted(SubmitError::Rejected(Rejected::Id(_))) => StatusCode::BAD_REQUEST,
        // An approval is missing, or the service shuts down.
        ExecuteError::InProgress { id, .. } => {
            let link = [("location", format!("/trips/{id}"))];
            return (StatusCode::ACCEPTED, link, error.to_string()).into_response();
        }
        // Stuck, or the journal can't be reached: a client can't help that.
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, error.to_string()).into_response()
}

fn refusal(error: &OperatorError) -> Response {
    let status = match error {
        OperatorError::Unknown => StatusCode::NOT_FOUND,
        OperatorError::Final(_) | OperatorError::PastPivot => StatusCode::CONFLICT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, error.to_string()).into_response()
}
