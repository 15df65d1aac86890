//! How sagas are taken over.

use rusqlite::{OptionalExtension, params};

use super::held::{Change, Held, Progress};
use super::rows::{millis, record};
use super::store::Store;
use crate::id::SagaId;
use crate::journal::{Claim, Claimed, ClaimedOne, Entry, Event, Lease, Record, State};

/// A saga that can be taken over.
struct Free {
    number: i64,
    record: Record,
    claimed_seq: u64,
    recoveries: u32,
    doubt_seq: Option<u64>,
}

/// The columns of [`Free`]: those of a record whose entries are not looked at, and more.
const FREE: &str = "SELECT s.id, s.name, s.version, s.fingerprint, s.input, s.started_at, s.epoch, s.worker, \
     s.cancel_reason, s.cancel_at, s.number, NULL, 'running', s.claimed_seq, s.recoveries, s.doubt_seq \
     FROM sagas s WHERE s.number = ?";

impl Free {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let (record, number) = record(row)?;
        Ok(Self {
            number,
            record,
            claimed_seq: row.get::<_, i64>(13)?.cast_unsigned(),
            recoveries: row.get(14)?,
            doubt_seq: row.get::<_, Option<i64>>(15)?.map(i64::cast_unsigned),
        })
    }
}

impl Store<'_> {
    pub(super) fn claim(
        &mut self,
        lease: &Lease,
        names: &[&'static str],
        limit: usize,
    ) -> rusqlite::Result<Vec<Claimed>> {
        self.leases.renew(lease);
        let woken = self.wake("wake_at <= ?", millis(self.now))?;
        let free = self.find_free(lease, names, limit, &woken)?;
        free.into_iter()
            .map(|free| self.take_over(free, lease))
            .collect()
    }

    /// The oldest that can be claimed.
    fn find_free(
        &mut self,
        lease: &Lease,
        names: &[&'static str],
        limit: usize,
        woken: &[i64],
    ) -> rusqlite::Result<Vec<Free>> {
        let mut free = Vec::new();
        let mut through = match woken {
            [] => self.held.claimed_through(&lease.worker, names),
            _ => 0,
        };
        let mut is_all_settled = true;
        let mut columns = self.connection.prepare_cached(FREE)?;
        let mut listed = self
            .connection
            .prepare_cached("SELECT number FROM awake_sagas WHERE number > ? ORDER BY number")?;
        let listed = listed.query_map([through], |row| Ok((row.get(0)?, true)))?;
        let fresh = self.held.awake.fresh();
        for number in listed.chain(fresh.into_iter().map(|number| Ok((number, false)))) {
            if free.len() == limit {
                break;
            }
            let (number, is_listed) = number?;
            let is_awake = self.held.awake.is_there(number) || woken.contains(&number);
            if is_awake && self.is_free(number) {
                let one = columns.query_row([number], Free::read).optional()?;
                free.extend(one.filter(|one| names.contains(&one.record.saga.name.as_str())));
            } else if is_awake {
                let held = self.held.by_number(number);
                // The lease of another worker may run out.
                is_all_settled &= held.is_some_and(|(_, held)| held.worker == lease.worker);
            }
            if is_listed && is_all_settled {
                through = number;
            }
        }
        self.held.stage(Change::Claimed(Progress {
            worker: lease.worker.clone(),
            names: names.to_vec(),
            through,
        }));
        Ok(free)
    }

    pub(super) fn claim_one(&mut self, lease: &Lease, id: &SagaId) -> rusqlite::Result<ClaimedOne> {
        self.leases.renew(lease);
        let Some((before, number)) = self.rows().record(id)? else {
            return Ok(ClaimedOne::Unknown);
        };
        if before.state.is_final() {
            return Ok(ClaimedOne::Final(before.state));
        }
        if let Some(holder) = before.worker.filter(|_| !self.is_free(number)) {
            return Ok(ClaimedOne::Held(holder));
        }
        let free = self
            .connection
            .prepare_cached(FREE)?
            .query_row([number], Free::read)?;
        self.connection
            .prepare_cached("UPDATE sagas SET closed = NULL, wake_at = NULL WHERE number = ?")?
            .execute([number])?;
        self.woken(number)?;
        let mut claimed = self.take_over(free, lease)?;
        // What an operator decides on is the state before.
        claimed.record.state = before.state;
        Ok(ClaimedOne::Claimed(Box::new(claimed)))
    }

    /// Whether nobody holds the saga, or somebody whose lease has run out.
    fn is_free(&self, number: i64) -> bool {
        let held = self.held.by_number(number);
        held.is_none_or(|(_, held)| !self.leases.is_valid(&held.worker))
    }

    fn take_over(&mut self, free: Free, lease: &Lease) -> rusqlite::Result<Claimed> {
        let Free {
            number, mut record, ..
        } = free;
        let entries = self.rows().entries(number)?;
        let last = match &entries {
            Ok(entries) => entries.len() as u64,
            Err(_) => self.rows().last_seq(number)?,
        };
        let is_cut_off = record.worker.is_some();
        let before = if free.claimed_seq == last {
            free.recoveries
        } else {
            0
        };
        let recoveries = before + u32::from(is_cut_off);
        record.epoch += 1;
        record.worker = Some(lease.worker.clone());
        self.connection
            .prepare_cached(
                "UPDATE sagas SET epoch = ?, worker = ?, claimed_seq = ?, recoveries = ? WHERE number = ?",
            )?
            .execute(params![
                record.epoch.cast_signed(),
                lease.worker.as_str(),
                last.cast_signed(),
                recoveries,
                number
            ])?;
        if let Ok(entries) = &entries {
            record.state = state(entries);
            record.changed_at = entries.last().map_or(record.started_at, |last| last.at);
        }
        self.held.stage(Change::Hold(Held {
            id: record.saga.id.clone(),
            number,
            epoch: record.epoch,
            worker: lease.worker.clone(),
            next: last + 1,
            is_cancelled: record.cancellation.is_some(),
            is_touched: false,
        }));
        let claim = Claim {
            id: record.saga.id.clone(),
            epoch: record.epoch,
        };
        let mut claimed = Claimed::new(claim, record, entries);
        claimed.next = last + 1;
        claimed.orderly = !(is_cut_off || free.doubt_seq == Some(last));
        claimed.recoveries = recoveries;
        Ok(claimed)
    }
}

/// The state of a saga that is held, and has not ended.
fn state(entries: &[Entry]) -> State {
    let is_undone = |entry: &Entry| matches!(entry.event, Event::Compensating { .. });
    if entries.iter().any(is_undone) {
        State::Compensating
    } else {
        State::Running
    }
}
