//! What the writer does in a transaction: one function per operation. Memory changes after the commit, by what these
//! hand back.

use std::time::SystemTime;

use rusqlite::{Connection, params};

use super::held::{AllHeld, Change, Held};
use super::rows::{Rows, millis};
use crate::id::SagaId;
use crate::journal::lease::Leases;
use crate::journal::{AppendError, Claim, Lease, NewSaga, Rest, Row, Started, State};

/// The tables, and what is known of them in memory.
pub(super) struct Store {
    pub(super) connection: Connection,
    pub(super) held: AllHeld,
    pub(super) leases: Leases,
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

impl Store {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            held: AllHeld::default(),
            leases: Leases::default(),
        }
    }

    pub(super) fn start(
        &mut self,
        saga: &NewSaga,
        lease: Option<&Lease>,
    ) -> rusqlite::Result<Started> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO sagas (id, name, version, fingerprint, input, started_at, epoch, worker) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        )?;
        let epoch = u64::from(lease.is_some());
        let inserted = insert.execute(params![
            saga.id.as_str(),
            saga.name,
            saga.version,
            saga.fingerprint.cast_signed(),
            saga.input,
            millis(SystemTime::now()),
            epoch.cast_signed(),
            lease.map(|lease| lease.worker.as_str()),
        ])?;
        if inserted == 0 {
            let existing = Rows(&self.connection).record(&saga.id)?;
            let (record, _) = existing.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
            return Ok(Started::Existing(Box::new(record)));
        }
        let Some(lease) = lease else {
            return Ok(Started::New(None));
        };
        self.leases.renew(lease);
        let held = Held {
            number: self.connection.last_insert_rowid(),
            epoch,
            worker: lease.worker.clone(),
            next: 1,
            is_touched: false,
        };
        self.held.stage(Change::Hold(saga.id.clone(), held));
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
    ) -> Result<(), Failure> {
        let held = self.held.by_claim(claim);
        let Some(held) = held.filter(|held| held.next == first) else {
            return self.append_again(claim, first, rows);
        };
        let number = held.number;
        let at = millis(SystemTime::now());
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO entries (saga, seq, at, event, step, occurrence, kind, attempts, code, message, payload) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let mut next = first;
        for row in rows {
            insert.execute(params![
                number,
                next.cast_signed(),
                at,
                row.event,
                row.step,
                row.occurrence,
                row.kind,
                row.attempts,
                row.code,
                row.message,
                row.payload,
            ])?;
            next += 1;
        }
        let mut ends = rows.iter().rev().filter_map(|row| ending(&row.event));
        match ends.next() {
            None => self.held.stage(Change::Next(claim.id.clone(), next)),
            Some(state) => {
                if state == State::Stuck {
                    self.close(number, state.name())?;
                } else {
                    self.held.stage(Change::Close(number, state.name()));
                }
                self.held.stage(Change::LetGo(claim.id.clone()));
            }
        }
        Ok(())
    }

    /// An append that is not simply the next one: repeated, fenced, or wrong.
    fn append_again(&mut self, claim: &Claim, first: u64, rows: &[Row]) -> Result<(), Failure> {
        let tables = Rows(&self.connection);
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
    ) -> rusqlite::Result<()> {
        let Some(held) = self.held.by_claim(claim) else {
            return Ok(());
        };
        let doubt = in_doubt.then(|| (held.next - 1).cast_signed());
        self.connection
            .prepare_cached(
                "UPDATE sagas SET worker = NULL, wake_at = ?, doubt_seq = coalesce(?, doubt_seq) WHERE number = ?",
            )?
            .execute(params![wake_at(rest), doubt, held.number])?;
        self.held.stage(Change::LetGo(claim.id.clone()));
        Ok(())
    }

    /// Extends a lease, and says which sagas of the worker somebody wants cancelled.
    pub(super) fn renew(&mut self, lease: &Lease) -> rusqlite::Result<Vec<SagaId>> {
        self.leases.renew(lease);
        let mut cancelled = self.connection.prepare_cached(
            "SELECT id FROM sagas WHERE closed IS NULL AND wake_at IS NULL AND cancel_reason IS NOT NULL",
        )?;
        let ids = cancelled.query_map([], |row| row.get::<_, String>(0))?;
        let mut of_worker = Vec::new();
        for id in ids {
            let held = SagaId::new(id?).ok().filter(|id| {
                let held = self.held.get(id);
                held.is_some_and(|held| held.worker == lease.worker)
            });
            of_worker.extend(held);
        }
        Ok(of_worker)
    }

    pub(super) fn request_cancel(&mut self, id: &SagaId, reason: &str) -> rusqlite::Result<bool> {
        let Some((record, number)) = Rows(&self.connection).record(id)? else {
            return Ok(false);
        };
        if record.state.is_final() {
            return Ok(false);
        }
        self.connection
            .prepare_cached(
                "UPDATE sagas SET cancel_reason = ?, cancel_at = ?, wake_at = NULL \
                 WHERE number = ? AND cancel_reason IS NULL",
            )?
            .execute(params![reason, millis(SystemTime::now()), number])?;
        Ok(true)
    }

    pub(super) fn purge(&mut self, before: SystemTime) -> rusqlite::Result<u64> {
        self.note_closed()?;
        let before = millis(before);
        let old = "SELECT number FROM sagas s WHERE closed IN ('completed', 'compensated') AND \
             (SELECT max(at) FROM entries WHERE saga = s.number) < ?";
        self.connection.execute(
            &format!("DELETE FROM entries WHERE saga IN ({old})"),
            [before],
        )?;
        // Their entries are gone now: what has ended and has none is what was just removed.
        let purged = self.connection.execute(
            "DELETE FROM sagas WHERE closed IN ('completed', 'compensated') AND \
             NOT EXISTS (SELECT 1 FROM entries WHERE saga = sagas.number)",
            [],
        )?;
        Ok(purged as u64)
    }

    /// Lets the rows of sagas that have ended say so.
    pub(super) fn note_closed(&mut self) -> rusqlite::Result<()> {
        for (number, state) in self.held.closed() {
            self.close(*number, state)?;
        }
        Ok(())
    }

    /// After a crash: lets the rows of all sagas that have ended say so.
    pub(super) fn note_all_closed(&self) -> rusqlite::Result<()> {
        self.connection
            .execute(
                "UPDATE sagas SET closed = last, worker = NULL FROM (\
                 SELECT s.number AS ended, (SELECT event FROM entries WHERE saga = s.number ORDER BY seq DESC LIMIT 1) AS last \
                 FROM sagas s WHERE s.closed IS NULL AND s.wake_at IS NULL) \
                 WHERE number = ended AND last IN ('completed', 'compensated', 'stuck')",
                [],
            )
            .map(|_| ())
    }

    fn close(&self, number: i64, state: &str) -> rusqlite::Result<()> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE sagas SET closed = ?, worker = NULL WHERE number = ?")?;
        update.execute(params![state, number]).map(|_| ())
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
