//! Which sagas are awake: they have not ended, are not stuck, and do not sleep.
//!
//! The `awake` table is updated in batches, so that short sagas never touch it. Between batches the set is kept in memory;
//! after a crash it is rebuilt from the sagas table. The set of compensated sagas is kept the same way.

use std::collections::HashSet;

use rusqlite::Connection;

use crate::journal::State;
use crate::journal::sqlite::connection::Size;
use crate::journal::sqlite::held::ByNumber;

/// In SQL, the last entry of the saga in the row `s`, if it says how the saga has ended.
const LAST: &str = "coalesce(s.closed, \
     (SELECT event FROM entries WHERE saga = s.number ORDER BY seq DESC LIMIT 1), '')";

/// A number that no saga reaches: more than a journal can hold.
const LAST_NUMBER: i64 = 1 << 53;

/// The differences from the table.
#[derive(Debug)]
pub(super) struct Awake {
    /// The highest number that was given to a saga.
    last: i64,
    /// The highest one when the table was brought up to date.
    through: i64,
    /// The sagas that are awake and not in the table yet.
    fresh: HashSet<i64, ByNumber>,
    /// Those in the table that are not awake any more.
    gone: HashSet<i64, ByNumber>,
    /// The compensated sagas whose rows do not say so yet.
    compensated: Vec<i64>,
}

impl Awake {
    /// Brings the table up to date with what the sagas have done, as it has to be after a crash.
    pub(super) fn load(connection: &Connection, size: Size) -> rusqlite::Result<Self> {
        let transaction = connection.unchecked_transaction()?;
        if size == Size::Small {
            // The table may be damaged, and a saga that is missing in it would wait for ever.
            connection.execute_batch(&format!(
                "UPDATE sagas SET closed = NULL WHERE closed NOT IN ('stuck', 'compensated', 'completed', 'abandoned');
                 UPDATE listed SET through = (SELECT coalesce(max(number), 0) FROM sagas)
                 WHERE typeof(through) <> 'integer' OR through > {LAST_NUMBER};
                 INSERT INTO listed SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM listed);
                 INSERT OR IGNORE INTO awake_sagas SELECT number FROM sagas s WHERE wake_at IS NULL
                 AND {LAST} NOT IN ('completed', 'compensated', 'stuck', 'abandoned')"
            ))?;
        }
        connection.execute(
            "INSERT OR IGNORE INTO awake_sagas SELECT number FROM sagas WHERE number > (SELECT through FROM listed)",
            [],
        )?;
        let mut over = connection.prepare(&format!(
            "SELECT number, CASE iif(wake_at IS NULL, last, '') WHEN 'stuck' THEN 1 WHEN 'compensated' THEN 2 \
             WHEN 'abandoned' THEN 3 ELSE 0 END \
             FROM (SELECT s.number, s.wake_at, {LAST} AS last FROM awake_sagas JOIN sagas s USING (number)) \
             WHERE wake_at IS NOT NULL OR last IN ('completed', 'compensated', 'stuck', 'abandoned')"
        ))?;
        let over = over.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for over in over.collect::<rusqlite::Result<Vec<(i64, i64)>>>()? {
            let (number, last) = over;
            delete(connection, number)?;
            match last {
                1 => mark_closed(connection, number, State::Stuck)?,
                2 => mark_compensated(connection, number)?,
                3 => mark_closed(connection, number, State::Abandoned)?,
                _ => {}
            }
        }
        connection.execute(
            // Nothing is written if nothing has changed: a full disk can be opened.
            "UPDATE listed SET through = (SELECT max(number) FROM sagas) WHERE through < (SELECT max(number) FROM sagas)",
            [],
        )?;
        let last = connection.query_row("SELECT through FROM listed", [], |row| row.get(0))?;
        transaction.commit()?;
        Ok(Self {
            last,
            through: last,
            fresh: HashSet::default(),
            gone: HashSet::default(),
            compensated: Vec::new(),
        })
    }

    /// A number that no saga has or had.
    pub(super) fn number(&mut self) -> i64 {
        self.last += 1;
        self.last
    }

    /// A new saga.
    pub(super) fn started(&mut self, number: i64) {
        self.fresh.insert(number);
    }

    /// A saga that was asleep or stuck, and is in the table.
    pub(super) fn woken(&mut self, number: i64) {
        self.fresh.remove(&number);
        self.gone.remove(&number);
    }

    /// A saga has ended, is stuck, or sleeps.
    pub(super) fn over(&mut self, number: i64) {
        if !self.fresh.remove(&number) {
            self.gone.insert(number);
        }
    }

    /// A saga is compensated.
    pub(super) fn compensated(&mut self, number: i64) {
        self.compensated.push(number);
    }

    /// The number of sagas that have started since the table was brought up to date, or that are not awake any more: the larger
    /// of the two.
    pub(super) fn unlisted(&self) -> usize {
        let started = usize::try_from(self.last - self.through).unwrap_or(usize::MAX);
        started.max(self.gone.len())
    }

    /// Returns whether a saga in the table is still awake.
    pub(super) fn is_there(&self, number: i64) -> bool {
        !self.gone.contains(&number)
    }

    /// The awake sagas that are not in the table, the oldest first.
    pub(super) fn fresh(&self) -> Vec<i64> {
        let mut numbers: Vec<_> = self.fresh.iter().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Brings the table up to date, in a transaction, up to the number that comes back; [`listed`](Self::listed) when that
    /// is committed.
    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<i64> {
        for number in self.fresh() {
            insert(connection, number)?;
        }
        for number in &self.gone {
            delete(connection, *number)?;
        }
        for number in &self.compensated {
            mark_compensated(connection, *number)?;
        }
        connection
            .prepare_cached("UPDATE listed SET through = ?")?
            .execute([self.last])
            .map(|_| self.last)
    }

    /// The table was brought up to date.
    pub(super) fn listed(&mut self, through: i64) {
        self.through = through;
        self.fresh.clear();
        self.gone.clear();
        self.compensated.clear();
    }
}

/// A saga is awake again.
pub(super) fn insert(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO awake_sagas VALUES (?)")?
        .execute([number])
        .map(drop)
}

fn delete(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM awake_sagas WHERE number = ?")?
        .execute([number])
        .map(drop)
}

/// Lets the row of a saga that is stuck, or abandoned, say so.
pub(super) fn mark_closed(
    connection: &Connection,
    number: i64,
    state: State,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE sagas SET closed = ?, worker = NULL WHERE number = ?")?
        .execute((state.name(), number))
        .map(drop)
}

/// Lets the row of a saga that is compensated say so.
fn mark_compensated(connection: &Connection, number: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE sagas SET closed = 'compensated' WHERE number = ?")?
        .execute([number])
        .map(drop)
}

#[cfg(test)]
mod tests;
