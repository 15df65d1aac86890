//! How sagas are taken over.

use std::time::SystemTime;

use rusqlite::{OptionalExtension, params};

use super::held::{Change, Held};
use super::rows::{Rows, millis};
use super::store::Store;
use crate::id::SagaId;
use crate::journal::{Claim, Claimed, ClaimedOne, Lease};

/// What is needed to take a saga over.
struct Free {
    number: i64,
    worker: Option<String>,
    claimed_seq: u64,
    recoveries: u32,
    doubt_seq: Option<u64>,
}

impl Store {
    pub(super) fn claim(
        &mut self,
        lease: &Lease,
        names: &[&'static str],
        limit: usize,
    ) -> rusqlite::Result<Vec<Claimed>> {
        self.leases.renew(lease);
        // From here on whatever is open by its row is open.
        self.note_closed()?;
        self.wake(SystemTime::now())?;
        let names = serde_json::to_string(names).unwrap_or_default();
        let free = {
            let mut open = self.connection.prepare_cached(
                "SELECT number, worker, claimed_seq, recoveries, doubt_seq FROM sagas \
                 WHERE closed IS NULL AND wake_at IS NULL AND name IN (SELECT value FROM json_each(?)) ORDER BY number",
            )?;
            let rows = open.query_map([names], free)?;
            let is_free = |free: &Free| self.is_free(free);
            let mut found = Vec::new();
            for row in rows {
                if found.len() == limit {
                    break;
                }
                let row = row?;
                if is_free(&row) {
                    found.push(row);
                }
            }
            found
        };
        free.iter()
            .map(|free| self.take_over(free, lease))
            .collect()
    }

    pub(super) fn claim_one(&mut self, lease: &Lease, id: &SagaId) -> rusqlite::Result<ClaimedOne> {
        self.leases.renew(lease);
        self.note_closed()?;
        let Some((record, _)) = Rows(&self.connection).record(id)? else {
            return Ok(ClaimedOne::Unknown);
        };
        if record.state.is_final() {
            return Ok(ClaimedOne::Final(record.state));
        }
        let free = self
            .connection
            .prepare_cached(
                "SELECT number, worker, claimed_seq, recoveries, doubt_seq FROM sagas WHERE id = ?",
            )?
            .query_row([id.as_str()], free)
            .optional()?;
        match (free, record.worker) {
            (None, _) => Ok(ClaimedOne::Unknown),
            (Some(free), Some(holder)) if !self.is_free(&free) => Ok(ClaimedOne::Held(holder)),
            (Some(free), _) => {
                let mut claimed = self.take_over(&free, lease)?;
                // What an operator decides on is the state before.
                claimed.record.state = record.state;
                Ok(ClaimedOne::Claimed(Box::new(claimed)))
            }
        }
    }

    /// Ends the rest of the sagas whose time has come.
    fn wake(&self, now: SystemTime) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("UPDATE sagas SET wake_at = NULL WHERE wake_at <= ?")?
            .execute([millis(now)])
            .map(drop)
    }

    /// Whether nobody holds the saga, or somebody whose lease has run out.
    fn is_free(&self, free: &Free) -> bool {
        let holder = free.worker.as_deref().map(crate::journal::Worker::new);
        holder.is_none_or(|holder| !self.leases.is_valid(&holder))
    }

    fn take_over(&mut self, free: &Free, lease: &Lease) -> rusqlite::Result<Claimed> {
        let rows = Rows(&self.connection);
        let last = rows.last_seq(free.number)?;
        let is_cut_off = free.worker.is_some();
        let before = if free.claimed_seq == last {
            free.recoveries
        } else {
            0
        };
        let recoveries = before + u32::from(is_cut_off);
        self.connection
            .prepare_cached(
                "UPDATE sagas SET epoch = epoch + 1, worker = ?, claimed_seq = ?, recoveries = ?, closed = NULL, wake_at = NULL \
                 WHERE number = ?",
            )?
            .execute(params![
                lease.worker.as_str(),
                last.cast_signed(),
                recoveries,
                free.number
            ])?;
        let record = rows.numbered(free.number)?;
        let claim = Claim {
            id: record.saga.id.clone(),
            epoch: record.epoch,
        };
        let held = Held {
            number: free.number,
            epoch: record.epoch,
            worker: lease.worker.clone(),
            next: last + 1,
            is_touched: false,
        };
        self.held.stage(Change::Hold(claim.id.clone(), held));
        let mut claimed = Claimed::new(claim, record, rows.entries(free.number)?);
        claimed.next = last + 1;
        claimed.orderly = !(is_cut_off || free.doubt_seq == Some(last));
        claimed.recoveries = recoveries;
        Ok(claimed)
    }
}

fn free(row: &rusqlite::Row<'_>) -> rusqlite::Result<Free> {
    Ok(Free {
        number: row.get(0)?,
        worker: row.get(1)?,
        claimed_seq: row.get::<_, i64>(2)?.cast_unsigned(),
        recoveries: row.get(3)?,
        doubt_seq: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
    })
}
