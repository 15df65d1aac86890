//! The source of the time and the random ids that a saga's body asks for. A replay gets the same values again.

use std::fmt;
use std::time::SystemTime;

use uuid::Uuid;

use crate::clock::Clock;

/// The times and ids that an [`Engine`](crate::engine::Engine) records for the bodies of its sagas.
///
/// The n-th call of a method with the same `path` returns the same value in every run of the saga. `path` names the
/// body that asks: `""` for the saga's own body, the [path](crate::engine::Scope::path) of a sub-saga for the body of
/// that one.
pub trait Ambient: Send + Sync + fmt::Debug {
    /// Returns the next recorded time of this body.
    fn now(&self, path: &str) -> SystemTime;

    /// Returns the next recorded id of this body.
    fn uuid(&self, path: &str) -> Uuid;

    /// Returns the time for steps and compensations, which is not recorded.
    fn time(&self) -> SystemTime {
        Clock::default().now()
    }
}

/// The ambient of a saga that is not replayed: the clock and new ids.
#[derive(Debug)]
pub(crate) struct FreshAmbient;

impl Ambient for FreshAmbient {
    fn now(&self, _: &str) -> SystemTime {
        Clock::default().now()
    }

    fn uuid(&self, _: &str) -> Uuid {
        Uuid::now_v7()
    }
}
