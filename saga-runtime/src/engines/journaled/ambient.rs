//! The time and ids that a body asks for. They are recorded together with the next event.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::clock::Clock;
use crate::engines::journaled::recorder::Recorder;
use crate::journal::history::ReplayState;
use crate::journal::{Event, StepCall};
use crate::lock::lock;
use crate::meta::Kind;
use crate::place::{Ambient, FreshAmbient};

/// The recorded answers, and the recorder for new ones.
#[derive(Debug)]
pub(crate) struct RecordedAmbient {
    answers: BTreeMap<(String, u32), String>,
    /// True if the saga is compensated or has ended: the body is only replayed, and no new answer is recorded.
    is_over: bool,
    /// The number of times that each question was asked.
    asked: Mutex<BTreeMap<String, u32>>,
    recorder: Arc<Recorder>,
    clock: Clock,
}

impl RecordedAmbient {
    pub(crate) fn new(history: &ReplayState, recorder: Arc<Recorder>, clock: Clock) -> Self {
        let answers = history.values().map(|(call, value)| {
            let key = (call.name.clone().into_owned(), call.occurrence);
            (key, value.to_owned())
        });
        Self {
            answers: answers.collect(),
            is_over: history.decision().is_some() || history.end().is_some(),
            asked: Mutex::default(),
            recorder,
            clock,
        }
    }

    /// The next answer to a question: the recorded one, or a fresh one, which is noted.
    fn answer<T: Serialize + DeserializeOwned>(
        &self,
        lane: &str,
        what: &str,
        fresh: impl FnOnce() -> T,
    ) -> T {
        let name = match lane {
            "" => what.to_owned(),
            lane => format!("{lane}/{what}"),
        };
        let mut asked = lock(&self.asked);
        let count = asked.entry(name.clone()).or_insert(0);
        let key = (name, *count);
        *count += 1;
        let answer = self.answers.get(&key);
        if let Some(Ok(value)) = answer.map(|answer| serde_json::from_str(answer)) {
            return value;
        }
        let value = fresh();
        let json = serde_json::to_string(&value);
        if let (false, Ok(value)) = (self.is_over, json) {
            let (name, occurrence) = key;
            self.recorder.note(Event::Value {
                of: StepCall {
                    name: name.into(),
                    occurrence,
                    kind: Kind::NothingToUndo,
                },
                value,
            });
        }
        value
    }
}

impl Ambient for RecordedAmbient {
    fn now(&self, lane: &str) -> SystemTime {
        // Whole microseconds, so that a fresh answer equals the recorded one.
        let micros = self.answer(lane, "now", || {
            let now = self.clock.now().duration_since(SystemTime::UNIX_EPOCH);
            u64::try_from(now.unwrap_or_default().as_micros()).unwrap_or(u64::MAX)
        });
        SystemTime::UNIX_EPOCH + Duration::from_micros(micros)
    }

    fn time(&self) -> SystemTime {
        self.clock.now()
    }

    fn uuid(&self, lane: &str) -> Uuid {
        let text = self.answer(lane, "uuid", || FreshAmbient.uuid(lane).to_string());
        Uuid::parse_str(&text).unwrap_or_else(|_| FreshAmbient.uuid(lane))
    }
}
