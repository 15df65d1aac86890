//! A limit in real time for a saga on the clock of a test, which stands still while something blocks.

use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::participant::Participant;

/// The longest that a saga may take.
const LONGEST: Duration = Duration::from_mins(5);

/// Ends the process with a message if it lives too long.
pub(super) struct Limited {
    ends: Option<mpsc::Sender<()>>,
    watching: Option<JoinHandle<()>>,
}

impl Limited {
    pub(super) fn begin(participant: &Participant) -> Self {
        let (ends, end) = mpsc::channel::<()>();
        let participant = participant.clone();
        let test = thread::current().name().unwrap_or_default().to_owned();
        let watching = thread::spawn(move || {
            if end.recv_timeout(LONGEST) == Err(mpsc::RecvTimeoutError::Timeout) {
                let asked = participant.asked();
                eprintln!("{test}: the saga does not end; its participant was asked {asked:?}");
                std::process::exit(101);
            }
        });
        Self {
            ends: Some(ends),
            watching: Some(watching),
        }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        drop(self.ends.take());
        if let Some(watching) = self.watching.take() {
            let _ = watching.join();
        }
    }
}
