//! What engines outside of this crate are built of: the pursuit of a step, the undoing of one, and what they decide.
//!
//! An [`Engine`](crate::Engine) says where an attempt is made, what is written down about it, and how long is waited
//! ([`Surroundings`]). What follows an attempt, how often it is repeated, and how a step in doubt is settled, is decided
//! here, and is the same on every engine.

pub use crate::compensation::{Compensating, Undone, undo};
pub use crate::journal::Reason;
pub use crate::journaled::{from_json, to_json};
pub use crate::pursuit::{Begin, BoxFuture, Heard, Phase, Said, Surroundings, pursue};
