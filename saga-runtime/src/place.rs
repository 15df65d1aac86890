//! The place of running code: its saga, the call of a step, the attempt. It has no part in what is recorded or decided.
//!
//! The files of this folder use one another: a [`Place`] has a [`Position`], a position is one of [`Calls`], and calls
//! may stand in a [`Scope`] or a [`Group`].

mod ambient;
mod arena;
mod attempt;
mod calls;
mod context;
mod direct;
mod failure;
mod group;
mod instance;
mod key;
mod saga_context;
mod scope;
mod test_place;

pub use ambient::Ambient;
pub use attempt::{Attempt, Place, Role};
pub use calls::{Calls, Position};
pub use context::Context;
pub use failure::Failure;
pub use group::{Group, Member};
pub use instance::Instance;
pub use key::IdempotencyKey;
pub use saga_context::SagaContext;
pub use scope::{Doubt, Frame, Scope};
pub use test_place::TestPlace;

pub(crate) use ambient::FreshAmbient;
pub(crate) use attempt::key;
pub(crate) use calls::{count_occurrences, path};
pub(crate) use direct::{DirectCall, InnerCalls};
pub(crate) use key::KeyedEffect;
