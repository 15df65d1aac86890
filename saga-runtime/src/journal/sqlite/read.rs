//! Rows as records and entries.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::SystemTime;

use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params, params_from_iter};

use crate::id::SagaId;
use crate::journal::record::UnknownState;
use crate::journal::sqlite::checksum;
use crate::journal::{
    Cancellation, Damage, Entry, Event, Filter, History, NewSaga, OpenTally, Page, Pause, Record,
    Row, State, StuckTally, Tally, Wakeup, Worker, WorkerTally, from_millis, to_millis,
};
use crate::meta::Kind;
use crate::trace::TraceContext;

/// A time as a column.
pub(super) fn to_sql(time: SystemTime) -> i64 {
    to_millis(time).cast_signed()
}

/// The place of the saga's number among the columns of [`record`].
const NUMBER: usize = 11;

/// The columns of [`record`], of a saga whose row is called `s`, but for two: when it was changed, and its state.
const COLUMNS: &str = "s.id, s.name, s.version, s.fingerprint, s.input, s.started_at, s.epoch, s.worker, \
     s.cancel_reason, s.cancel_at, s.number, s.checksum, s.traceparent, s.tracestate";

const CHANGED_AT: &str =
    "(SELECT e.at FROM entries e WHERE e.saga = s.number ORDER BY e.seq DESC LIMIT 1)";

/// In SQL, the state of a saga that is in the row `s`.
const STATE: &str = "coalesce(s.closed, CASE \
     (SELECT e.event FROM entries e WHERE e.saga = s.number ORDER BY e.seq DESC LIMIT 1) \
     WHEN 'completed' THEN 'completed' WHEN 'compensated' THEN 'compensated' WHEN 'stuck' THEN 'stuck' \
     WHEN 'abandoned' THEN 'abandoned' \
     ELSE NULL END, CASE WHEN s.worker IS NULL THEN 'waiting' ELSE \
     CASE WHEN EXISTS (SELECT 1 FROM entries e WHERE e.saga = s.number AND e.event = 'compensating') \
     THEN 'compensating' ELSE 'running' END END)";

/// In SQL, when a saga that is in the row `s` can be claimed, and the last wait, if it is not over.
const REST: &str = "s.wake_at, CASE WHEN s.wake_at IS NOT NULL THEN \
     (SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM entries o WHERE o.saga = w.saga AND o.seq > w.seq \
     AND o.event = 'wait_over' AND o.step = w.step AND o.occurrence = w.occurrence) THEN w.step END \
     FROM entries w WHERE w.saga = s.number AND w.event = 'waiting' ORDER BY w.seq DESC LIMIT 1) END";

/// In SQL, the sagas that may be open: listed as awake, not listed yet, or asleep.
const MAYBE_OPEN: &str = "s.number IN (SELECT number FROM awake_sagas UNION ALL \
     SELECT number FROM sagas WHERE number > (SELECT through FROM listed) UNION ALL \
     SELECT number FROM sagas WHERE wake_at IS NOT NULL) AND ";

/// In SQL, the sagas in which attempts of a step have failed until the saga was released.
const HAVE_FAILED: &str = "SELECT e.saga FROM entries e WHERE e.event = 'failing'";

/// The record of a saga, and its number. A column that can't be read damages this record only.
pub(super) fn record(row: &SqlRow<'_>) -> rusqlite::Result<(Record, i64)> {
    let number = row.get(10)?;
    let mut columns = SqlColumns::of(row);
    let id = columns.needed_text(0, "id");
    let id = SagaId::new(id).map_err(|error| error.to_string());
    let id = columns.sound(id).filter(|_| columns.damage.is_none());
    let saga = NewSaga {
        id: id.unwrap_or_else(|| unreadable(number)),
        name: columns.needed_text(1, "name"),
        version: columns.needed_number(2, "version"),
        fingerprint: columns.bits(3, "fingerprint"),
        input: columns.needed_text(4, "input"),
        trace: columns.trace(12, 13),
    };
    let started_at = columns.needed_number::<u64>(5, "started_at");
    if let Some(checksum) = columns.number::<u32>(11, "checksum")
        && columns.damage.is_none()
        && checksum
            != checksum::with(
                checksum::of_saga(&saga),
                &[started_at.cast_signed(), number],
            )
    {
        columns.damaged(DIFFERS.to_owned());
    }
    let started_at = from_millis(started_at);
    let mut record = Record::new(saga, started_at);
    record.epoch = columns.needed_number(6, "epoch");
    record.worker = columns.text(7, "worker").map(Worker::new);
    let reason = columns.text(8, "cancel_reason");
    let at: Option<u64> = columns.number(9, "cancel_at");
    record.cancellation = reason.map(|reason| Cancellation {
        reason,
        at: from_millis(at.unwrap_or_default()),
    });
    // Of an entry, whose damage is not the record's.
    record.changed_at = row.get(14).ok().flatten().map_or(started_at, time);
    let state = columns.text(15, "closed").unwrap_or_default();
    let state = state
        .parse()
        .map_err(|error: UnknownState| error.to_string());
    record.state = columns.sound(state).unwrap_or(State::Stuck);
    if record.state.is_final() || record.state == State::Stuck {
        // The row may not say so yet.
        record.worker = None;
    }
    record.damage = columns.damage.map(Damage::of_record);
    Ok((record, number))
}

/// The record in a row that also says where the saga rests: [`REST`].
fn listed(row: &SqlRow<'_>) -> rusqlite::Result<(Record, i64)> {
    let (mut record, number) = record(row)?;
    let wake_at: Option<i64> = row.get(16).unwrap_or_default();
    if record.state == State::Waiting
        && let Some(wake_at) = wake_at
    {
        record.rest = match wake_at {
            i64::MAX => Wakeup::WhenCalled,
            at => Wakeup::At(time(at)),
        };
        record.rests_at = row.get(17).unwrap_or_default();
    }
    Ok((record, number))
}

/// The id by which commands reach a saga whose own id can't be read.
fn unreadable(number: i64) -> SagaId {
    // A text of this length is one.
    SagaId::new(format!("{UNREADABLE}{number}")).unwrap_or_else(|_| SagaId::generate())
}

const UNREADABLE: &str = "unreadable#";

const DIFFERS: &str = "its checksum differs";

/// The columns of a row, each read by itself, and the first damage among them.
struct SqlColumns<'r, 'q> {
    row: &'r SqlRow<'q>,
    damage: Option<String>,
}

impl<'r, 'q> SqlColumns<'r, 'q> {
    fn of(row: &'r SqlRow<'q>) -> Self {
        Self { row, damage: None }
    }

    fn damaged(&mut self, message: String) {
        self.damage.get_or_insert(message);
    }

    /// The value; its error damages the row.
    fn sound<T>(&mut self, read: Result<T, String>) -> Option<T> {
        read.map_err(|message| self.damaged(message)).ok()
    }

    /// A text, as far as it is one.
    fn text(&mut self, index: usize, column: &str) -> Option<String> {
        let value = self.row.get_ref(index).map_err(|error| error.to_string());
        match self.sound(value)? {
            ValueRef::Null => None,
            ValueRef::Text(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                if matches!(text, Cow::Owned(_)) {
                    self.damaged(format!("`{column}` is not UTF-8"));
                }
                Some(text.into_owned())
            }
            other => {
                self.damaged(format!("`{column}` is no text, but {}", other.data_type()));
                None
            }
        }
    }

    fn needed_text(&mut self, index: usize, column: &str) -> String {
        let text = self.text(index, column);
        self.needed(text, column)
    }

    fn needed<T: Default>(&mut self, value: Option<T>, column: &str) -> T {
        value.unwrap_or_else(|| {
            self.damaged(format!("there is no `{column}`"));
            T::default()
        })
    }

    /// The trace context in two columns.
    fn trace(&mut self, traceparent: usize, tracestate: usize) -> Option<TraceContext> {
        let traceparent = self.text(traceparent, "traceparent");
        let tracestate = self.text(tracestate, "tracestate");
        TraceContext::recorded(traceparent.as_deref(), tracestate.as_deref())
    }

    fn integer(&mut self, index: usize, column: &str) -> Option<i64> {
        let number = self.row.get::<_, Option<i64>>(index);
        self.sound(number.map_err(|error| format!("`{column}`: {error}")))?
    }

    fn number<T: TryFrom<i64>>(&mut self, index: usize, column: &str) -> Option<T> {
        let number = self.integer(index, column)?;
        let message = format!("`{column}` is {number}");
        self.sound(number.try_into().map_err(|_| message))
    }

    fn needed_number<T: TryFrom<i64> + Default>(&mut self, index: usize, column: &str) -> T {
        let number = self.number(index, column);
        self.needed(number, column)
    }

    /// A number of 64 bits, whose sign is one of them.
    fn bits(&mut self, index: usize, column: &str) -> u64 {
        let number = self.integer(index, column);
        self.needed(number, column).cast_unsigned()
    }
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
        }
        // An entry says that a step has failed, and it may have been done since.
        let sagas = sagas.into_iter().map(|(record, _)| record);
        let sagas = sagas.filter(|record| !filter.failing || filter.admits(record));
        Ok(Page::new(sagas.collect(), next.filter(|_| is_more)))
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
    if filter.failing {
        let (sql, values) = (&mut conditions.sql, &mut conditions.values);
        // Writing to a text does not fail.
        let _ = write!(
            sql,
            " AND {STATE} IN ('waiting', 'running', 'compensating') AND s.number IN ({HAVE_FAILED}"
        );
        if let Some(step) = &filter.failing_step {
            values.push(step.clone().into());
            let _ = write!(sql, " AND e.step = ?{}", values.len());
        }
        sql.push(')');
    }
    if filter.skipped {
        conditions.sql.push_str(
            " AND EXISTS (SELECT 1 FROM entries e WHERE e.saga = s.number AND e.event = 'compensation_skipped')",
        );
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
            "SELECT {COLUMNS}, {CHANGED_AT}, {STATE}, {REST} FROM sagas s WHERE {which}{sql} ORDER BY s.number DESC LIMIT ?{limit}"
        )
    };
    // Most states can be found without asking each saga for its last entry.
    let sql = match filter.state {
        None => among("1"),
        Some(State::Completed) => among(&format!("{STATE} = 'completed'")),
        Some(state @ (State::Stuck | State::Abandoned)) => among(&format!("s.closed = '{state}'")),
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

/// The first text that comes after all texts that begin with this one, if there is any.
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
    /// 0 if it can't be read.
    pub(super) seq: u32,
    at: i64,
    /// The checksum, if there is one, or why it or what stands before it can't be read.
    checksum: Result<Option<u32>, String>,
    columns: Result<Row, String>,
}

impl Stored {
    /// Reads the columns from the one with this number on; nothing if there are none. A column that can't be read damages
    /// this entry only.
    pub(super) fn read(row: &SqlRow<'_>, first: usize) -> rusqlite::Result<Option<Self>> {
        if row.get_ref(first)? == ValueRef::Null {
            return Ok(None);
        }
        let seq = row.get::<_, u32>(first).map_err(|error| error.to_string());
        let at = row.get::<_, i64>(first + 1);
        let at = at.map_err(|error| error.to_string());
        let checksum = row.get::<_, Option<u32>>(first + 10);
        let checksum = checksum.map_err(|error| error.to_string());
        let columns = columns(row, first + 2).map_err(|error| error.to_string());
        Ok(Some(Self {
            seq: *seq.as_ref().unwrap_or(&0),
            at: *at.as_ref().unwrap_or(&0),
            checksum: seq.and(at).and(checksum),
            columns,
        }))
    }

    /// The entry of this saga that is expected to have this number.
    fn into_entry(self, saga: i64, expected: u64) -> Result<Entry, Damage> {
        let damaged = |message| Damage::new(expected, message);
        let checksum = self.checksum.map_err(damaged)?;
        let seq = u64::from(self.seq);
        let row = self.columns.map_err(damaged)?;
        let actual = checksum
            .map(|_| checksum::with(checksum::of_row(&row), &[self.at, saga, seq.cast_signed()]));
        let event = row.into_event(seq)?;
        if actual != checksum {
            return Err(damaged(DIFFERS.to_owned()));
        }
        let at = time(self.at);
        Ok(Entry { seq, at, event })
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

/// The entries of a saga, or why they can't be read.
pub(super) fn entries(saga: i64, stored: Vec<Stored>) -> Result<Vec<Entry>, Damage> {
    let mut readable = Vec::with_capacity(stored.len());
    let mut damage = None;
    for (stored, expected) in stored.into_iter().zip(1..) {
        let seq = u64::from(stored.seq);
        if stored.checksum.is_ok() && seq != expected {
            let message = format!("it is missing; the next one is {seq}");
            damage.get_or_insert_with(|| Damage::new(expected, message));
        }
        match stored.into_entry(saga, expected) {
            Ok(entry) => readable.push(entry),
            Err(unread) => drop(damage.get_or_insert(unread)),
        }
    }
    match damage {
        None => Ok(readable),
        Some(damage) => Err(damage.beside(readable)),
    }
}
