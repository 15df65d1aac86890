//! Rows of sagas as records, and the columns in which a record stands.

use std::borrow::Cow;

use rusqlite::Row as SqlRow;
use rusqlite::types::ValueRef;

use crate::id::SagaId;
use crate::journal::record::UnknownState;
use crate::journal::sqlite::checksum;
use crate::journal::sqlite::read::time;
use crate::journal::{Cancellation, Damage, NewSaga, Record, State, Wakeup, Worker, from_millis};
use crate::trace::TraceContext;

/// The place of the saga's number among the columns of [`record`].
pub(super) const NUMBER: usize = 11;

/// The columns of [`record`], of a saga whose row is called `s`, but for two: when it was changed, and its state.
pub(super) const COLUMNS: &str = "s.id, s.name, s.version, s.fingerprint, s.input, s.started_at, s.epoch, s.worker, \
     s.cancel_reason, s.cancel_at, s.number, s.checksum, s.traceparent, s.tracestate";

pub(super) const CHANGED_AT: &str =
    "(SELECT e.at FROM entries e WHERE e.saga = s.number ORDER BY e.seq DESC LIMIT 1)";

/// In SQL, the state of a saga that is in the row `s`.
pub(super) const STATE: &str = "coalesce(s.closed, CASE \
     (SELECT e.event FROM entries e WHERE e.saga = s.number ORDER BY e.seq DESC LIMIT 1) \
     WHEN 'completed' THEN 'completed' WHEN 'compensated' THEN 'compensated' WHEN 'stuck' THEN 'stuck' \
     WHEN 'abandoned' THEN 'abandoned' \
     ELSE NULL END, CASE WHEN s.worker IS NULL THEN 'waiting' ELSE \
     CASE WHEN EXISTS (SELECT 1 FROM entries e WHERE e.saga = s.number AND e.event = 'compensating') \
     THEN 'compensating' ELSE 'running' END END)";

/// In SQL, when a saga that is in the row `s` can be claimed, and the last wait, if it is not over.
pub(super) const REST: &str = "s.wake_at, CASE WHEN s.wake_at IS NOT NULL THEN \
     (SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM entries o WHERE o.saga = w.saga AND o.seq > w.seq \
     AND o.event = 'wait_over' AND o.step = w.step AND o.occurrence = w.occurrence) THEN w.step END \
     FROM entries w WHERE w.saga = s.number AND w.event = 'waiting' ORDER BY w.seq DESC LIMIT 1) END";

/// In SQL, the sagas that may be open: listed as awake, not listed yet, or asleep.
pub(super) const MAYBE_OPEN: &str = "s.number IN (SELECT number FROM awake_sagas UNION ALL \
     SELECT number FROM sagas WHERE number > (SELECT through FROM listed) UNION ALL \
     SELECT number FROM sagas WHERE wake_at IS NOT NULL) AND ";

/// In SQL, the sagas in which attempts of a step have failed until the saga was released.
pub(super) const HAVE_FAILED: &str = "SELECT e.saga FROM entries e WHERE e.event = 'failing'";

/// The record of a saga, and its number. A column that can't be read damages this record only.
pub(in crate::journal::sqlite) fn record(row: &SqlRow<'_>) -> rusqlite::Result<(Record, i64)> {
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
        columns.damaged(checksum::DIFFERS.to_owned());
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
pub(super) fn listed(row: &SqlRow<'_>) -> rusqlite::Result<(Record, i64)> {
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
pub(super) fn unreadable(number: i64) -> SagaId {
    // A text of this length is one.
    SagaId::new(format!("{UNREADABLE}{number}")).unwrap_or_else(|_| SagaId::generate())
}

pub(super) const UNREADABLE: &str = "unreadable#";

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
