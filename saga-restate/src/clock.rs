//! The time and the ids that the body of a saga asks for. They follow from the records, so that a replay sees the same.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use saga_runtime::engine::Ambient;
use saga_runtime::journal::{from_millis, to_millis};
use uuid::{Builder, Uuid};

use crate::lock::lock;

/// The time of a saga: that of its last record.
#[derive(Debug)]
pub(crate) struct Clock {
    /// The unique id of the invocation.
    invocation: String,
    /// In milliseconds since 1970.
    now: Mutex<u64>,
    /// The number of ids that each lane has asked for.
    asked: Mutex<HashMap<String, u32>>,
}

impl Clock {
    pub(crate) fn new(invocation: String) -> Self {
        Self {
            invocation,
            now: Mutex::new(0),
            asked: Mutex::default(),
        }
    }

    /// Advances to the time of a record. Time does not go back.
    pub(crate) fn advance_to(&self, at: u64) {
        let mut now = lock(&self.now);
        *now = at.max(*now);
    }

    /// Advances by this time.
    pub(crate) fn advance_by(&self, time: Duration) {
        let mut now = lock(&self.now);
        *now = now.saturating_add(u64::try_from(time.as_millis()).unwrap_or(0));
    }
}

impl Ambient for Clock {
    fn now(&self, _: &str) -> SystemTime {
        from_millis(*lock(&self.now))
    }

    fn uuid(&self, lane: &str) -> Uuid {
        let count = {
            let mut asked = lock(&self.asked);
            let count = asked.entry(lane.to_owned()).or_insert(0);
            *count += 1;
            *count
        };
        let text = format!("{}/{lane}/{count}", self.invocation);
        let hash = Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes());
        let mut random = [0; 10];
        random.copy_from_slice(&hash.as_bytes()[..10]);
        Builder::from_unix_timestamp_millis(*lock(&self.now), &random).into_uuid()
    }
}

/// The time, in milliseconds since 1970.
pub(crate) fn millis() -> u64 {
    to_millis(SystemTime::now())
}
