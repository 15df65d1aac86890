//! The saga: a trip is booked as a whole, or nothing of it.

use std::fmt;
use std::time::Duration;

use saga_runtime::{Context, EventName, event_within, saga, step};
use serde::{Deserialize, Serialize};

use crate::company::{Booking, Company};

/// Whether the manager approves of an expensive trip.
pub(crate) const APPROVAL: EventName<bool> = EventName::new("approval");

const A_DAY: Duration = Duration::from_hours(24);

/// A trip that costs more than this needs an approval.
const CHEAP: u64 = 1_000;

/// The services that steps call.
pub(crate) struct Agency {
    pub(crate) airline: Company,
    pub(crate) hotels: Company,
    pub(crate) cars: Company,
    pub(crate) payments: Company,
}

impl Default for Agency {
    fn default() -> Self {
        Self {
            airline: Company::new(300, &[]),
            hotels: Company::new(80, &["Atlantis"]),
            cars: Company::new(40, &["Venice"]),
            payments: Company::new(1, &["Nowhere"]),
        }
    }
}

/// The wish of a customer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) to: String,
    pub(crate) nights: Nights,
}

/// The nights of a trip: so few that no price overflows.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub(crate) struct Nights(u16);

impl Nights {
    const ONE: Self = Self(1);
    const MOST: u16 = 365;
}

impl TryFrom<u64> for Nights {
    type Error = String;

    fn try_from(nights: u64) -> Result<Self, String> {
        match u16::try_from(nights) {
            Ok(nights @ 1..=Self::MOST) => Ok(Self(nights)),
            _ => Err(format!("a trip has 1 to {} nights", Self::MOST)),
        }
    }
}

impl From<Nights> for u64 {
    fn from(nights: Nights) -> Self {
        nights.0.into()
    }
}

/// A trip that is booked and paid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trip {
    pub(crate) price: u64,
    pub(crate) with_car: bool,
}

/// The reason why there is no trip. Each of them says that nothing happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum TripError {
    NotServed {
        to: String,
    },
    NotApproved,
    /// The request came after its cancellation.
    Cancelled,
}

impl fmt::Display for TripError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotServed { to } => write!(f, "{to} is not served"),
            Self::NotApproved => f.write_str("the trip is not approved"),
            Self::Cancelled => f.write_str("it is cancelled already"),
        }
    }
}

#[step(compensate = cancel_flight, timeout = "5s")]
async fn book_flight(cx: Context<'_, Agency>, request: &Request) -> Result<Booking, TripError> {
    cx.airline
        .book(cx.idempotency_key(), &request.to, Nights::ONE)
}

async fn cancel_flight(cx: Context<'_, Agency>, flight: &Booking) -> Result<(), TripError> {
    cx.airline.cancel(flight);
    Ok(())
}

#[step(compensate = cancel_hotel, timeout = "5s")]
async fn book_hotel(cx: Context<'_, Agency>, request: &Request) -> Result<Booking, TripError> {
    let (key, nights) = (cx.idempotency_key(), request.nights);
    cx.hotels.book(key, &request.to, nights)
}

async fn cancel_hotel(cx: Context<'_, Agency>, hotel: &Booking) -> Result<(), TripError> {
    cx.hotels.cancel(hotel);
    Ok(())
}

#[step(compensate = return_car, timeout = "5s")]
pub(crate) async fn rent_car(
    cx: Context<'_, Agency>,
    request: &Request,
) -> Result<Booking, TripError> {
    let (key, nights) = (cx.idempotency_key(), request.nights);
    cx.cars.book(key, &request.to, nights)
}

async fn return_car(cx: Context<'_, Agency>, car: &Booking) -> Result<(), TripError> {
    cx.cars.cancel(car);
    Ok(())
}

#[step(pivot, timeout = "5s")]
async fn pay(cx: Context<'_, Agency>, request: &Request, price: u64) -> Result<(), TripError> {
    cx.payments
        .book_at(cx.idempotency_key(), &request.to, price)?;
    Ok(())
}

saga!(
    /// Books a trip.
    pub(crate) async fn book_trip(
        cx: Context<'_, Agency>,
        request: Request,
    ) -> Result<Trip, TripError> {
        let (flight, hotel) = try_join!(book_flight(cx, &request), book_hotel(cx, &request))?;
        let car = match rent_car(cx, &request).await {
            Ok(car) => Some(car.price),
            Err(_) => None, // they take a taxi
        };
        let price = flight.price + hotel.price + car.unwrap_or_default();
        if price > CHEAP {
            let approved = event_within(cx, APPROVAL, A_DAY).await;
            if approved != Some(true) {
                return Err(TripError::NotApproved);
            }
        }
        pay(cx, &request, price).await?;
        Ok(Trip {
            price,
            with_car: car.is_some(),
        })
    }
);
