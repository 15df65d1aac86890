//! A shop in four services, each with a database of its own, that sells an order by one saga.
//!
//! ```text
//!                      checkout                the saga: an order, its items, its payment, its delivery; all or none
//!       ┌─────────────┬────┴────────┬─────────────┐
//!    orders         stock       payments      delivery     the participants: gRPC in front, SQLite behind
//!       └─────────────┴────┬────────┴─────────────┘
//!                       answers                one answer per idempotency key, by saga-participant
//! ```

pub mod address;
pub mod answers;
pub mod checkout;
pub mod database;
pub mod delivery;
pub mod demo;
pub mod item;
pub mod logs;
pub mod money;
pub mod order;
pub mod orders;
pub mod payments;
pub mod proto;
pub mod rejection;
pub mod review;
pub mod sagas;
pub mod serve;
pub mod server;
pub mod stock;
pub mod stop;
mod traces;
