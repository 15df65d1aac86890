//! The language of sagas: steps and their kinds, waits, payloads, and the order rule. Nothing here runs a saga.

mod callee;
pub mod kind;
pub(crate) mod order;
mod payload;
mod step;
mod wait;

pub use callee::Part;
pub(crate) use kind::{Compensatable, KindOf, NothingToUndo, Pivot, Retriable};
pub use payload::{Payload, from_json, to_json};
pub use step::{Call, Step};
pub use wait::{
    Awaited, Came, CameWithin, EventName, Never, Slept, Wait, Waits, event, event_within, sleep,
};
