//! Rows as records and entries.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::SystemTime;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params, params_from_iter};

use crate::id::SagaId;
use crate::journal::{
    Cancellation, Damage, Entry, Event, Filter, History, NewSaga, Page, Record, Row, State, Worker,
    from_millis, to_millis,
};
use crate::meta::Kind;

/// A time as a column.
pub(super) fn to_sql(time: SystemTime) -> i64 {
    to_millis(time).cast_signed()
}

/// The place of the saga's number among the columns of [`record`].
const NUMBER: usize = 11;

/// The columns of [`record`], of a saga whose row is called `s`, but for two: when it was changed, and its state.
const COLUMNS: &str = "s.id, s.name, s.version, s.fingerprint, s.input, s.started_at, s.epoch, s.worker, \
     s.cancel_reason, s.cancel_at, s.number";

const CHANGED_AT: &str =
    "(SELECT e.at FROM entries e WHERE e.saga = s.number ORDER BY e.seq DESC LIMIT 1)";

/// In SQL, the state of a saga that is in the row `s`.
const STATE: &str = "coalesce(s.closed, CASE \
     (SELECT e.event FROM entries e WHERE e.saga = s.number ORDER BY e.seq DESC LIMIT 1) \
     WHEN 'completed' THEN 'completed' WHEN 'compensated' THEN 'compensated' WHEN 'stuck' THEN 'stuck' \
     ELSE NULL END, CASE WHEN s.worker IS NULL THEN 'waiting' ELSE \
     CASE WHEN EXISTS (SELECT 1 FROM entries e WHERE e.saga = s.number AND e.event = 'compensating') \
     THEN 'compensating' ELSE 'running' END END)";

/// In SQL, those that may be open: listed as awake, not listed yet, or asleep.
const MAYBE_OPEN: &str = "s.number IN (SELECT number FROM awake_sagas UNION ALL \
     SELECT number FROM sagas WHERE number > (SELECT through FROM listed) UNION ALL \
     SELECT number FROM sagas WHERE wake_at IS NOT NULL) AND ";

/// The record of a saga, and its number.
pub(super) fn record(row: &SqlRow<'_>) -> rusqlite::Result<(Record, i64)> {
    let id = row.get_ref(0)?.as_str()?;
    let unsuitable = |error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    };
    let saga = NewSaga {
        id: SagaId::new(id).map_err(unsuitable)?,
        name: row.get(1)?,
        version: row.get(2)?,
        fingerprint: row.get::<_, i64>(3)?.cast_unsigned(),
        input: row.get(4)?,
    };
    let started_at = time(row.get(5)?);
    let mut record = Record::new(saga, started_at);
    record.epoch = row.get::<_, i64>(6)?.cast_unsigned();
    record.worker = row.get_ref(7)?.as_str_or_null()?.map(Worker::new);
    let reason: Option<String> = row.get(8)?;
    let at: Option<i64> = row.get(9)?;
    record.cancellation = reason.map(|reason| Cancellation {
        reason,
        at: time(at.unwrap_or_default()),
    });
    record.changed_at = row.get::<_, Option<i64>>(11)?.map_or(started_at, time);
    let state = row.get_ref(12)?.as_str()?;
    record.state = state.parse().unwrap_or(State::Stuck);
    if record.state.is_final() || record.state == State::Stuck {
        // The row may not say so yet.
        record.worker = None;
    }
    Ok((record, row.get(10)?))
}

fn time(millis: i64) -> SystemTime {
    from_millis(millis.max(0).cast_unsigned())
}

/// What can be read while others write.
pub(super) struct Read<'a>(pub(super) &'a Connection);

impl Read<'_> {
    /// One saga with its entries.
    pub(super) fn load(&self, id: &SagaId) -> rusqlite::Result<Option<History>> {
        // Both in one snapshot.
        let transaction = self.0.unchecked_transaction()?;
        let Some((record, number)) = self.record(id)? else {
            return Ok(None);
        };
        let entries = self.entries(number)?;
        transaction.finish()?;
        Ok(Some(History { record, entries }))
    }

    /// One saga, and its number.
    pub(super) fn record(&self, id: &SagaId) -> rusqlite::Result<Option<(Record, i64)>> {
        let sql = format!("SELECT {COLUMNS}, {CHANGED_AT}, {STATE} FROM sagas s WHERE s.id = ?");
        let mut statement = self.0.prepare_cached(&sql)?;
        statement.query_row([id.as_str()], record).optional()
    }

    /// The entries of a saga, or why they can't be read.
    pub(super) fn entries(&self, number: i64) -> rusqlite::Result<Result<Vec<Entry>, Damage>> {
        let mut statement = self.0.prepare_cached(
            "SELECT seq, at, event, step, occurrence, kind, attempts, code, message, payload \
             FROM entries WHERE saga = ? ORDER BY seq",
        )?;
        let mut rows = statement.query(params![number])?;
        let mut stored = Vec::new();
        while let Some(row) = rows.next()? {
            stored.extend(Stored::read(row, 0)?);
        }
        Ok(entries(stored))
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
        let next: Option<i64> = statement.query_row([], |row| row.get(0))?;
        Ok(next.filter(|next| *next < i64::MAX).map(time))
    }

    /// The newest sagas first.
    pub(super) fn list(&self, filter: &Filter) -> rusqlite::Result<Page> {
        let (sql, values) = query(filter);
        let mut statement = self.0.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), record)?;
        let mut sagas = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        let is_more = sagas.len() > filter.limit;
        sagas.truncate(filter.limit);
        let next = sagas.last().map(|(_, number)| number.cast_unsigned());
        let sagas = sagas.into_iter().map(|(record, _)| record).collect();
        Ok(Page::new(sagas, next.filter(|_| is_more)))
    }
}

/// The conditions of a list, with the values of their numbered parameters.
#[derive(Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn also(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let number = self.values.len();
        // Writing to a text does not fail.
        let _ = write!(self.sql, " AND {condition} ?{number}");
    }
}

/// The statement for a list: one row more than asked for shows whether there is a next page.
fn query(filter: &Filter) -> (String, Vec<Value>) {
    let mut conditions = Conditions::default();
    if let Some(name) = &filter.name {
        conditions.also("s.name =", name.clone());
    }
    if let Some(prefix) = &filter.id_prefix {
        // As a range, which can be looked up.
        conditions.also("s.id >=", prefix.clone());
        if let Some(end) = behind_all_with(prefix) {
            conditions.also("s.id <", end);
        }
    }
    if let Some(from) = filter.started_from {
        conditions.also("s.started_at >=", to_sql(from));
    }
    if let Some(before) = filter.started_before {
        conditions.also("s.started_at <", to_sql(before));
    }
    if let Some(after) = filter.after {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        conditions.also("s.number <", after);
    }
    let limit = filter.limit.saturating_add(1);
    let Conditions { sql, mut values } = conditions;
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let limit = values.len();
    let among = |which: &str| {
        format!(
            "SELECT {COLUMNS}, {CHANGED_AT}, {STATE} FROM sagas s WHERE {which}{sql} ORDER BY s.number DESC LIMIT ?{limit}"
        )
    };
    // What can be found without asking each saga for its last entry.
    let sql = match filter.state {
        None => among("1"),
        Some(State::Completed) => among(&format!("{STATE} = 'completed'")),
        Some(State::Stuck) => among("s.closed = 'stuck'"),
        // Most of their rows say so, and the last ones do not yet.
        Some(State::Compensated) => format!(
            "SELECT * FROM ({}) UNION ALL SELECT * FROM ({}) ORDER BY {NUMBER} DESC LIMIT ?{limit}",
            among("s.closed = 'compensated'"),
            among(&format!(
                "s.closed IS NULL AND {MAYBE_OPEN}{STATE} = 'compensated'"
            )),
        ),
        Some(state @ (State::Waiting | State::Running | State::Compensating)) => {
            among(&format!("{MAYBE_OPEN}{STATE} = '{state}'"))
        }
    };
    (sql, values)
}

/// The first text that comes after all those that begin with this one, if there is any.
fn behind_all_with(prefix: &str) -> Option<String> {
    let mut begin = prefix.to_owned();
    loop {
        let last = begin.pop()?;
        if let Some(next) = (last..=char::MAX).nth(1) {
            begin.push(next);
            return Some(begin);
        }
    }
}

/// An entry as it is stored.
pub(super) struct Stored {
    pub(super) seq: u64,
    at: i64,
    columns: Result<Row, String>,
}

impl Stored {
    /// Reads the columns from the one with this number on; nothing if there are none.
    pub(super) fn read(row: &SqlRow<'_>, first: usize) -> rusqlite::Result<Option<Self>> {
        let seq: Option<i64> = row.get(first)?;
        let Some(seq) = seq else { return Ok(None) };
        let columns = columns(row, first + 2).map_err(|error| error.to_string());
        Ok(Some(Self {
            seq: seq.cast_unsigned(),
            at: row.get(first + 1).unwrap_or_default(),
            columns,
        }))
    }
}

fn columns(row: &SqlRow<'_>, first: usize) -> rusqlite::Result<Row> {
    let text = |index| row.get::<_, Option<String>>(first + index);
    Ok(Row {
        event: known(row, first, &Event::NAMES)?.unwrap_or_default(),
        step: text(1)?.map(Into::into),
        occurrence: row.get(first + 2)?,
        kind: known(row, first + 3, &Kind::ALL.map(Kind::name))?,
        attempts: row.get(first + 4)?,
        code: text(5)?.map(Into::into),
        message: text(6)?,
        payload: text(7)?,
    })
}

/// A text that is one of these, most probably.
fn known(
    row: &SqlRow<'_>,
    index: usize,
    texts: &[&'static str],
) -> rusqlite::Result<Option<Cow<'static, str>>> {
    let text = row.get_ref(index)?.as_str_or_null()?;
    Ok(text.map(|text| {
        let known = texts.iter().find(|known| **known == text);
        known.map_or_else(|| text.to_owned().into(), |known| (*known).into())
    }))
}

/// What is stored, as entries, or why they can't be read.
pub(super) fn entries(stored: Vec<Stored>) -> Result<Vec<Entry>, Damage> {
    let entry = |(stored, expected): (Stored, u64)| {
        let seq = stored.seq;
        if seq != expected {
            let message = format!("it is missing; the next one is {seq}");
            return Err(Damage::new(expected, message));
        }
        let columns = stored
            .columns
            .map_err(|message| Damage::new(seq, message))?;
        Ok(Entry {
            seq,
            at: time(stored.at),
            event: columns.into_event(seq)?,
        })
    };
    stored.into_iter().zip(1..).map(entry).collect()
}
