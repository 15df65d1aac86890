//! Rows of entries as entries.

use std::borrow::Cow;

use rusqlite::Row as SqlRow;
use rusqlite::types::ValueRef;

use crate::journal::sqlite::checksum;
use crate::journal::sqlite::read::time;
use crate::journal::{Damage, Entry, Event, Row};
use crate::meta::Kind;

/// An entry as it is stored.
pub(in crate::journal::sqlite) struct Stored {
    /// 0 if it can't be read.
    pub(in crate::journal::sqlite) seq: u32,
    at: i64,
    /// The checksum, if there is one, or why it or what stands before it can't be read.
    checksum: Result<Option<u32>, String>,
    columns: Result<Row, String>,
}

impl Stored {
    /// Reads the columns from the one with this number on; nothing if there are none. A column that can't be read damages
    /// this entry only.
    pub(in crate::journal::sqlite) fn read(
        row: &SqlRow<'_>,
        first: usize,
    ) -> rusqlite::Result<Option<Self>> {
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

    /// The entry of this saga, whatever stands before it.
    pub(in crate::journal::sqlite) fn alone(self, saga: i64) -> Result<Entry, Damage> {
        let expected = u64::from(self.seq);
        self.into_entry(saga, expected)
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
            return Err(damaged(checksum::DIFFERS.to_owned()));
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
pub(in crate::journal::sqlite) fn entries(
    saga: i64,
    stored: Vec<Stored>,
) -> Result<Vec<Entry>, Damage> {
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
