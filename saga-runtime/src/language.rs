//! The language of sagas: steps and their kinds, waits, payloads, and the order rule. Nothing here runs a saga.

mod callee;
pub(crate) mod digest;
pub(crate) mod error_record;
mod function;
mod json;
pub mod kind;
pub(crate) mod order;
mod payload;
pub(crate) mod recorded;
mod step;
mod wait;

pub use callee::Callee;
pub use error_record::{ErrorCodec, ErrorRecord};
pub use function::StepFunction;
pub(crate) use kind::{Compensatable, KindOf, NothingToUndo, Pivot, Retriable};
#[cfg(feature = "testing")]
pub(crate) use payload::is_same_json;
pub use payload::{Payload, from_json, input_to_json, is_same_input, record, to_json};
pub(crate) use payload::{check_recordable, input_read_back, json_of, read_back};
pub use step::{Call, Step};
pub use wait::{
    Awaited, Came, CameFirst, CameFirstWithin, CameWithin, EventName, EventNames, First, Never,
    OneOf, ReadError, ReadEvent, Slept, Wait, Waits, event, event_within, first_of,
    first_of_within, sleep,
};
