//! The statement for a list of sagas, from a filter.

use std::fmt::Write as _;

use rusqlite::types::Value;

use crate::journal::sqlite::read::record::{
    CHANGED_AT, COLUMNS, HAVE_FAILED, MAYBE_OPEN, NUMBER, REST, STATE,
};
use crate::journal::sqlite::read::to_sql;
use crate::journal::{Filter, State, TroubleFilter};

/// The conditions of a list, with the values of their numbered parameters.
#[derive(Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

/// The events that tell of trouble in a saga that is not stuck. Each has an index.
const TELLING: [&str; 2] = ["failing", "compensating"];

impl Conditions {
    fn also(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let number = self.values.len();
        // Writing to a text does not fail.
        let _ = write!(self.sql, " AND {condition} ?{number}");
    }

    /// Only sagas with an entry `e` that tells of trouble and is so, or, while they are stuck, with one that is so.
    fn told(&mut self, is_so: &str, is_so_of_stuck: &str) {
        self.sql.push_str(" AND s.number IN (");
        for event in TELLING {
            // Writing to a text does not fail.
            let _ = write!(
                self.sql,
                "SELECT e.saga FROM entries e WHERE e.event = '{event}' AND {is_so} UNION ALL "
            );
        }
        let _ = write!(
            self.sql,
            "SELECT e.saga FROM sagas x JOIN entries e ON e.saga = x.number WHERE x.closed = 'stuck' AND {is_so_of_stuck})"
        );
    }

    /// Only sagas whose entries tell of this trouble.
    fn trouble(&mut self, trouble: &TroubleFilter) {
        if let Some(step) = trouble.step_name() {
            self.values.push(step.to_owned().into());
            let number = self.values.len();
            let call = format!("substr(e.step, 1, length(?{number}) + 1) = ?{number} || '#'");
            let is_at = format!("(e.step = ?{number} OR {call})");
            self.told(&is_at, &format!("e.step = ?{number}"));
        }
        if let Some(code) = &trouble.code {
            self.values.push(code.clone().into());
            let is_so = format!("e.code = ?{}", self.values.len());
            self.told(&is_so, &format!("e.event = 'stuck' AND {is_so}"));
        }
        if let Some(text) = trouble.ascii_text() {
            self.values.push(text.into());
            let is_so = format!("instr(lower(e.message), ?{}) > 0", self.values.len());
            self.told(&is_so, &format!("e.event = 'stuck' AND {is_so}"));
        } else if trouble.text.is_some() {
            self.told("1", "e.event = 'stuck'");
        }
    }
}

/// The conditions of a filter, apart from the state.
fn conditions(filter: &Filter) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(name) = &filter.name {
        conditions.also("s.name =", name.clone());
    }
    if let Some(version) = filter.version {
        conditions.also("s.version =", version);
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
    conditions.trouble(&filter.trouble);
    if let Some(after) = filter.after {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        conditions.also("s.number <", after);
    }
    conditions
}

/// The sagas in this state, in SQL. Most states can be found without asking each saga for its last entry. There are two parts, if most
/// of the rows say that they are in the state, and the last ones do not yet.
fn in_state(state: Option<State>) -> (String, Option<String>) {
    match state {
        None => ("1".to_owned(), None),
        Some(State::Completed) => (format!("{STATE} = 'completed'"), None),
        Some(state @ (State::Stuck | State::Abandoned)) => (format!("s.closed = '{state}'"), None),
        Some(State::Compensated) => (
            "s.closed = 'compensated'".to_owned(),
            Some(format!(
                "s.closed IS NULL AND {MAYBE_OPEN}{STATE} = 'compensated'"
            )),
        ),
        Some(state @ (State::Waiting | State::Running | State::Compensating)) => {
            (format!("{MAYBE_OPEN}{STATE} = '{state}'"), None)
        }
    }
}

/// The statement for a list: one row more than asked for shows whether there is a next page.
pub(super) fn query(filter: &Filter) -> (String, Vec<Value>) {
    let limit = filter.limit.saturating_add(1);
    let Conditions { sql, mut values } = conditions(filter);
    values.push(i64::try_from(limit).unwrap_or(i64::MAX).into());
    let limit = values.len();
    let among = |which: &str| {
        format!(
            "SELECT {COLUMNS}, {CHANGED_AT}, {STATE}, {REST} FROM sagas s WHERE {which}{sql} ORDER BY s.number DESC LIMIT ?{limit}"
        )
    };
    let sql = match in_state(filter.state) {
        (which, None) => among(&which),
        (most, Some(last)) => format!(
            "SELECT * FROM ({}) UNION ALL SELECT * FROM ({}) ORDER BY {NUMBER} DESC LIMIT ?{limit}",
            among(&most),
            among(&last),
        ),
    };
    (sql, values)
}

/// The statement that counts the sagas of a list in all of its pages.
pub(super) fn count(filter: &Filter) -> (String, Vec<Value>) {
    let Conditions { sql, values } = conditions(filter);
    let among = |which: &str| format!("(SELECT count(*) FROM sagas s WHERE {which}{sql})");
    let (most, last) = in_state(filter.state);
    let last = last.map_or_else(|| "0".to_owned(), |last| among(&last));
    (format!("SELECT {} + {last}", among(&most)), values)
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
