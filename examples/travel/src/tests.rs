//! The service as clients see it, on a journal in memory and a clock that is paused.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use saga_runtime::Coordinator;
use saga_runtime::journal::Memory;
use saga_runtime::testing::{FailureMatrix, locked_sagas};
use tower::ServiceExt;

use crate::company::Company;
use crate::http::routes;
use crate::trip::{APPROVAL, Agency, BookTrip, Nights, Trip, TripError, rent_car};

struct Service {
    agency: Arc<Agency>,
    journal: Memory,
    coordinator: Coordinator<Agency>,
    routes: Router,
}

impl Service {
    async fn start() -> Self {
        Self::start_with(Arc::default(), Memory::new()).await
    }

    async fn start_with(agency: Arc<Agency>, journal: Memory) -> Self {
        let builder = Coordinator::builder(Arc::clone(&agency)).journal(journal.clone());
        let started = builder.register::<BookTrip>().start().await;
        let coordinator = started.expect("the journal works");
        let routes = routes(coordinator.clone());
        Self {
            agency,
            journal,
            coordinator,
            routes,
        }
    }

    /// Ends this process, and starts the next one on the same journal.
    async fn restart(self) -> Self {
        self.coordinator.shutdown().await;
        Self::start_with(self.agency, self.journal).await
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json");
        self.send(request, body).await
    }

    async fn book(&self, key: &str, to: &str, nights: u64) -> (StatusCode, String) {
        let request = Request::builder()
            .method("POST")
            .uri("/trips")
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        let body = serde_json::json!({ "to": to, "nights": nights }).to_string();
        self.send(request, &body).await
    }

    async fn send(
        &self,
        request: axum::http::request::Builder,
        body: &str,
    ) -> (StatusCode, String) {
        let request = request.body(Body::from(body.to_owned()));
        let request = request.expect("the request is well-formed");
        let routes = self.routes.clone();
        let response = routes.oneshot(request).await.expect("routes never fail");
        let status = response.status();
        let bytes = to_bytes(response.into_body(), 10_000).await;
        let bytes = bytes.expect("the answer is short");
        (status, String::from_utf8_lossy(&bytes).into_owned())
    }

    fn bookings(&self) -> [usize; 4] {
        let Agency {
            airline,
            hotels,
            cars,
            payments,
        } = &*self.agency;
        [airline, hotels, cars, payments].map(Company::count)
    }
}

fn nights(nights: u64) -> Nights {
    nights.try_into().expect("it is less than a year")
}

fn trip(body: &str) -> Trip {
    serde_json::from_str(body).expect("it is a trip")
}

#[test]
fn every_failure_of_a_trip_that_needs_an_approval_ends_well() {
    let trip = || crate::trip::Request {
        to: "Riga".to_owned(),
        nights: nights(10),
    };
    FailureMatrix::new(Agency::default, move || BookTrip { request: trip() })
        .event(APPROVAL, &true)
        .refusal(
            rent_car,
            &TripError::NotServed {
                to: "Riga".to_owned(),
            },
        )
        .invariant(
            "a whole trip, perhaps without a car, or nothing",
            |agency, end| {
                let booked =
                    [&agency.airline, &agency.hotels, &agency.payments].map(Company::count);
                let cars = agency.cars.count();
                if end.is_completed() {
                    booked == [1, 1, 1] && cars <= 1
                } else {
                    booked == [0, 0, 0] && cars == 0
                }
            },
        )
        .check();
}

#[tokio::test(start_paused = true)]
async fn a_trip_is_booked_once_however_often_it_is_asked_for() {
    let service = Service::start().await;
    let first = service.book("a", "Riga", 2).await;
    assert_eq!(first.0, StatusCode::OK);
    let expected = Trip {
        price: 540,
        with_car: true,
    };
    assert_eq!(trip(&first.1), expected);
    assert_eq!(service.book("a", "Riga", 2).await, first);
    assert_eq!(service.ask("GET", "/trips/a", "").await, first);
    assert_eq!(service.bookings(), [1, 1, 1, 1]);
    let service = service.restart().await;
    assert_eq!(service.book("a", "Riga", 2).await, first);
    assert_eq!(service.bookings(), [1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_key_belongs_to_one_request() {
    let service = Service::start().await;
    service.book("a", "Riga", 2).await;
    let other = service.book("a", "Oslo", 2).await;
    assert_eq!(other.0, StatusCode::UNPROCESSABLE_ENTITY);
    let none = service
        .ask("POST", "/trips", r#"{"to": "Riga", "nights": 1}"#)
        .await;
    assert_eq!(none.0, StatusCode::BAD_REQUEST);
    assert_eq!(service.bookings(), [1, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_trip_of_no_nights_or_of_too_many_is_refused() {
    let service = Service::start().await;
    for nights in [0, 366, u64::MAX / 300 + 1, u64::MAX] {
        let (status, text) = service.book("a", "Riga", nights).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{nights}: {text}");
    }
    assert_eq!(service.bookings(), [0, 0, 0, 0]);
    let (status, _) = service.book("a", "Riga", 2).await;
    assert_eq!(status, StatusCode::OK, "the key is free");
    let (status, _) = service.book("b", "Riga", 365).await;
    assert_eq!(status, StatusCode::ACCEPTED);
}

#[test]
fn a_request_that_comes_after_its_cancellation_books_nothing() {
    let company = Company::new(300, &[]);
    let nights = nights(2);
    let booking = company.book("a", "Riga", nights).expect("it is served");
    company.cancel(&booking);
    company.cancel(&booking);
    let late = company.book("a", "Riga", nights);
    late.expect_err("it was cancelled");
    assert_eq!(company.count(), 0);
    company
        .book("b", "Riga", nights)
        .expect("it is another one");
}

#[tokio::test(start_paused = true)]
async fn without_a_hotel_there_is_no_flight() {
    let service = Service::start().await;
    let (status, text) = service.book("a", "Atlantis", 2).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(text.contains("Atlantis is not served"), "{text}");
    assert_eq!(service.bookings(), [0, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn without_a_car_there_is_a_trip() {
    let service = Service::start().await;
    let (status, body) = service.book("a", "Venice", 2).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!trip(&body).with_car);
    assert_eq!(service.bookings(), [1, 1, 0, 1]);
}

#[tokio::test(start_paused = true)]
async fn an_expensive_trip_waits_for_its_approval_through_a_restart() {
    let service = Service::start().await;
    let (status, _) = service.book("a", "Riga", 10).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let service = service.restart().await;
    let (status, _) = service.ask("PUT", "/trips/a/approval", "true").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, body) = service.ask("GET", "/trips/a", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(trip(&body).price, 1_500);
    let (late, _) = service.ask("DELETE", "/trips/a", "").await;
    assert_eq!(late, StatusCode::CONFLICT);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_trip_that_is_cancelled_or_not_approved() {
    let service = Service::start().await;
    for (key, method, path, body) in [
        ("a", "DELETE", "/trips/a", ""),
        ("b", "PUT", "/trips/b/approval", "false"),
    ] {
        let (status, _) = service.book(key, "Riga", 10).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        let (status, text) = service.ask(method, path, body).await;
        assert!(status.is_success(), "{text}");
        let (status, _) = service.ask("GET", &format!("/trips/{key}"), "").await;
        assert_eq!(status, StatusCode::CONFLICT);
    }
    assert_eq!(service.bookings(), [0, 0, 0, 0]);
    let (status, _) = service.ask("DELETE", "/trips/c", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[test]
fn no_change_of_the_saga_strands_trips_in_flight() {
    let sagas = Coordinator::builder(Agency::default()).register::<BookTrip>();
    locked_sagas("sagas.lock", &sagas);
}
