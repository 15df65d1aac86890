//! The SQL of a transaction: one function per operation. Memory follows the commit, by the changes that these functions
//! stage.

use std::time::SystemTime;

use rusqlite::{Connection, params};

use crate::clock::Clock;
use crate::id::SagaId;
use crate::journal::lease::Leases;
use crate::journal::sqlite::awake;
use crate::journal::sqlite::awake::{Awake, mark_closed};
use crate::journal::sqlite::checksum::Checked;
use crate::journal::sqlite::connection::Size;
use crate::journal::sqlite::held::{AllHeld, Cancel, Change, Held};
use crate::journal::sqlite::insert::{Inserts, NewEntry, NewRow};
use crate::journal::sqlite::operation::Purged;
use crate::journal::sqlite::read::{Read, to_sql};
use crate::journal::{AppendError, Claim, Lease, NewSaga, Record, Row, Started, State, Wakeup};

/// The tables, and the part of them that memory keeps.
pub(super) struct Transaction<'c> {
    pub(super) connection: &'c Connection,
    inserts: Inserts<'c>,
    pub(super) held: AllHeld,
    pub(super) leases: Leases,
    /// The time of the transaction.
    pub(super) now: SystemTime,
}

/// The failure of an append: of it alone, or of the whole transaction.
pub(super) enum WriteFailure {
    Refused(AppendError),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for WriteFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// The result of an append that is accepted.
pub(super) enum Appended {
    /// The entries are to be added to the saga with this number.
    To(i64),
    /// The entries are there already.
    Already,
}

/// The number of sagas that one piece of a purge looks at: other operations have their turn after it.
const PIECE: i64 = 512;

/// The result of an operation, unless it has to wait for the commit of a transaction that has written to the same saga.
pub(super) enum Done<T> {
    Now(T),
    Later,
}

impl<'c> Transaction<'c> {
    pub(super) fn new(connection: &'c Connection, size: Size) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            inserts: Inserts::new(connection)?,
            held: AllHeld::new(Awake::load(connection, size)?),
            leases: Leases::default(),
            now: Clock::default().now(),
        })
    }

    pub(super) fn rows(&self) -> Read<'c> {
        Read(self.connection)
    }

    /// Adds entries whose [append](Self::append) was accepted.
    pub(super) fn add_entries(&mut self, new: Vec<NewEntry<'_>>) -> rusqlite::Result<()> {
        self.inserts.entries(to_sql(self.now), new)
    }

    /// Adds the sagas whose ids are free. Returns true if all ids were free.
    pub(super) fn add_sagas(&mut self, new: Vec<NewRow<'_>>) -> rusqlite::Result<bool> {
        let count = new.len();
        Ok(self.inserts.sagas(to_sql(self.now), new)? == count)
    }

    /// The record of another saga that has this id.
    pub(super) fn other(&self, id: &SagaId, number: i64) -> rusqlite::Result<Option<Record>> {
        let existing = self.rows().record(id)?;
        let other = existing.filter(|(_, existing)| *existing != number);
        Ok(other.map(|(record, _)| record))
    }

    /// Notes that a saga was added, and claims it for the worker.
    pub(super) fn started(
        &mut self,
        number: i64,
        saga: &NewSaga,
        lease: Option<&Lease>,
    ) -> Started {
        self.held.stage(Change::Started(number));
        let Some(lease) = lease else {
            return Started::New(None);
        };
        let epoch = 1;
        self.leases.renew(lease);
        self.held.stage(Change::Hold(Held {
            id: saga.id.clone(),
            number,
            epoch,
            worker: lease.worker.clone(),
            next: 1,
            cancel: Cancel::No,
            is_stuck: false,
            is_touched: false,
        }));
        Started::New(Some(Claim {
            id: saga.id.clone(),
            epoch,
        }))
    }

    /// Decides whether entries can be added; [`add_entries`](Self::add_entries) adds them.
    pub(super) fn append(
        &mut self,
        claim: &Claim,
        first: u64,
        rows: &[Checked],
    ) -> Result<Done<Appended>, WriteFailure> {
        let (slot, number, was_stuck) = match self.held.by_claim(claim) {
            Some((_, held)) if held.is_touched => return Ok(Done::Later),
            Some((slot, held)) if held.next == first => (slot, held.number, held.is_stuck),
            _ => {
                let again = self.append_again(claim, first, rows);
                return again.map(|()| Done::Now(Appended::Already));
            }
        };
        if was_stuck {
            self.connection
                .prepare_cached("UPDATE sagas SET closed = NULL WHERE number = ?")?
                .execute([number])?;
            self.woken(number)?;
        }
        let mut ends = rows
            .iter()
            .rev()
            .filter_map(|checked| ending(&checked.row.event));
        match ends.next() {
            None => {
                let next = first + rows.len() as u64;
                self.held.stage(Change::Next(slot, next));
            }
            Some(state) => {
                if matches!(state, State::Stuck | State::Abandoned) {
                    mark_closed(self.connection, number, state)?;
                }
                if state == State::Compensated {
                    self.held.stage(Change::Compensated(number));
                }
                self.held.stage(Change::Suspension(slot));
                self.held.stage(Change::Over(number));
            }
        }
        Ok(Done::Now(Appended::To(number)))
    }

    /// An append that is not simply the next one: repeated, fenced, or wrong.
    fn append_again(
        &mut self,
        claim: &Claim,
        first: u64,
        rows: &[Checked],
    ) -> Result<(), WriteFailure> {
        let tables = self.rows();
        let fenced = WriteFailure::Refused(AppendError::Fenced { epoch: claim.epoch });
        let Some((record, number)) = tables.record(&claim.id)? else {
            return Err(fenced);
        };
        if record.epoch != claim.epoch {
            return Err(fenced);
        }
        let last = tables.last_seq(number)?;
        if first == 0 || first > last {
            return Err(if self.held.by_claim(claim).is_some() {
                WriteFailure::Refused(AppendError::NotContiguous { seq: first })
            } else {
                fenced
            });
        }
        let there = tables.entries(number)?;
        let from = usize::try_from(first - 1).unwrap_or(usize::MAX);
        let is_same = there.is_ok_and(|there| {
            let there = there.get(from..).unwrap_or_default();
            let there = there.iter().map(|entry| Row::from(entry.event.clone()));
            there.eq(rows.iter().map(|checked| checked.row.clone()))
        });
        if is_same {
            Ok(())
        } else {
            Err(WriteFailure::Refused(AppendError::NotContiguous {
                seq: first,
            }))
        }
    }

    pub(super) fn release(
        &mut self,
        claim: &Claim,
        in_doubt: bool,
        rest: Wakeup,
    ) -> rusqlite::Result<Done<()>> {
        let (slot, held) = match self.held.by_claim(claim) {
            None => return Ok(Done::Now(())),
            Some((_, held)) if held.is_touched => return Ok(Done::Later),
            Some(held) => held,
        };
        let (number, doubt) = (held.number, in_doubt.then(|| (held.next - 1).cast_signed()));
        let rest = if held.cancel == Cancel::SinceClaimed {
            Wakeup::Now
        } else {
            rest
        };
        let wake_at = wake_at(rest);
        self.connection
            .prepare_cached(
                "UPDATE sagas SET worker = NULL, wake_at = ?, doubt_seq = coalesce(?, doubt_seq) WHERE number = ?",
            )?
            .execute(params![wake_at, doubt, number])?;
        self.held.stage(Change::Release(slot));
        if wake_at.is_some() {
            self.held.stage(Change::Over(number));
        }
        Ok(Done::Now(()))
    }

    /// Extends a lease. Returns the sagas of the worker that are to be cancelled.
    pub(super) fn renew(&mut self, lease: &Lease) -> Vec<SagaId> {
        self.leases.renew(lease);
        let of_worker = self.held.iter().filter(|held| held.worker == lease.worker);
        of_worker
            .filter(|held| held.cancel != Cancel::No)
            .map(|held| held.id.clone())
            .collect()
    }

    pub(super) fn request_cancel(&mut self, id: &SagaId, reason: &str) -> rusqlite::Result<bool> {
        let Some((record, number)) = self.rows().record(id)? else {
            return Ok(false);
        };
        if record.state.is_final() {
            return Ok(false);
        }
        self.connection
            .prepare_cached(
                "UPDATE sagas SET cancel_reason = coalesce(cancel_reason, ?), cancel_at = coalesce(cancel_at, ?) \
                 WHERE number = ?",
            )?
            .execute(params![reason, to_sql(self.now), number])?;
        if let Some((slot, _)) = self.held.by_number(number) {
            self.held.stage(Change::Cancel(slot));
        }
        self.wake("number = ?", number)?;
        Ok(true)
    }

    /// Records that a definition is paused for this reason, or without one that its pause is over. Returns whether that is
    /// news.
    pub(super) fn set_pause(&mut self, name: &str, reason: Option<&str>) -> rusqlite::Result<bool> {
        let changed = match reason {
            Some(reason) => self
                .connection
                .prepare_cached(
                    "INSERT INTO paused_definitions (name, reason, at) VALUES (?, ?, ?) \
                     ON CONFLICT (name) DO UPDATE SET reason = excluded.reason",
                )?
                .execute(params![name, reason, to_sql(self.now)])?,
            None => self
                .connection
                .prepare_cached("DELETE FROM paused_definitions WHERE name = ?")?
                .execute([name])?,
        };
        Ok(changed > 0)
    }

    /// Wakes sagas that sleep, and returns their numbers.
    pub(super) fn wake(&mut self, which: &str, value: i64) -> rusqlite::Result<Vec<i64>> {
        let mut update = self.connection.prepare_cached(&format!(
            "UPDATE sagas SET wake_at = NULL WHERE wake_at IS NOT NULL AND {which} RETURNING number"
        ))?;
        let woken = update.query_map([value], |row| row.get(0))?;
        let woken = woken.collect::<rusqlite::Result<Vec<_>>>()?;
        for number in &woken {
            self.woken(*number)?;
        }
        Ok(woken)
    }

    /// Notes that a saga is awake that was not.
    pub(super) fn woken(&mut self, number: i64) -> rusqlite::Result<()> {
        awake::insert(self.connection, number)?;
        self.held.stage(Change::Woken(number));
        Ok(())
    }

    /// Brings the table of awake sagas up to date.
    pub(super) fn list_awake(&mut self) -> rusqlite::Result<()> {
        let through = self.held.awake.write(self.connection)?;
        self.held.stage(Change::Listed(through));
        Ok(())
    }

    /// Removes the sagas that have ended among the next ones after this number: some at a time, so that other operations are
    /// not held up.
    pub(super) fn purge(&mut self, before: SystemTime, after: i64) -> rusqlite::Result<Purged> {
        let mut piece = self.connection.prepare_cached(
            "SELECT max(number) FROM (SELECT number FROM sagas WHERE number > ? ORDER BY number LIMIT ?)",
        )?;
        let through: Option<i64> = piece.query_row([after, PIECE], |row| row.get(0))?;
        let Some(through) = through else {
            return Ok(Purged::default());
        };
        // Its entries may be lost. Then it ended after its start; a time that is no number was long ago.
        let mut ended = self.connection.prepare_cached(
            "SELECT s.number FROM sagas s \
             LEFT JOIN entries e ON e.saga = s.number AND e.seq = (SELECT max(seq) FROM entries WHERE saga = s.number) \
             WHERE s.number > ?1 AND s.number <= ?2 \
             AND coalesce(s.closed, e.event) IN ('completed', 'compensated', 'abandoned') \
             AND (typeof(s.started_at) <> 'integer' OR s.started_at < ?3) \
             AND (typeof(e.at) <> 'integer' OR e.at < ?3)",
        )?;
        let ended = ended.query_map([after, through, to_sql(before)], |row| row.get(0))?;
        let ended = ended.collect::<rusqlite::Result<Vec<i64>>>()?;
        if !ended.is_empty() {
            // The table must name no saga that is removed.
            self.list_awake()?;
        }
        let of_saga = |sql: &str| self.connection.prepare_cached(sql);
        let mut saga = of_saga("DELETE FROM sagas WHERE number = ?")?;
        let mut entries = of_saga("DELETE FROM entries WHERE saga = ?")?;
        for number in &ended {
            saga.execute([number])?;
            entries.execute([number])?;
        }
        Ok(Purged {
            count: ended.len() as u64,
            through: Some(through),
        })
    }
}

/// The time when a released saga wakes; empty if it is awake.
fn wake_at(rest: Wakeup) -> Option<i64> {
    match rest {
        Wakeup::Now => None,
        Wakeup::At(time) => Some(to_sql(time)),
        Wakeup::WhenCalled => Some(i64::MAX),
    }
}

/// The state in which an entry leaves the saga, if it ends the claim.
fn ending(event: &str) -> Option<State> {
    let states = [
        State::Completed,
        State::Compensated,
        State::Stuck,
        State::Abandoned,
    ];
    states.into_iter().find(|state| state.name() == event)
}

#[cfg(test)]
mod tests;
