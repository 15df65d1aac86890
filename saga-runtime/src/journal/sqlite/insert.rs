//! Adds rows, as many as possible with one statement: what a statement costs by itself is then shared by all of them.

use rusqlite::{Connection, PrepFlags, Statement, ToSql};

use crate::journal::sqlite::checksum;
use crate::journal::{NewSaga, Row, Worker};
use crate::trace::TraceContext;

/// The numbers of rows that the statements add, the widest first.
const WIDTHS: [usize; 3] = [16, 4, 1];

/// An entry that is to be added.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewEntry<'a> {
    pub(super) saga: i64,
    pub(super) seq: u64,
    pub(super) row: &'a Row,
    pub(super) checksum: u32,
}

/// A saga that is to be added.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewRow<'a> {
    pub(super) number: i64,
    pub(super) saga: &'a NewSaga,
    pub(super) checksum: u32,
    pub(super) worker: Option<&'a Worker>,
}

/// Statements that add rows.
pub(super) struct Inserts<'c> {
    sagas: Wide<'c>,
    entries: Wide<'c>,
    reason: Statement<'c>,
}

impl<'c> Inserts<'c> {
    pub(super) fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            sagas: Wide::new(
                connection,
                "INSERT OR FAIL INTO sagas (started_at, name, version, fingerprint, epoch, worker, number, id, input, \
                 traceparent, tracestate, checksum)",
                " ON CONFLICT (id) DO NOTHING",
                6,
                6,
            )?,
            entries: Wide::new(
                connection,
                "INSERT OR FAIL INTO entries (at, event, kind, saga, seq, step, occurrence, attempts, payload, \
                 checksum)",
                "",
                3,
                7,
            )?,
            reason: prepare(
                connection,
                "INSERT INTO entries (at, event, kind, saga, seq, step, occurrence, attempts, payload, checksum, code, \
                 message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?,
        })
    }

    /// Adds entries. Those of the same kind share a statement.
    pub(super) fn entries(&mut self, at: i64, mut new: Vec<NewEntry<'_>>) -> rusqlite::Result<()> {
        let mut alike = Vec::with_capacity(new.len());
        while let Some(first) = new.first().map(|new| new.row) {
            if first.has_reason() {
                self.with_reason(at, new.remove(0))?;
                continue;
            }
            new.retain(|one| {
                let is_alike = is_alike(one.row, first);
                if is_alike {
                    alike.push(*one);
                }
                !is_alike
            });
            let shared = |bind: &mut Bind<'_, '_>| {
                bind.next(at)?;
                bind.next(&*first.event)?;
                bind.next(first.kind.as_deref())
            };
            self.entries.insert(&alike, shared, |bind, new| {
                bind.next(new.saga)?;
                bind.next(new.seq.cast_signed())?;
                bind.entry(at, new)
            })?;
            alike.clear();
        }
        Ok(())
    }

    fn with_reason(&mut self, at: i64, new: NewEntry<'_>) -> rusqlite::Result<()> {
        let mut bind = Bind::to(&mut self.reason);
        bind.next(at)?;
        bind.next(&*new.row.event)?;
        bind.next(new.row.kind.as_deref())?;
        bind.next(new.saga)?;
        bind.next(new.seq.cast_signed())?;
        bind.entry(at, &new)?;
        bind.next(new.row.code.as_deref())?;
        bind.next(new.row.message.as_deref())?;
        self.reason.raw_execute().map(drop)
    }

    /// Adds the sagas whose ids are free, and returns their number.
    pub(super) fn sagas(
        &mut self,
        started_at: i64,
        mut new: Vec<NewRow<'_>>,
    ) -> rusqlite::Result<usize> {
        let mut count = 0;
        let mut alike = Vec::with_capacity(new.len());
        while let Some(NewRow {
            saga: first,
            worker,
            ..
        }) = new.first().copied()
        {
            new.retain(|one| {
                let is_alike = one.worker == worker
                    && one.saga.name == first.name
                    && one.saga.version == first.version
                    && one.saga.fingerprint == first.fingerprint;
                if is_alike {
                    alike.push(*one);
                }
                !is_alike
            });
            let shared = |bind: &mut Bind<'_, '_>| {
                bind.next(started_at)?;
                bind.next(&*first.name)?;
                bind.next(first.version)?;
                bind.next(first.fingerprint.cast_signed())?;
                bind.next(i64::from(worker.is_some()))?;
                bind.next(worker.map(Worker::as_str))
            };
            count += self.sagas.insert(&alike, shared, |bind, new| {
                bind.next(new.number)?;
                bind.next(new.saga.id.as_str())?;
                bind.next(&*new.saga.input)?;
                let trace = new.saga.trace.as_ref();
                bind.next(trace.map(TraceContext::traceparent))?;
                bind.next(trace.and_then(TraceContext::tracestate))?;
                bind.next(checksum::with(new.checksum, &[started_at, new.number]))
            })?;
            alike.clear();
        }
        Ok(count)
    }
}

/// Returns whether two rows can share a statement.
fn is_alike(one: &Row, other: &Row) -> bool {
    !one.has_reason() && one.event == other.event && one.kind == other.kind
}

/// The same statement for several numbers of rows. The first parameters are shared by all of them.
struct Wide<'c> {
    by_width: Vec<(usize, Statement<'c>)>,
}

impl<'c> Wide<'c> {
    fn new(
        connection: &'c Connection,
        insert: &str,
        end: &str,
        shared: usize,
        own: usize,
    ) -> rusqlite::Result<Self> {
        let by_width = WIDTHS.into_iter().map(|width| {
            let sql = wide(insert, end, width, shared, own);
            Ok((width, prepare(connection, &sql)?))
        });
        let by_width = by_width.collect::<rusqlite::Result<_>>()?;
        Ok(Self { by_width })
    }

    /// Adds these, and says how many were added.
    fn insert<T>(
        &mut self,
        mut new: &[T],
        shared: impl Fn(&mut Bind<'_, '_>) -> rusqlite::Result<()>,
        own: impl Fn(&mut Bind<'_, '_>, &T) -> rusqlite::Result<()>,
    ) -> rusqlite::Result<usize> {
        let mut count = 0;
        for (width, statement) in &mut self.by_width {
            while let Some((these, others)) = new.split_at_checked(*width) {
                let mut bind = Bind::to(statement);
                shared(&mut bind)?;
                for one in these {
                    own(&mut bind, one)?;
                }
                count += statement.raw_execute()?;
                new = others;
            }
        }
        Ok(count)
    }
}

/// A statement that is kept. `PERSISTENT` keeps it out of SQLite's lookaside memory; otherwise each bound text is allocated
/// under a lock for all connections of the process.
fn prepare<'c>(connection: &'c Connection, sql: &str) -> rusqlite::Result<Statement<'c>> {
    connection.prepare_with_flags(sql, PrepFlags::SQLITE_PREPARE_PERSISTENT)
}

/// A statement that adds so many rows.
fn wide(insert: &str, end: &str, width: usize, shared: usize, own: usize) -> String {
    let rows: Vec<_> = (0..width)
        .map(|row| {
            let first = 1 + shared + row * own;
            let parameters = (1..=shared).chain(first..first + own);
            let parameters: Vec<_> = parameters.map(|number| format!("?{number}")).collect();
            format!("({})", parameters.join(", "))
        })
        .collect();
    format!("{insert} VALUES {}{end}", rows.join(", "))
}

/// Binds one parameter after the other.
struct Bind<'s, 'c> {
    statement: &'s mut Statement<'c>,
    last: usize,
}

impl<'s, 'c> Bind<'s, 'c> {
    fn to(statement: &'s mut Statement<'c>) -> Self {
        Self { statement, last: 0 }
    }

    fn next(&mut self, value: impl ToSql) -> rusqlite::Result<()> {
        self.last += 1;
        self.statement.raw_bind_parameter(self.last, value)
    }

    /// Binds the columns in which entries of the same kind differ.
    fn entry(&mut self, at: i64, new: &NewEntry<'_>) -> rusqlite::Result<()> {
        let row = new.row;
        self.next(row.step.as_deref())?;
        self.next(row.occurrence)?;
        self.next(row.attempts)?;
        self.next(row.payload.as_deref())?;
        let key = [at, new.saga, new.seq.cast_signed()];
        self.next(checksum::with(new.checksum, &key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_has_parameters_of_its_own_behind_the_shared_ones() {
        assert_eq!(
            wide("INSERT INTO t (a, b, c)", " END", 2, 1, 2),
            "INSERT INTO t (a, b, c) VALUES (?1, ?2, ?3), (?1, ?4, ?5) END"
        );
    }
}
