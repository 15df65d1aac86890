//! Failures of called sagas that the body handles: each is recorded, so that a replay takes the same branch.

use std::pin::pin;

use saga_runtime::engine::{Position, ReadError, Reason};

use crate::attempt_record::FailureRecord;
use crate::entry_names;
use crate::invocation::{Invocation, Suspended};

impl Invocation {
    /// Records the failure of the saga that is called at `position`, or returns the recorded one.
    pub(crate) async fn record_failure(
        &self,
        position: Position<'_>,
        failure: Option<Reason>,
        read: ReadError<'_>,
    ) -> Result<Option<Reason>, Suspended> {
        let first = entry_names::failure(position);
        let mut entry = first.clone();
        let made = FailureRecord::new(failure).write();
        let written = loop {
            let work = pin!(async {
                // What an earlier process may have requested comes before this.
                self.doubt.set(false);
                Ok(made.clone())
            });
            if let Ok(written) = self.journal.run(&entry, None, work).await {
                break written;
            }
            self.cancel();
            entry = entry_names::answer(&first);
        };
        let unread = || {
            let saga = position.name();
            Suspended(format!(
                "the record of the failure of `{saga}` can't be read"
            ))
        };
        let record: FailureRecord = serde_json::from_slice(&written).map_err(|_| unread())?;
        let reason = record.into_reason();
        if let Some(error) = reason.as_ref().and_then(|reason| reason.error.as_deref()) {
            read(error).map_err(|_| unread())?;
        }
        Ok(reason)
    }
}
