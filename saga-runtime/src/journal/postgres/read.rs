//! Reading sagas and their entries.

mod listing;

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::id::SagaId;
use crate::journal::postgres::connections::{Connections, RunOn as _};
use crate::journal::postgres::schema::Schema;
use crate::journal::postgres::text::{restored, stored};
use crate::journal::{
    Cancellation, Damage, Entry, History, NewSaga, OpenTally, Pause, Record, Row, State,
    StuckTally, Tally, Wakeup, Worker, WorkerTally,
};
use crate::trace::TraceContext;

pub(super) use listing::{count, list};

/// The columns of a record. `last_seq` and `entries` tell the epoch of a saga that has ended.
const RECORD: &str = "
    s.number, s.id, s.name, s.version, s.fingerprint, s.input::text AS input,
    s.traceparent, s.tracestate,
    (extract(epoch FROM s.started_at) * 1000)::float8 AS started_at,
    o.number IS NOT NULL AS is_open, o.epoch, o.worker, coalesce(o.stuck, false) AS stuck, o.cancel_reason,
    (extract(epoch FROM o.cancel_at) * 1000)::float8 AS cancel_at,
    EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensating') AS is_compensating,
    EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensated') AS is_compensated,
    EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'abandoned') AS is_abandoned,
    l.last_seq, l.entries, l.changed_at,
    CASE WHEN o.wake_at < 'infinity' THEN (extract(epoch FROM o.wake_at) * 1000)::float8 END AS wake_at,
    o.wake_at IS NOT NULL AS rests,
    CASE WHEN o.wake_at IS NOT NULL THEN
        (SELECT CASE WHEN NOT EXISTS (SELECT FROM {schema}.entries d WHERE d.saga = w.saga AND d.seq > w.seq
             AND d.event = 'wait_over' AND d.step = w.step AND d.occurrence = w.occurrence) THEN w.step END
         FROM {schema}.entries w WHERE w.saga = s.number AND w.event = 'waiting'
         ORDER BY w.seq DESC LIMIT 1) END AS rests_at
    FROM {schema}.sagas s LEFT JOIN {schema}.open_sagas o ON o.number = s.number
    LEFT JOIN LATERAL (SELECT max(e.seq) AS last_seq, count(*) FILTER (WHERE e.event <> 'claimed') AS entries,
                              (extract(epoch FROM max(e.at) FILTER (WHERE e.event <> 'claimed')) * 1000)::float8 AS changed_at
                       FROM {schema}.entries e WHERE e.saga = s.number) l ON true";

/// The columns of an entry.
pub(super) const ENTRY: &str =
    "saga, seq, (extract(epoch FROM at) * 1000)::float8 AS at, event, step, occurrence, kind,
    attempts, code, message, payload::text AS payload";

/// One saga, whether it is open or not.
pub(super) async fn load(
    pool: &Connections,
    schema: &Schema,
    id: &SagaId,
) -> Result<Option<History>, sqlx::Error> {
    let sql = schema.sql(&format!("SELECT {RECORD} WHERE s.id = $1"));
    // One snapshot, so that the record and the entries agree.
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .execute(&mut *transaction)
        .await?;
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(stored(id.as_str()))
        .persistent(pool.keep_statements())
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut record = listed(&row)?;
    let sql = schema.sql(&format!(
        "SELECT {ENTRY} FROM {{schema}}.entries WHERE saga = $1 ORDER BY seq"
    ));
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(row.try_get::<i64, _>("number")?)
        .persistent(pool.keep_statements())
        .fetch_all(&mut *transaction)
        .await?;
    let entries = entries(&rows);
    if let Ok(entries) = &entries {
        record.find_failing(entries);
    }
    Ok(Some(History { record, entries }))
}

/// The record in a row that also says where the saga rests.
fn listed(row: &PgRow) -> Result<Record, sqlx::Error> {
    let mut record = record(row)?;
    if record.state == State::Waiting && row.try_get("rests")? {
        let at: Option<f64> = row.try_get("wake_at")?;
        record.rest = at.map_or(Wakeup::WhenCalled, |at| Wakeup::At(time(at)));
        record.rests_at = row.try_get::<Option<String>, _>("rests_at")?.map(restored);
    }
    Ok(record)
}

/// The record of one saga, whether it is open or not.
pub(super) async fn one(
    pool: &Connections,
    schema: &Schema,
    id: &SagaId,
) -> Result<Option<Record>, sqlx::Error> {
    let sql = schema.sql(&format!("SELECT {RECORD} WHERE s.id = $1"));
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(stored(id.as_str()))
        .optional_on(pool)
        .await?;
    row.as_ref().map(listed).transpose()
}

/// The record of one saga, as a transaction of the caller's sees it.
pub(super) async fn one_in(
    transaction: &mut PgConnection,
    schema: &Schema,
    id: &SagaId,
) -> Result<Option<Record>, sqlx::Error> {
    let sql = schema.sql(&format!("SELECT {RECORD} WHERE s.id = $1"));
    let row = sqlx::query(AssertSqlSafe(sql))
        .bind(stored(id.as_str()))
        // The caller may be behind a proxy that pools transactions.
        .persistent(false)
        .fetch_optional(transaction)
        .await?;
    row.as_ref().map(listed).transpose()
}

/// The paused definitions, by name.
pub(super) async fn paused(pool: &Connections, schema: &Schema) -> Result<Vec<Pause>, sqlx::Error> {
    let sql = schema.sql(
        "SELECT name, reason, (extract(epoch FROM at) * 1000)::float8 FROM {schema}.paused_definitions ORDER BY name",
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).all_on(pool).await?;
    let pause = |row: &PgRow| {
        let text = |index| row.try_get(index).map(restored);
        Ok(Pause::new(text(0)?, text(1)?, time(row.try_get(2)?)))
    };
    rows.iter().map(pause).collect()
}

/// The numbers of sagas, in one statement: it sees one moment, and many processes ask now and then.
pub(super) async fn tally(pool: &Connections, schema: &Schema) -> Result<Tally, sqlx::Error> {
    let sql = schema.sql(
        "SELECT 'open' AS kind, s.name, s.version,
             CASE WHEN o.stuck THEN 'stuck' WHEN o.worker IS NULL THEN 'waiting'
                  WHEN EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = o.number AND e.event = 'compensating')
                  THEN 'compensating' ELSE 'running' END AS detail,
             count(*) AS sagas, (extract(epoch FROM min(s.started_at)) * 1000)::float8 AS oldest
         FROM {schema}.open_sagas o JOIN {schema}.sagas s ON s.number = o.number GROUP BY 1, 2, 3, 4
         UNION ALL
         SELECT 'stuck', s.name, 0, coalesce(e.code, ''), count(*), 0
         FROM {schema}.open_sagas o JOIN {schema}.sagas s ON s.number = o.number
         LEFT JOIN LATERAL (SELECT e.code FROM {schema}.entries e WHERE e.saga = o.number AND e.event = 'stuck'
                            ORDER BY e.seq DESC LIMIT 1) e ON true
         WHERE o.stuck GROUP BY 1, 2, 3, 4
         UNION ALL
         SELECT event, '', 0, '', count(DISTINCT saga), 0 FROM {schema}.entries
         WHERE event = 'compensated' GROUP BY event
         UNION ALL
         SELECT event, '', 0, '', count(DISTINCT saga), 0 FROM {schema}.entries
         WHERE event = 'abandoned' GROUP BY event
         UNION ALL
         SELECT 'all', '', 0, '', count(*), 0 FROM {schema}.sagas",
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).all_on(pool).await?;
    let mut tally = Tally::default();
    let (mut all, mut open, mut compensated, mut abandoned) = (0, 0, 0, 0);
    for row in rows {
        let sagas = row.try_get::<i64, _>("sagas")?.cast_unsigned();
        let name = restored(row.try_get("name")?);
        let detail: String = row.try_get("detail")?;
        match row.try_get::<&str, _>("kind")? {
            "open" => {
                tally.open.push(OpenTally::new(
                    name,
                    unsigned(row.try_get("version")?),
                    detail.parse().unwrap_or(State::Stuck),
                    sagas,
                    time(row.try_get("oldest")?),
                ));
                open += sagas;
            }
            "stuck" => tally
                .stuck
                .push(StuckTally::new(name, restored(detail), sagas)),
            "compensated" => compensated = sagas,
            "abandoned" => abandoned = sagas,
            _ => all = sagas,
        }
    }
    tally.ended(State::Compensated, compensated);
    tally.ended(State::Abandoned, abandoned);
    let completed = all.saturating_sub(open + compensated + abandoned);
    tally.ended(State::Completed, completed);
    tally.sort();
    Ok(tally)
}

/// The workers that hold sagas, and those whose lease is valid, by name.
pub(super) async fn workers(
    pool: &Connections,
    schema: &Schema,
) -> Result<Vec<WorkerTally>, sqlx::Error> {
    let sql = schema.sql(
        "SELECT name, coalesce(sagas, 0) AS sagas,
             greatest(extract(epoch FROM valid_until - clock_timestamp()), 0)::float8 AS lease_left
         FROM (SELECT worker AS name, count(*) AS sagas FROM {schema}.open_sagas
               WHERE worker IS NOT NULL AND NOT stuck GROUP BY worker) held
             FULL JOIN {schema}.workers USING (name)
         WHERE sagas IS NOT NULL OR valid_until > clock_timestamp() ORDER BY name COLLATE \"C\"",
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).all_on(pool).await?;
    let worker = |row: &PgRow| {
        let sagas = row.try_get::<i64, _>("sagas")?.cast_unsigned();
        let left: Option<f64> = row.try_get("lease_left")?;
        let left = Duration::try_from_secs_f64(left.unwrap_or(0.0)).unwrap_or(Duration::MAX);
        let worker = Worker::new(row.try_get::<String, _>("name")?);
        Ok(WorkerTally::new(worker, sagas, Some(left)))
    };
    rows.iter().map(worker).collect()
}

/// The entries of those of these sagas that are open and in which attempts of a step have failed.
async fn have_failed(
    pool: &Connections,
    schema: &Schema,
    numbers: &[i64],
) -> Result<HashMap<i64, Vec<PgRow>>, sqlx::Error> {
    let sql = schema.sql(&format!(
        "SELECT {ENTRY} FROM {{schema}}.entries WHERE saga IN
             (SELECT e.saga FROM {{schema}}.entries e JOIN {{schema}}.open_sagas o ON o.number = e.saga
              WHERE e.event = 'failing' AND NOT o.stuck AND e.saga = ANY($1))
         ORDER BY saga, seq"
    ));
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(numbers)
        .all_on(pool)
        .await?;
    let mut by_saga: HashMap<i64, Vec<PgRow>> = HashMap::new();
    for row in rows {
        by_saga.entry(row.try_get("saga")?).or_default().push(row);
    }
    Ok(by_saga)
}

/// The state of a saga that has ended.
pub(super) fn ended(row: &PgRow) -> Result<State, sqlx::Error> {
    Ok(if row.try_get("is_compensated")? {
        State::Compensated
    } else if row.try_get("is_abandoned")? {
        State::Abandoned
    } else {
        State::Completed
    })
}

/// The record in a row.
pub(super) fn record(row: &PgRow) -> Result<Record, sqlx::Error> {
    let id = restored(row.try_get("id")?);
    let saga = NewSaga {
        id: SagaId::new(id).map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        name: restored(row.try_get("name")?),
        version: unsigned(row.try_get("version")?),
        fingerprint: row.try_get::<i64, _>("fingerprint")?.cast_unsigned(),
        input: row.try_get("input")?,
        trace: TraceContext::recorded(row.try_get("traceparent")?, row.try_get("tracestate")?),
    };
    let mut record = Record::new(saga, time(row.try_get("started_at")?));
    if let Some(at) = row.try_get("changed_at")? {
        record.changed_at = time(at);
    }
    let is_open: bool = row.try_get("is_open")?;
    let worker: Option<String> = row.try_get("worker")?;
    record.state = if !is_open {
        ended(row)?
    } else if row.try_get("stuck")? {
        State::Stuck
    } else if worker.is_none() {
        State::Waiting
    } else if row.try_get("is_compensating")? {
        State::Compensating
    } else {
        State::Running
    };
    record.epoch = if let Some(epoch) = row.try_get::<Option<i64>, _>("epoch")? {
        epoch.cast_unsigned()
    } else {
        let last: Option<i64> = row.try_get("last_seq")?;
        let entries: Option<i64> = row.try_get("entries")?;
        (last.unwrap_or(0) - entries.unwrap_or(0)).cast_unsigned()
    };
    record.worker = worker.map(Worker::new);
    if let Some(reason) = row.try_get("cancel_reason")? {
        record.cancellation = Some(Cancellation {
            reason: restored(reason),
            at: time(row.try_get::<Option<f64>, _>("cancel_at")?.unwrap_or(0.0)),
        });
    }
    Ok(record)
}

/// The entries in these rows, without the claims between them. No number is missing: the first row has the number 1 if it is a claim,
/// and 2 if the saga was started by its first holder, whose claim has no row.
pub(super) fn entries(rows: &[PgRow]) -> Result<Vec<Entry>, Damage> {
    let mut readable = Vec::new();
    let mut damage = None;
    let mut seq = 1;
    let mut stored = None;
    for row in rows {
        let number = number(row);
        let is_next = match stored {
            None => number == 2 || number == 1 && is_claim(row),
            Some(before) => number == before + 1,
        };
        if !is_next {
            let message = format!("rows are missing before the one with the number {number}");
            damage.get_or_insert_with(|| Damage::new(seq, message));
        }
        stored = Some(number);
        match entry(row, seq) {
            Ok(None) => continue,
            Ok(Some(entry)) => readable.push(entry),
            Err(unread) => drop(damage.get_or_insert(unread)),
        }
        seq += 1;
    }
    match damage {
        None => Ok(readable),
        Some(damage) => Err(damage.beside(readable)),
    }
}

/// The entries in these rows of a saga that was claimed so often. A claim whose row is missing was the last one of rows that are lost.
pub(super) fn entries_under(rows: &[PgRow], epoch: i64) -> Result<Vec<Entry>, Damage> {
    let entries = entries(rows)?;
    let is_first_without = rows.first().is_some_and(|row| number(row) == 2);
    let claims = rows.iter().filter(|row| is_claim(row)).count() + usize::from(is_first_without);
    if i64::try_from(claims) == Ok(epoch) {
        return Ok(entries);
    }
    let message = format!(
        "the saga was claimed {epoch} times, and {claims} claims are there: rows are missing"
    );
    Err(Damage::new(entries.len() as u64 + 1, message).beside(entries))
}

fn is_claim(row: &PgRow) -> bool {
    row.try_get::<String, _>("event")
        .is_ok_and(|event| event == "claimed")
}

/// The number of a row; 0 if it can't be read.
fn number(row: &PgRow) -> i64 {
    row.try_get("seq").unwrap_or_default()
}

/// The entry in a row; `None` if that is a claim.
fn entry(row: &PgRow, seq: u64) -> Result<Option<Entry>, Damage> {
    let unread = |error: sqlx::Error| Damage::new(seq, error.to_string());
    let Some(columns) = row_of(row).map_err(unread)? else {
        return Ok(None);
    };
    Ok(Some(Entry {
        seq,
        at: time(row.try_get("at").map_err(unread)?),
        event: columns.into_event(seq)?,
    }))
}

/// The columns of an entry; `None` of a claim.
pub(super) fn row_of(row: &PgRow) -> Result<Option<Row>, sqlx::Error> {
    let event: String = row.try_get("event")?;
    if event == "claimed" {
        return Ok(None);
    }
    let text = |column| -> Result<Option<String>, sqlx::Error> {
        let text: Option<String> = row.try_get(column)?;
        Ok(text.map(restored))
    };
    let number = |column| -> Result<Option<u32>, sqlx::Error> {
        let number: Option<i64> = row.try_get(column)?;
        Ok(number.map(unsigned))
    };
    Ok(Some(Row {
        event: event.into(),
        step: text("step")?.map(Cow::Owned),
        occurrence: number("occurrence")?,
        kind: row.try_get::<Option<String>, _>("kind")?.map(Cow::Owned),
        attempts: number("attempts")?,
        code: text("code")?.map(Cow::Owned),
        message: text("message")?,
        payload: row.try_get("payload")?,
    }))
}

/// A time from its milliseconds since 1970.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of a float saturates"
)]
pub(super) fn time(millis: f64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros((millis * 1000.0).min(9e18) as u64)
}

fn unsigned(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
