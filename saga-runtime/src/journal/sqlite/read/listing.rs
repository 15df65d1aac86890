//! The statement for a list of sagas, from a filter.

use std::fmt::Write as _;

use rusqlite::types::Value;

use crate::journal::sqlite::read::record::{
    CHANGED_AT, COLUMNS, HAVE_FAILED, MAYBE_OPEN, NUMBER, REST, STATE,
};
use crate::journal::sqlite::read::to_sql;
use crate::journal::{Filter, State};

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
pub(super) fn query(filter: &Filter) -> (String, Vec<Value>) {
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
