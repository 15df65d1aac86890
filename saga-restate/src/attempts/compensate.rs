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

/// The question if a process has ended in an attempt that has no record.
#[derive(Clone, Copy)]
enum EarlierCrash {
    Never,
    /// If this process does no work before it.
    IfFirst,
    Certain,
}

impl Invocation {
    /// Makes one attempt by polling `compensator` and records its result, or returns the recorded result. Nothing
    /// interrupts it: if Restate drops the answer because the saga is cancelled, the answer is recorded once more.
    ///
    /// If a process ended in it, it is made again under another name, so that the records count these processes. A
    /// compensation that has ended too many is not tried again: it fails.
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
            let first = entry_names::attempt(position, Role::Compensation, 1);
            let mut compensator = pin!(compensator);
            let mut crashes = 0;
            let mut entry = name.clone();
            let mut crash = EarlierCrash::IfFirst;
            loop {
                if lock(&self.blamed).contains(&first) {
                    return Err("it has ended its process too often".to_owned());
                }
                let work = async {
                    // In a part whose failure the body handles, steps follow: none of them was requested before.
                    self.doubt.set(false);
                    let is_crashed = match crash {
                        EarlierCrash::Never => false,
                        EarlierCrash::IfFirst => self.journal.begins_after_crash(),
                        EarlierCrash::Certain => true,
                    };
                    if is_crashed {
                        return CompensationRecord::Crashed(());
                    }
                    match compensator.as_mut().await {
                        Ok(()) => CompensationRecord::Done(()),
                        Err(message) => CompensationRecord::Failed(message),
                    }
                };
                let (record, _) = self.recorded(&entry, work).await?;
                match record {
                    CompensationRecord::Done(()) => return Ok(()),
                    CompensationRecord::Failed(message) => return Err(message),
                    CompensationRecord::Crashed(()) => {}
                    CompensationRecord::Lost(()) | CompensationRecord::Begun(()) => {
                        return Err("the answer is lost".to_owned());
                    }
                }
                crashes += 1;
                if crashes >= self.settings.max_recoveries {
                    lock(&self.blamed).insert(first.clone());
                    continue;
                }
                let recovery = entry_names::recovery(&name, crashes);
                let begin = std::future::ready(CompensationRecord::Begun(()));
                let (_, is_new) = self.recorded(&recovery, begin).await?;
                entry = entry_names::again(&name, crashes);
                crash = if is_new {
                    EarlierCrash::Never
                } else {
                    EarlierCrash::Certain
                };
            }
        })
    }

    /// Does `work` and records its result, or returns the recorded result. Returns true if it was done here.
    async fn recorded(
        &self,
        entry: &str,
        work: impl Future<Output = CompensationRecord> + Send,
    ) -> Result<(CompensationRecord, bool), String> {
        let kept = Mutex::new(None);
        let has_begun = AtomicBool::new(false);
        let mut work = pin!(async {
            has_begun.store(true, Ordering::Relaxed);
            let written = work.await.write();
            *lock(&kept) = Some(written.clone());
            Ok(written)
        });
        let mut written = self.journal.run(entry, None, work.as_mut()).await;
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
            let answer_entry = entry_names::answer(entry);
            written = self.journal.run(&answer_entry, None, answer).await;
        }
        let record = serde_json::from_slice(&written.unwrap_or_default());
        let record = record.map_err(|unread| format!("the record can't be read: {unread}"))?;
        Ok((record, has_begun.load(Ordering::Relaxed)))
    }
}
