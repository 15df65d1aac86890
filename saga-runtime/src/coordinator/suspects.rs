//! Sagas that may be what ends their process. They are tried apart, one at a time, so that the next death tells.
//!
//! A process that dies holds many sagas, and any attempt that was under way may have killed it. After the second death in the same
//! place, a saga is a suspect. Each suspect is released, and rests. It stays in doubt. Then one at a time is
//! claimed and tried. That claim is in the journal: if the process dies again, it counts against this saga only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::id::SagaId;
use crate::lock::lock;

/// The recoveries in the same place from which on a saga is a suspect. After the first one all sagas go on together.
const SUSPICIOUS: u32 = 2;

/// The longest pause between two recoveries of a suspect.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// The time between the trials of two suspects whose turn may have come.
const TURN: Duration = Duration::from_millis(5);

/// The suspects of a coordinator.
#[derive(Debug)]
pub(super) struct Suspects {
    /// The pause before the first trial. It doubles with each further recovery.
    first_pause: Duration,
    /// One permit: for the suspect that is tried.
    trial: Arc<Semaphore>,
    resting: Mutex<RestingSuspects>,
}

/// The suspects that rest until their turn comes.
///
/// Another worker may try a suspect when its turn has come. It is forgotten here some time later.
#[derive(Debug, Default)]
struct RestingSuspects {
    /// The time of the turn of each.
    turns: HashMap<SagaId, Instant>,
    /// The number of them after which those are forgotten that are long over.
    many: usize,
}

impl RestingSuspects {
    fn add(&mut self, id: &SagaId, pause: Duration) {
        let now = Instant::now();
        if self.turns.len() >= self.many {
            self.turns.retain(|_, turn| *turn + LONGEST_PAUSE > now);
            self.many = 2 * self.turns.len();
        }
        self.turns.insert(id.clone(), now + pause);
    }

    /// The time until all of them have had their turn.
    fn all_turns(&self) -> Duration {
        let count = u32::try_from(self.turns.len()).unwrap_or(u32::MAX);
        TURN.saturating_mul(count).min(LONGEST_PAUSE)
    }
}

/// The next thing to do with a claimed saga.
#[derive(Debug)]
pub(super) enum Suspicion {
    /// It is no suspect.
    None,
    /// It is tried now. The permit ends the trial.
    Try(OwnedSemaphorePermit),
    /// It is released, and rests for this time.
    Rest(Duration),
}

impl Suspects {
    pub(super) fn new(first_pause: Duration) -> Self {
        Self {
            first_pause,
            trial: Arc::new(Semaphore::new(1)),
            resting: Mutex::default(),
        }
    }

    /// Decides about a saga that was claimed after so many recoveries in the same place.
    pub(super) fn examine(&self, id: &SagaId, recoveries: u32) -> Suspicion {
        let Some(more) = recoveries.checked_sub(SUSPICIOUS) else {
            return Suspicion::None;
        };
        let mut resting = lock(&self.resting);
        let turn = resting.all_turns();
        if !resting.turns.contains_key(id) {
            let pause = self.first_pause.saturating_mul(1 << more.min(30));
            let pause = pause.min(LONGEST_PAUSE).saturating_add(turn);
            resting.add(id, pause);
            return Suspicion::Rest(pause);
        }
        match Arc::clone(&self.trial).try_acquire_owned() {
            Ok(permit) => {
                resting.turns.remove(id);
                Suspicion::Try(permit)
            }
            Err(_) => Suspicion::Rest(turn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn id(number: u32) -> SagaId {
        SagaId::new(format!("order-{number}")).expect("a valid id")
    }

    fn rest(suspicion: Suspicion) -> Duration {
        match suspicion {
            Suspicion::Rest(pause) => pause,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_saga_is_a_suspect_after_the_second_death_in_the_same_place() {
        let suspects = Suspects::new(SECOND);
        for recoveries in 0..2 {
            let suspicion = suspects.examine(&id(1), recoveries);
            assert!(matches!(suspicion, Suspicion::None));
        }
        assert_eq!(rest(suspects.examine(&id(1), 2)), SECOND);
    }

    #[test]
    fn suspects_are_tried_one_at_a_time() {
        let suspects = Suspects::new(SECOND);
        for number in 0..3 {
            rest(suspects.examine(&id(number), 2));
        }
        let Suspicion::Try(trial) = suspects.examine(&id(1), 2) else {
            panic!("its pause is over");
        };
        assert_eq!(rest(suspects.examine(&id(2), 2)), TURN * 2);
        drop(trial);
        assert!(matches!(suspects.examine(&id(2), 2), Suspicion::Try(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn suspects_that_another_worker_has_tried_are_forgotten() {
        let suspects = Suspects::new(SECOND);
        for number in 0..5_000 {
            rest(suspects.examine(&id(number), 2));
            tokio::time::advance(SECOND).await;
        }
        let pause = rest(suspects.examine(&id(5_000), 2));
        assert!(pause <= SECOND + TURN * 2_000, "{pause:?}");
    }

    #[test]
    fn the_pauses_grow() {
        let pause = |recoveries| rest(Suspects::new(SECOND).examine(&id(1), recoveries));
        assert_eq!(pause(3), SECOND * 2);
        assert_eq!(pause(6), SECOND * 16);
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }
}
