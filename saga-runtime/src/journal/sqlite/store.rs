//! What the writer does in a transaction: one function per operation. Memory changes after the commit, by what these
//! hand back.

use std::time::SystemTime;

use rusqlite::{Connection, Statement, params};

use super::awake::{self, Awake, mark_stuck};
use super::held::{AllHeld, Change, Held};
use super::rows::{Rows, millis};
use crate::id::SagaId;
use crate::journal::lease::Leases;
use crate::journal::{AppendError, Claim, Lease, NewSaga, Rest, Row, Started, State};

/// The tables, and what is known of them in memory.
pub(super) struct Store<'c> {
    pub(super) connection: &'c Connection,
    /// What is written all the time is not looked for among the other statements.
    insert_saga: Statement<'c>,
    insert_entry: Statement<'c>,
    insert_reason: Statement<'c>,
    pub(super) held: AllHeld,
    pub(super) leases: Leases,
    /// The time of the transaction.
    pub(super) now: SystemTime,
}

/// How an append failed: only itself, or the whole transaction.
pub(super) enum Failure {
    Refused(AppendError),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// How an operation went that may have to wait until a transaction is committed that has written to the same saga.
pub(super) enum Done<T> {
    Now(T),
    Later,
}

impl<'c> Store<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            connection,
            insert_saga: connection.prepare(
                "INSERT INTO sagas (number, id, name, version, fingerprint, input, started_at, epoch, worker) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            )?,
            insert_entry: connection.prepare(
                "INSERT INTO entries (saga, seq, at, event, step, occurrence, kind, attempts, payload) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            insert_reason: connection.prepare(
                "INSERT INTO entries (saga, seq, at, event, step, occurrence, kind, attempts, payload, code, message) \
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
            held: AllHeld::new(Awake::load(connection)?),
            leases: Leases::default(),
            now: SystemTime::now(),
        })
    }

    pub(super) fn rows(&self) -> Rows<'c> {
        Rows(self.connection)
    }

    pub(super) fn start(
        &mut self,
        saga: &NewSaga,
        lease: Option<&Lease>,
    ) -> rusqlite::Result<Started> {
        let number = self.held.awake.number();
        let epoch = u64::from(lease.is_some());
        let inserted = self.insert_saga.execute(params![
            number,
            saga.id.as_str(),
            saga.name,
            saga.version,
            saga.fingerprint.cast_signed(),
            saga.input,
            millis(self.now),
            epoch.cast_signed(),
            lease.map(|lease| lease.worker.as_str()),
        ])?;
        if inserted == 0 {
            let existing = self.rows().record(&saga.id)?;
            let (record, _) = existing.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            return Ok(Started::Existing(Box::new(record)));
        }
        self.held.stage(Change::Started(number));
        let Some(lease) = lease else {
            return Ok(Started::New(None));
        };
        self.leases.renew(lease);
        self.held.stage(Change::Hold(Held {
            id: saga.id.clone(),
            number,
            epoch,
            worker: lease.worker.clone(),
            next: 1,
            is_cancelled: false,
            is_touched: false,
        }));
        Ok(Started::New(Some(Claim {
            id: saga.id.clone(),
            epoch,
        })))
    }

    pub(super) fn append(
        &mut self,
        claim: &Claim,
        first: u64,
        rows: &[Row],
    ) -> Result<Done<()>, Failure> {
        let (slot, number) = match self.held.by_claim(claim) {
            Some((_, held)) if held.is_touched => return Ok(Done::Later),
            Some((slot, held)) if held.next == first => (slot, held.number),
            _ => return self.append_again(claim, first, rows).map(Done::Now),
        };
        let at = millis(self.now);
        let mut next = first;
        for row in rows {
            self.insert(number, next, at, row)?;
            next += 1;
        }
        let mut ends = rows.iter().rev().filter_map(|row| ending(&row.event));
        match ends.next() {
            None => self.held.stage(Change::Next(slot, next)),
            Some(state) => {
                if state == State::Stuck {
                    mark_stuck(self.connection, number)?;
                }
                self.held.stage(Change::LetGo(slot));
                self.held.stage(Change::Over(number));
            }
        }
        Ok(Done::Now(()))
    }

    /// Adds a row. Most say nothing of a reason, and are written without those columns.
    fn insert(&mut self, saga: i64, seq: u64, at: i64, row: &Row) -> rusqlite::Result<()> {
        let has_reason = row.code.is_some() || row.message.is_some();
        let insert = if has_reason {
            &mut self.insert_reason
        } else {
            &mut self.insert_entry
        };
        insert.raw_bind_parameter(1, saga)?;
        insert.raw_bind_parameter(2, seq.cast_signed())?;
        insert.raw_bind_parameter(3, at)?;
        insert.raw_bind_parameter(4, &*row.event)?;
        insert.raw_bind_parameter(5, row.step.as_deref())?;
        insert.raw_bind_parameter(6, row.occurrence)?;
        insert.raw_bind_parameter(7, row.kind.as_deref())?;
        insert.raw_bind_parameter(8, row.attempts)?;
        insert.raw_bind_parameter(9, row.payload.as_deref())?;
        if has_reason {
            insert.raw_bind_parameter(10, row.code.as_deref())?;
            insert.raw_bind_parameter(11, row.message.as_deref())?;
        }
        insert.raw_execute().map(drop)
    }

    /// An append that is not simply the next one: repeated, fenced, or wrong.
    fn append_again(&mut self, claim: &Claim, first: u64, rows: &[Row]) -> Result<(), Failure> {
        let tables = self.rows();
        let fenced = Failure::Refused(AppendError::Fenced { epoch: claim.epoch });
        let Some((record, number)) = tables.record(&claim.id)? else {
            return Err(fenced);
        };
        if record.epoch != claim.epoch {
            return Err(fenced);
        }
        let last = tables.last_seq(number)?;
        if first == 0 || first > last {
            return Err(if self.held.by_claim(claim).is_some() {
                Failure::Refused(AppendError::NotContiguous { seq: first })
            } else {
                fenced
            });
        }
        let there = tables.entries(number)?;
        let from = usize::try_from(first - 1).unwrap_or(usize::MAX);
        let is_same = there.is_ok_and(|there| {
            let there = there.get(from..).unwrap_or_default();
            let there = there.iter().map(|entry| Row::from(entry.event.clone()));
            there.eq(rows.iter().cloned())
        });
        if is_same {
            Ok(())
        } else {
            Err(Failure::Refused(AppendError::NotContiguous { seq: first }))
        }
    }

    pub(super) fn release(
        &mut self,
        claim: &Claim,
        in_doubt: bool,
        rest: Rest,
    ) -> rusqlite::Result<Done<()>> {
        let (slot, held) = match self.held.by_claim(claim) {
            None => return Ok(Done::Now(())),
            Some((_, held)) if held.is_touched => return Ok(Done::Later),
            Some(held) => held,
        };
        let (number, doubt) = (held.number, in_doubt.then(|| (held.next - 1).cast_signed()));
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

    /// Extends a lease, and says which sagas of the worker somebody wants cancelled.
    pub(super) fn renew(&mut self, lease: &Lease) -> Vec<SagaId> {
        self.leases.renew(lease);
        let of_worker = self.held.iter().filter(|held| held.worker == lease.worker);
        of_worker
            .filter(|held| held.is_cancelled)
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
            .execute(params![reason, millis(self.now), number])?;
        if let Some((slot, _)) = self.held.by_number(number) {
            self.held.stage(Change::Cancel(slot));
        }
        self.wake("number = ?", number)?;
        Ok(true)
    }

    /// Ends the rest of sagas that sleep, and says which.
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

    /// A saga is awake that was not.
    pub(super) fn woken(&mut self, number: i64) -> rusqlite::Result<()> {
        awake::insert(self.connection, number)?;
        self.held.stage(Change::Woken(number));
        Ok(())
    }

    /// Brings the table of the sagas that are awake up to date.
    pub(super) fn list_awake(&mut self) -> rusqlite::Result<()> {
        let through = self.held.awake.write(self.connection)?;
        self.held.stage(Change::Listed(through));
        Ok(())
    }

    pub(super) fn purge(&mut self, before: SystemTime) -> rusqlite::Result<u64> {
        // So that none of those that are removed is in there.
        self.list_awake()?;
        let mut purged = self.connection.prepare(
            "DELETE FROM sagas WHERE number IN (SELECT s.number FROM sagas s \
             JOIN entries e ON e.saga = s.number AND e.seq = (SELECT max(seq) FROM entries WHERE saga = s.number) \
             WHERE s.started_at < ?1 AND e.at < ?1 AND e.event IN ('completed', 'compensated')) RETURNING number",
        )?;
        let purged = purged.query_map([millis(before)], |row| row.get(0))?;
        let purged = purged.collect::<rusqlite::Result<Vec<i64>>>()?;
        let mut entries = self
            .connection
            .prepare("DELETE FROM entries WHERE saga = ?")?;
        for number in &purged {
            entries.execute([number])?;
        }
        Ok(purged.len() as u64)
    }
}

/// When a saga that is let go of is to go on; empty if at once.
fn wake_at(rest: Rest) -> Option<i64> {
    match rest {
        Rest::None => None,
        Rest::Until(time) => Some(millis(time)),
        Rest::UntilCalled => Some(i64::MAX),
    }
}

/// The state in which an entry ends a claim, if it does.
fn ending(event: &str) -> Option<State> {
    let states = [State::Completed, State::Compensated, State::Stuck];
    states.into_iter().find(|state| state.name() == event)
}
