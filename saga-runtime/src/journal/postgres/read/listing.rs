//! Lists of sagas, and how many they have, from a filter.

use std::collections::HashMap;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Postgres, QueryBuilder, Row as _};

use crate::journal::postgres::connections::{Connections, RunOn as _};
use crate::journal::postgres::operation::{millis, signed};
use crate::journal::postgres::read::{ENTRY, RECORD, entries, entry, have_failed, listed};
use crate::journal::postgres::schema::Schema;
use crate::journal::postgres::text::stored;
use crate::journal::{Filter, Page, State, TroubleFilter};

/// The conditions of a filter.
fn conditions(query: &mut QueryBuilder<Postgres>, schema: &Schema, filter: &Filter) {
    if let Some(after) = filter.after {
        query.push(" AND s.number < ").push_bind(signed(after));
    }
    if let Some(name) = &filter.name {
        query
            .push(" AND s.name = ")
            .push_bind(stored(name).into_owned());
    }
    if let Some(prefix) = &filter.id_prefix {
        query
            .push(" AND starts_with(s.id, ")
            .push_bind(stored(prefix).into_owned())
            .push(")");
    }
    for (time, comparison) in [(filter.started_from, ">="), (filter.started_before, "<")] {
        if let Some(time) = time {
            query
                .push(format!(" AND s.started_at {comparison} to_timestamp("))
                .push_bind(millis(time) / 1000.0)
                .push(")");
        }
    }
    if let Some(version) = filter.version {
        query
            .push(" AND s.version = ")
            .push_bind(i64::from(version));
    }
    if filter.skipped {
        query.push(schema.sql(
            " AND EXISTS (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensation_skipped')",
        ));
    }
    if let Some(state) = filter.state {
        query.push(schema.sql(match state {
            State::Waiting => " AND o.number IS NOT NULL AND NOT o.stuck AND o.worker IS NULL",
            State::Stuck => " AND o.stuck",
            State::Running => {
                " AND NOT o.stuck AND o.worker IS NOT NULL AND NOT EXISTS
                  (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensating')"
            }
            State::Compensating => {
                " AND NOT o.stuck AND o.worker IS NOT NULL AND EXISTS
                  (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensating')"
            }
            State::Completed => {
                " AND o.number IS NULL AND NOT EXISTS
                  (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'compensated')
                  AND NOT EXISTS
                  (SELECT FROM {schema}.entries e WHERE e.saga = s.number AND e.event = 'abandoned')"
            }
            State::Compensated => {
                " AND s.number IN (SELECT saga FROM {schema}.entries WHERE event = 'compensated')"
            }
            State::Abandoned => {
                " AND s.number IN (SELECT saga FROM {schema}.entries WHERE event = 'abandoned')"
            }
        }));
    }
    if filter.failing {
        query.push(schema.sql(
            " AND o.number IS NOT NULL AND NOT o.stuck AND s.number IN
              (SELECT e.saga FROM {schema}.entries e WHERE e.event = 'failing'",
        ));
        if let Some(step) = &filter.failing_step {
            query
                .push(" AND e.step = ")
                .push_bind(stored(step).into_owned());
        }
        query.push(")");
    }
    trouble(query, schema, &filter.trouble);
}

/// Only sagas whose entries tell of this trouble.
fn trouble(query: &mut QueryBuilder<Postgres>, schema: &Schema, trouble: &TroubleFilter) {
    if let Some(step) = trouble.step_name() {
        let step = stored(step).into_owned();
        let is_at = |query: &mut QueryBuilder<Postgres>| {
            query.push("(e.step = ").push_bind(step.clone());
            query
                .push(" OR starts_with(e.step, ")
                .push_bind(format!("{step}#"));
            query.push("))");
        };
        let of_stuck = |query: &mut QueryBuilder<Postgres>| {
            query.push("e.step = ").push_bind(step.clone());
        };
        told(query, schema, is_at, of_stuck);
    }
    if let Some(code) = &trouble.code {
        let code = stored(code).into_owned();
        let is_so = |query: &mut QueryBuilder<Postgres>| {
            query.push("e.code = ").push_bind(code.clone());
        };
        told(query, schema, is_so, |query| {
            query.push("e.event = 'stuck' AND ");
            is_so(query);
        });
    }
    if let Some(text) = trouble.ascii_text() {
        let text = stored(&text).into_owned();
        let is_so = |query: &mut QueryBuilder<Postgres>| {
            query
                .push("strpos(lower(e.message COLLATE \"C\"), ")
                .push_bind(text.clone())
                .push(") > 0");
        };
        told(query, schema, is_so, |query| {
            query.push("e.event = 'stuck' AND ");
            is_so(query);
        });
    } else if trouble.text.is_some() {
        let all = |query: &mut QueryBuilder<Postgres>| {
            query.push("true");
        };
        told(query, schema, all, |query| {
            query.push("e.event = 'stuck'");
        });
    }
}

/// Only sagas with an entry `e` that tells of trouble and is so, or, while they are stuck, with one that is so. Each part has an index.
fn told(
    query: &mut QueryBuilder<Postgres>,
    schema: &Schema,
    is_so: impl Fn(&mut QueryBuilder<Postgres>),
    is_so_of_stuck: impl Fn(&mut QueryBuilder<Postgres>),
) {
    query.push(" AND s.number IN (");
    for event in ["failing", "compensating"] {
        query.push(schema.sql(&format!(
            "SELECT e.saga FROM {{schema}}.entries e WHERE e.event = '{event}' AND "
        )));
        is_so(query);
        query.push(" UNION ALL ");
    }
    query.push(schema.sql(
        "SELECT e.saga FROM {schema}.open_sagas x JOIN {schema}.entries e ON e.saga = x.number WHERE x.stuck AND ",
    ));
    is_so_of_stuck(query);
    query.push(")");
}

/// Some sagas, the newest first.
pub(in crate::journal::postgres) async fn list(
    pool: &Connections,
    schema: &Schema,
    filter: &Filter,
) -> Result<Page, sqlx::Error> {
    let mut query = QueryBuilder::new(schema.sql(&format!("SELECT {RECORD} WHERE true")));
    conditions(&mut query, schema, filter);
    let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX - 1);
    query
        .push(" ORDER BY s.number DESC LIMIT ")
        .push_bind(limit.saturating_add(1));
    let mut rows = query.build().all_on(pool).await?;
    let is_more = rows.len() > filter.limit;
    rows.truncate(filter.limit);
    let mut sagas = Vec::new();
    let numbers = rows.iter().map(|row| row.try_get("number"));
    let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    let have_failed = have_failed(pool, schema, &numbers).await?;
    let reasons = if filter.trouble.is_empty() {
        HashMap::new()
    } else {
        reasons(pool, schema, &numbers).await?
    };
    for row in &rows {
        let mut record = listed(row)?;
        if let Some(rows) = have_failed.get(&row.try_get("number")?)
            && let Ok(entries) = entries(rows)
        {
            record.find_failing(&entries);
        }
        if let Some(row) = reasons.get(&row.try_get("number")?)
            && let Ok(Some(entry)) = entry(row, 1)
        {
            record.find_setback(&[entry]);
        }
        // An entry says that a step has failed, and it may have been done since.
        if !filter.failing || filter.admits(&record) {
            sagas.push(record);
        }
    }
    let next = match rows.last() {
        Some(last) if is_more => Some(last.try_get::<i64, _>("number")?.cast_unsigned()),
        _ => None,
    };
    Ok(Page::new(sagas, next))
}

/// The number of sagas in all pages of a list, if the records tell which they are.
pub(in crate::journal::postgres) async fn count(
    pool: &Connections,
    schema: &Schema,
    filter: &Filter,
) -> Result<u64, sqlx::Error> {
    let mut query = QueryBuilder::new(schema.sql(
        "SELECT count(*) FROM {schema}.sagas s LEFT JOIN {schema}.open_sagas o ON o.number = s.number WHERE true",
    ));
    conditions(&mut query, schema, filter);
    let rows = query.build().all_on(pool).await?;
    let sagas = rows.first().map(|row| row.try_get::<i64, _>(0));
    Ok(sagas.transpose()?.unwrap_or(0).cast_unsigned())
}

/// The entries that tell why these sagas are stuck or undone: of each, the last one.
async fn reasons(
    pool: &Connections,
    schema: &Schema,
    numbers: &[i64],
) -> Result<HashMap<i64, PgRow>, sqlx::Error> {
    let sql = schema.sql(&format!(
        "SELECT DISTINCT ON (saga) {ENTRY} FROM {{schema}}.entries e
         WHERE saga = ANY($1) AND (event = 'compensating' OR event = 'stuck' AND EXISTS
             (SELECT FROM {{schema}}.open_sagas o WHERE o.number = e.saga AND o.stuck))
         ORDER BY saga, seq DESC"
    ));
    let rows = sqlx::query(AssertSqlSafe(sql))
        .bind(numbers)
        .all_on(pool)
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.try_get("saga")?, row)))
        .collect()
}
