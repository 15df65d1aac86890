//! The attempts of compensations and resolvers, each recorded.

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use saga_runtime::engine::BoxFuture;
use saga_runtime::engine::{Attempt, Place, Role};

use crate::attempt_record::CompensationRecord;
use crate::entry_names;
use crate::invocation::Invocation;
use crate::lock::lock;

impl Invocation {
    /// Makes one attempt by polling `compensator` and records its result, or returns the recorded result. Nothing
    /// interrupts it: if Restate drops the answer because the saga is cancelled, the answer is recorded once more.
    pub(crate) fn compensate<'b>(
        &'b self,
        attempt: Attempt<'b>,
        compensator: BoxFuture<'b, Result<(), String>>,
    ) -> BoxFuture<'b, Result<(), String>> {
        Box::pin(async move {
            let Some(position) = attempt.position() else {
                return compensator.await;
            };
            let name = entry_names::attempt(position, Role::Compensation, attempt.attempt());
            let kept = Mutex::new(None);
            let has_begun = AtomicBool::new(false);
            let mut work = pin!(async {
                has_begun.store(true, Ordering::Relaxed);
                let compensate = match compensator.await {
                    Ok(()) => CompensationRecord::Done(()),
                    Err(message) => CompensationRecord::Failed(message),
                };
                let written = compensate.write();
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
                        None => Ok(CompensationRecord::Lost(()).write()),
                    }
                });
                written = self
                    .journal
                    .run(&entry_names::answer(&name), None, answer)
                    .await;
            }
            match serde_json::from_slice(&written.unwrap_or_default()) {
                Ok(CompensationRecord::Done(())) => Ok(()),
                Ok(CompensationRecord::Failed(message)) => Err(message),
                Ok(CompensationRecord::Lost(())) => Err("the answer is lost".to_owned()),
                Err(unread) => Err(format!("the record can't be read: {unread}")),
            }
        })
    }
}
