//! Where in a saga a piece of code runs: in which saga, at which call of which step, at which attempt.

mod ambient;
mod arena;
mod attempt;
mod calls;
mod context;
mod group;
mod instance;
mod key;
mod scope;

pub use ambient::Ambient;
pub use attempt::{Attempt, Place, Role};
pub use calls::{Calls, Position};
pub use context::Context;
pub use group::{Group, Member};
pub use instance::Instance;
pub use key::IdempotencyKey;
pub use scope::{Doubt, Frame, Scope};

pub(crate) use ambient::FreshAmbient;
pub(crate) use attempt::key;
pub(crate) use calls::path;
pub(crate) use key::Effect;
