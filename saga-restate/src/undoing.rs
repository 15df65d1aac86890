//! The attempts to undo something, each written down.

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use saga_runtime::engine::BoxFuture;
use saga_runtime::engine::{Attempt, Place, Role};

use crate::engine::{Restate, lock};
use crate::entry;
use crate::record::Undo;

impl Restate {
    /// Polls `undoing`, which is one attempt, and writes down how it ended, unless that is written down already. Nothing
    /// interrupts it: if Restate drops the answer because somebody cancels the saga, it is written down once more.
    pub(crate) fn undo<'b>(
        &'b self,
        attempt: Attempt<'b>,
        undoing: BoxFuture<'b, Result<(), String>>,
    ) -> BoxFuture<'b, Result<(), String>> {
        Box::pin(async move {
            let Some(position) = attempt.position() else {
                return undoing.await;
            };
            let name = entry::attempt(position, Role::Compensation, attempt.attempt());
            let kept = Mutex::new(None);
            let has_begun = AtomicBool::new(false);
            let mut work = pin!(async {
                has_begun.store(true, Ordering::Relaxed);
                let undo = match undoing.await {
                    Ok(()) => Undo::Done(()),
                    Err(message) => Undo::Failed(message),
                };
                let written = undo.write();
                *lock(&kept) = Some(written.clone());
                Ok(written)
            });
            let mut written = self.journal.run(&name, None, work.as_mut()).await;
            while written.is_err() {
                self.cancel();
                let answer = pin!(async {
                    let known = lock(&kept).clone();
                    match known {
                        Some(known) => Ok(known),
                        None if has_begun.load(Ordering::Relaxed) => work.as_mut().await,
                        None => Ok(Undo::Lost(()).write()),
                    }
                });
                written = self.journal.run(&entry::answer(&name), None, answer).await;
            }
            match serde_json::from_slice(&written.unwrap_or_default()) {
                Ok(Undo::Done(())) => Ok(()),
                Ok(Undo::Failed(message)) => Err(message),
                Ok(Undo::Lost(())) => Err("nobody heard the answer".to_owned()),
                Err(unread) => Err(format!("what is written down can't be read: {unread}")),
            }
        })
    }
}
