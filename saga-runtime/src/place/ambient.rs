//! The time and random ids that the body of a saga asks for: the same again when the saga is replayed.

use std::fmt;
use std::time::SystemTime;

use uuid::Uuid;

/// Where an [`Engine`](crate::Engine) that replays sagas keeps the time and the ids that their bodies have asked for.
///
/// The first, second, … question in a lane gives the same answer in every run of the saga. A lane is the body of the saga,
/// which is called `""`, or of a saga that it calls, by that one's path.
pub trait Ambient: Send + Sync + fmt::Debug {
    /// The answer to the next question for the time in this lane.
    fn now(&self, lane: &str) -> SystemTime;

    /// The answer to the next question for an id in this lane.
    fn uuid(&self, lane: &str) -> Uuid;
}

/// Of a saga that is not replayed.
#[derive(Debug)]
pub(crate) struct FreshAmbient;

impl Ambient for FreshAmbient {
    fn now(&self, _: &str) -> SystemTime {
        SystemTime::now()
    }

    fn uuid(&self, _: &str) -> Uuid {
        Uuid::now_v7()
    }
}
