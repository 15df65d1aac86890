//! The queries of a journal: records, histories, lists and counts.

mod entries;
mod listing;
mod record;

use std::time::SystemTime;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params, params_from_iter};

use crate::id::SagaId;
use crate::journal::{
    Damage, Entry, Filter, History, OpenTally, Page, Pause, Record, State, StuckTally, Tally,
    Worker, WorkerTally, from_millis, to_millis,
};

pub(super) use entries::{Stored, entries};
pub(super) use record::record;

use listing::query;
use record::{
    CHANGED_AT, COLUMNS, HAVE_FAILED, MAYBE_OPEN, REST, STATE, UNREADABLE, listed, unreadable,
};

/// A time as a column.
pub(super) fn to_sql(time: SystemTime) -> i64 {
    to_millis(time).cast_signed()
}

pub(super) fn time(millis: i64) -> SystemTime {
    from_millis(millis.max(0).cast_unsigned())
}

/// The queries, which other connections' writes do not disturb.
pub(super) struct Read<'a>(pub(super) &'a Connection);

impl Read<'_> {
    /// One saga with its entries.
    pub(super) fn load(&self, id: &SagaId) -> rusqlite::Result<Option<History>> {
        // Both in one snapshot.
        let transaction = self.0.unchecked_transaction()?;
        let Some((mut record, number)) = self.record(id)? else {
            return Ok(None);
        };
        let entries = self.entries(number)?;
        transaction.finish()?;
        if let Ok(entries) = &entries {
            record.find_failing(entries);
        }
        Ok(Some(History { record, entries }))
    }

    /// One saga, and its number.
    pub(super) fn record(&self, id: &SagaId) -> rusqlite::Result<Option<(Record, i64)>> {
        let sql =
            format!("SELECT {COLUMNS}, {CHANGED_AT}, {STATE}, {REST} FROM sagas s WHERE s.id = ?");
        let mut statement = self.0.prepare_cached(&sql)?;
        let found = statement.query_row([id.as_str()], listed).optional()?;
        let number = id.as_str().strip_prefix(UNREADABLE);
        match number.and_then(|number| number.parse().ok()) {
            Some(number) if found.is_none() => self.unreadable_record(number),
            _ => Ok(found),
        }
    }

    /// The saga with this number, if its id can't be read.
    fn unreadable_record(&self, number: i64) -> rusqlite::Result<Option<(Record, i64)>> {
        let sql = format!(
            "SELECT {COLUMNS}, {CHANGED_AT}, {STATE}, {REST} FROM sagas s WHERE s.number = ?"
        );
        let found = self.0.prepare_cached(&sql)?.query_row([number], listed);
        let found = found.optional()?;
        Ok(found.filter(|(record, number)| record.saga.id == unreadable(*number)))
    }

    /// The entries of a saga, or why they can't be read.
    pub(super) fn entries(&self, number: i64) -> rusqlite::Result<Result<Vec<Entry>, Damage>> {
        let mut statement = self.0.prepare_cached(
            "SELECT seq, at, event, step, occurrence, kind, attempts, code, message, payload, checksum \
             FROM entries WHERE saga = ? ORDER BY seq",
        )?;
        let mut rows = statement.query(params![number])?;
        let mut stored = Vec::new();
        while let Some(row) = rows.next()? {
            stored.extend(Stored::read(row, 0)?);
        }
        Ok(entries(number, stored))
    }

    /// The number of the last entry, or 0.
    pub(super) fn last_seq(&self, number: i64) -> rusqlite::Result<u64> {
        let mut statement = self
            .0
            .prepare_cached("SELECT coalesce(max(seq), 0) FROM entries WHERE saga = ?")?;
        let last: i64 = statement.query_row([number], |row| row.get(0))?;
        Ok(last.cast_unsigned())
    }

    /// When the next saga wakes that sleeps.
    pub(super) fn next_rest(&self) -> rusqlite::Result<Option<SystemTime>> {
        let mut statement = self
            .0
            .prepare_cached("SELECT min(wake_at) FROM sagas WHERE wake_at IS NOT NULL")?;
        // A time that is no number is behind all others.
        let next: Value = statement.query_row([], |row| row.get(0))?;
        Ok(match next {
            Value::Integer(next) if next < i64::MAX => Some(time(next)),
            _ => None,
        })
    }

    /// The paused definitions. A text that can't be read is shown as far as it can.
    pub(super) fn paused(&self) -> rusqlite::Result<Vec<Pause>> {
        let mut statement = self
            .0
            .prepare_cached("SELECT name, reason, at FROM paused_definitions ORDER BY name")?;
        let text = |row: &SqlRow<'_>, index| {
            let bytes = row.get_ref(index)?.as_bytes_or_null()?;
            Ok::<_, rusqlite::Error>(
                String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned(),
            )
        };
        let paused = statement.query_map([], |row| {
            let since = row.get(2).unwrap_or_default();
            Ok(Pause::new(text(row, 0)?, text(row, 1)?, time(since)))
        })?;
        paused.collect()
    }

    /// The newest sagas first.
    pub(super) fn list(&self, filter: &Filter) -> rusqlite::Result<Page> {
        let (sql, values) = query(filter);
        let mut statement = self.0.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), listed)?;
        let mut sagas = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let is_more = sagas.len() > filter.limit;
        sagas.truncate(filter.limit);
        let next = sagas.last().map(|(_, number)| number.cast_unsigned());
        for (record, number) in &mut sagas {
            self.find_failing(record, *number)?;
            if !filter.trouble.is_empty() {
                self.find_setback(record, *number)?;
            }
        }
        // An entry says that a step has failed, and it may have been done since.
        let sagas = sagas.into_iter().map(|(record, _)| record);
        let sagas = sagas.filter(|record| !filter.failing || filter.admits(record));
        Ok(Page::new(sagas.collect(), next.filter(|_| is_more)))
    }

    /// Counts the sagas of a list. `None` if only their entries tell which they are.
    pub(super) fn count(&self, filter: &Filter) -> rusqlite::Result<Option<u64>> {
        if filter.failing {
            return Ok(None);
        }
        let (sql, values) = listing::count(filter);
        let mut statement = self.0.prepare_cached(&sql)?;
        let count: i64 = statement.query_row(params_from_iter(values), |row| row.get(0))?;
        Ok(Some(count.cast_unsigned()))
    }

    /// Counts the sagas. It reads the last entry of a saga only if that may be open.
    pub(super) fn tally(&self) -> rusqlite::Result<Tally> {
        let mut tally = Tally::default();
        let transaction = self.0.unchecked_transaction()?;
        let sql = format!(
            "SELECT name, version, state, count(*), min(started_at) FROM (
                 SELECT s.name, s.version, s.started_at, {STATE} AS state FROM sagas s
                 WHERE {MAYBE_OPEN}s.closed IS NULL
                 UNION ALL
                 SELECT s.name, s.version, s.started_at, s.closed FROM sagas s
                 WHERE s.closed IN ('stuck', 'abandoned'))
             GROUP BY name, version, state"
        );
        let mut statement = self.0.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        let mut open = 0;
        while let Some(row) = rows.next()? {
            let state = row.get::<_, String>(2)?.parse();
            let (state, sagas) = (state.unwrap_or(State::Stuck), row.get::<_, i64>(3)?);
            let sagas = sagas.cast_unsigned();
            if state.is_final() {
                tally.ended(state, sagas);
            } else {
                let (name, oldest) = (row.get(0)?, time(row.get(4)?));
                tally
                    .open
                    .push(OpenTally::new(name, row.get(1)?, state, sagas, oldest));
                open += sagas;
            }
        }
        let mut stuck = self.0.prepare_cached(
            "SELECT s.name, coalesce((SELECT e.code FROM entries e WHERE e.saga = s.number AND e.event = 'stuck'
                                      ORDER BY e.seq DESC LIMIT 1), '') AS code, count(*)
             FROM sagas s WHERE s.closed = 'stuck' GROUP BY 1, 2",
        )?;
        let mut stuck = stuck.query([])?;
        while let Some(row) = stuck.next()? {
            let sagas = row.get::<_, i64>(2)?.cast_unsigned();
            let stuck = StuckTally::new(row.get(0)?, row.get(1)?, sagas);
            tally.stuck.push(stuck);
        }
        let count = |sql: &str| -> rusqlite::Result<u64> {
            let mut statement = self.0.prepare_cached(sql)?;
            let count: i64 = statement.query_row([], |row| row.get(0))?;
            Ok(count.cast_unsigned())
        };
        // Nearly all of them say so in their rows.
        let compensated = count("SELECT count(*) FROM sagas s WHERE s.closed = 'compensated'")?;
        tally.ended(State::Compensated, compensated);
        let ended: u64 = tally.ended.iter().map(|(_, sagas)| sagas).sum();
        let all = count("SELECT count(*) FROM sagas")?;
        tally.ended(State::Completed, all.saturating_sub(open + ended));
        transaction.finish()?;
        tally.sort();
        Ok(tally)
    }

    /// The workers that hold sagas, by name.
    pub(super) fn workers(&self) -> rusqlite::Result<Vec<WorkerTally>> {
        let mut statement = self.0.prepare_cached(&format!(
            "SELECT worker, count(*) FROM sagas s
             WHERE {MAYBE_OPEN}s.worker IS NOT NULL AND {STATE} IN ('running', 'compensating') GROUP BY worker ORDER BY worker"
        ))?;
        let workers = statement.query_map([], |row| {
            let worker = Worker::new(row.get::<_, String>(0)?);
            let sagas = row.get::<_, i64>(1)?.cast_unsigned();
            Ok(WorkerTally::new(worker, sagas, None))
        })?;
        workers.collect()
    }

    /// Finds the steps of an open saga whose attempts fail.
    fn find_failing(&self, record: &mut Record, number: i64) -> rusqlite::Result<()> {
        if record.state.is_final() || record.state == State::Stuck {
            return Ok(());
        }
        let mut statement = self
            .0
            .prepare_cached(&format!("SELECT ? IN ({HAVE_FAILED})"))?;
        if statement.query_row([number], |row| row.get(0))?
            && let Ok(entries) = self.entries(number)?
        {
            record.find_failing(&entries);
        }
        Ok(())
    }

    /// Finds the reason why a saga is stuck or undone. An entry that can't be read tells none.
    fn find_setback(&self, record: &mut Record, number: i64) -> rusqlite::Result<()> {
        let event = match record.state {
            State::Completed => return Ok(()),
            State::Stuck => "stuck",
            _ => "compensating",
        };
        let mut statement = self.0.prepare_cached(
            "SELECT seq, at, event, step, occurrence, kind, attempts, code, message, payload, checksum \
             FROM entries WHERE saga = ? AND event = ? ORDER BY seq DESC LIMIT 1",
        )?;
        let stored = statement
            .query_row(params![number, event], |row| Stored::read(row, 0))
            .optional()?
            .flatten();
        if let Some(Ok(entry)) = stored.map(|stored| stored.alone(number)) {
            record.find_setback(&[entry]);
        }
        Ok(())
    }
}
