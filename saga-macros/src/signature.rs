//! The signature of a step or a saga: what both have in common.

pub(crate) mod context;
pub(crate) mod lifetimes;
pub(crate) mod returned;
pub(crate) mod types;
