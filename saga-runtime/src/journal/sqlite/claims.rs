//! Claims: many sagas at a time, because after a crash there may be many.

use std::collections::BTreeMap;
use std::slice;

use rusqlite::Statement;
use rusqlite::types::Value;

use crate::id::SagaId;
use crate::journal::sqlite::held::{Cancel, Change, Held, Progress};
use crate::journal::sqlite::read::{Stored, entries, record, time, to_sql};
use crate::journal::sqlite::transaction::Transaction;
use crate::journal::{
    Claim, Claimed, ClaimedOne, Damage, Entry, Lease, Record, SagaVersion, State, Wakeup,
};

/// A claimed saga with its stored entries. The caller decodes them, not the writer thread.
pub(super) struct TakenOver {
    number: i64,
    claimed: Claimed,
    entries: Vec<Stored>,
    /// The last entry at the claim before.
    claimed_seq: u32,
}

/// The result of the claim of one saga.
pub(super) enum TakenOne {
    TakenOver(Box<TakenOver>),
    Not(ClaimedOne),
}

impl TakenOver {
    /// The saga with its entries.
    pub(super) fn read(self) -> Claimed {
        let mut claimed = self.claimed;
        let entries = entries(self.number, self.entries);
        let entries = entries.and_then(|entries| are_all_there(entries, self.claimed_seq));
        claimed.entries = match &claimed.record.damage {
            Some(damage) => {
                let readable = entries.unwrap_or_else(|damage| damage.readable);
                Err(damage.clone().beside(readable))
            }
            None => entries,
        };
        if let Ok(entries) = &claimed.entries {
            let record = &mut claimed.record;
            record.changed_at = entries.last().map_or(record.started_at, |last| last.at);
            // An operator decides on the state before the claim, which is known.
            if record.state == State::Running {
                record.state = State::of_held(entries);
            }
        }
        claimed
    }
}

/// The entries of a saga, of which there were so many when it was claimed before.
fn are_all_there(entries: Vec<Entry>, claimed_seq: u32) -> Result<Vec<Entry>, Damage> {
    let next = entries.len() as u64 + 1;
    if next > u64::from(claimed_seq) {
        return Ok(entries);
    }
    let message = format!("it is missing; there were {claimed_seq} when the saga was claimed last");
    Err(Damage::new(next, message).beside(entries))
}

impl TakenOne {
    /// The saga with its entries, if it was taken over.
    pub(super) fn read(self) -> ClaimedOne {
        match self {
            Self::TakenOver(taken) => ClaimedOne::Claimed(Box::new(taken.read())),
            Self::Not(claimed) => claimed,
        }
    }
}

/// A saga that can be taken over.
struct Free {
    number: i64,
    record: Record,
    claimed_seq: u32,
    recoveries: u32,
    doubt_seq: rusqlite::Result<Option<u32>>,
    entries: Vec<Stored>,
}

/// The number of sagas that one statement reads.
const TOGETHER: usize = 32;

/// The number of the first column of an entry in what is read of sagas that can be taken over.
const ENTRY: usize = 19;

/// In SQL, the sagas that can be taken over: the columns of a record without its state, and more.
fn free_sagas() -> String {
    let numbers = vec!["?"; TOGETHER].join(", ");
    format!(
        "SELECT s.id, s.name, s.version, s.fingerprint, s.input, s.started_at, s.epoch, s.worker, s.cancel_reason, \
         s.cancel_at, s.number, s.checksum, s.traceparent, s.tracestate, NULL, 'running', s.claimed_seq, s.recoveries, s.doubt_seq, e.seq, e.at, e.event, \
         e.step, e.occurrence, e.kind, e.attempts, e.code, e.message, e.payload, \
         e.checksum \
         FROM sagas s LEFT JOIN entries e ON e.saga = s.number WHERE s.number IN ({numbers}) ORDER BY s.number, e.seq"
    )
}

/// In SQL, the claim of sagas that are taken over at the same place.
fn claim_sagas() -> String {
    let numbers = vec!["?"; TOGETHER].join(", ");
    format!(
        "UPDATE sagas SET epoch = coalesce(epoch, 0) + 1, worker = ?, claimed_seq = ?, recoveries = ? WHERE number IN ({numbers})"
    )
}

impl Free {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        let (record, number) = record(row)?;
        Ok(Self {
            number,
            record,
            // A count that can't be read is none, and the saga is in doubt.
            claimed_seq: row.get(16).unwrap_or_default(),
            recoveries: row.get(17).unwrap_or_default(),
            doubt_seq: row.get(18),
            entries: Vec::new(),
        })
    }

    /// At most [`TOGETHER`] sagas, the oldest first.
    fn read_all(select: &mut Statement<'_>, numbers: &[i64]) -> rusqlite::Result<Vec<Self>> {
        for index in 0..TOGETHER {
            // Nothing is equal to nothing.
            select.raw_bind_parameter(index + 1, numbers.get(index))?;
        }
        let mut rows = select.raw_query();
        let mut all: Vec<Self> = Vec::with_capacity(numbers.len());
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(10)?;
            if all.last().is_none_or(|last| last.number != number) {
                all.push(Self::read(row)?);
            }
            if let Some(saga) = all.last_mut() {
                saga.entries.extend(Stored::read(row, ENTRY)?);
            }
        }
        Ok(all)
    }
}

impl Transaction<'_> {
    /// Takes over the oldest that can be claimed.
    pub(super) fn claim(
        &mut self,
        lease: &Lease,
        definitions: &[SagaVersion],
        limit: usize,
    ) -> rusqlite::Result<Vec<TakenOver>> {
        self.leases.renew(lease);
        let woken = self.wake("wake_at <= ?", to_sql(self.now))?;
        let mut through = match &*woken {
            [] => self.held.claimed_through(&lease.worker, definitions),
            _ => 0,
        };
        let connection = self.connection;
        let mut select = connection.prepare_cached(&free_sagas())?;
        let mut listed = connection
            .prepare_cached("SELECT number FROM awake_sagas WHERE number > ? ORDER BY number")?;
        let listed = listed.query_map([through], |row| Ok((row.get(0)?, true)))?;
        let fresh = self.held.awake.fresh().into_iter();
        let mut awake = listed.chain(fresh.map(|number| Ok((number, false))));
        let mut is_all_settled = true;
        let mut taken = Vec::new();
        while taken.len() < limit {
            let mut numbers = Vec::with_capacity(TOGETHER);
            while numbers.len() < TOGETHER.min(limit - taken.len())
                && let Some(next) = awake.next()
            {
                let (number, is_listed) = next?;
                let is_awake = self.held.awake.is_there(number) || woken.contains(&number);
                if is_awake && self.is_free(number) {
                    numbers.push(number);
                } else if is_awake {
                    let held = self.held.by_number(number);
                    // The lease of another worker may run out.
                    is_all_settled &= held.is_some_and(|(_, held)| held.worker == lease.worker);
                }
                if is_listed && is_all_settled {
                    through = number;
                }
            }
            if numbers.is_empty() {
                break;
            }
            for free in Free::read_all(&mut select, &numbers)? {
                // Any worker can set aside a saga whose name may be a wrong one.
                let is_named = definitions.iter().any(|one| one.is_of(&free.record.saga));
                if is_named || free.record.damage.is_some() && self.is_reached(&free)? {
                    taken.push(self.take_over(free, lease));
                }
            }
        }
        self.write_claims(&taken, lease)?;
        self.held.stage(Change::Claimed(Progress {
            worker: lease.worker.clone(),
            definitions: definitions.to_vec(),
            through,
        }));
        Ok(taken)
    }

    pub(super) fn claim_one(&mut self, lease: &Lease, id: &SagaId) -> rusqlite::Result<TakenOne> {
        self.leases.renew(lease);
        let Some((before, number)) = self.rows().record(id)? else {
            return Ok(TakenOne::Not(ClaimedOne::Unknown));
        };
        if before.state.is_final() {
            return Ok(TakenOne::Not(ClaimedOne::Final(before.state)));
        }
        let held = self.held.by_number(number);
        if let Some((_, held)) = held.filter(|_| !self.is_free(number)) {
            return Ok(TakenOne::Not(ClaimedOne::Held(held.worker.clone())));
        }
        let mut select = self.connection.prepare_cached(&free_sagas())?;
        let Some(mut free) = Free::read_all(&mut select, &[number])?.pop() else {
            return Ok(TakenOne::Not(ClaimedOne::Unknown));
        };
        free.record.state = before.state;
        let rest = self.rest(number)?;
        // A stuck saga goes on with the next entry.
        if before.state != State::Stuck {
            self.connection
                .prepare_cached("UPDATE sagas SET wake_at = NULL WHERE number = ?")?
                .execute([number])?;
            self.woken(number)?;
        }
        let mut taken = self.take_over(free, lease);
        taken.claimed.rest = rest;
        self.write_claims(slice::from_ref(&taken), lease)?;
        Ok(TakenOne::TakenOver(Box::new(taken)))
    }

    /// The rest of a saga. A time that can't be read is over.
    fn rest(&self, number: i64) -> rusqlite::Result<Wakeup> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT wake_at FROM sagas WHERE number = ?")?;
        let wake_at: Value = statement.query_row([number], |row| row.get(0))?;
        Ok(match wake_at {
            Value::Integer(i64::MAX) => Wakeup::WhenCalled,
            Value::Integer(millis) => Wakeup::At(time(millis)),
            _ => Wakeup::Now,
        })
    }

    /// Returns whether commands reach a damaged saga by the id that it has been given.
    fn is_reached(&self, free: &Free) -> rusqlite::Result<bool> {
        let found = self.rows().record(&free.record.saga.id)?;
        Ok(found.is_some_and(|(_, number)| number == free.number))
    }

    /// Returns whether the saga has no holder, or one whose lease has run out.
    fn is_free(&self, number: i64) -> bool {
        let held = self.held.by_number(number);
        held.is_none_or(|(_, held)| !self.leases.is_valid(&held.worker))
    }

    fn take_over(&mut self, free: Free, lease: &Lease) -> TakenOver {
        let Free {
            number,
            mut record,
            entries,
            claimed_seq,
            ..
        } = free;
        let last = entries.iter().map(|entry| entry.seq).max().unwrap_or(0);
        let is_stuck = record.state == State::Stuck;
        // Of one that is stuck nothing is under way.
        let is_cut_off = record.worker.is_some() && !is_stuck;
        let before = if claimed_seq == last {
            free.recoveries
        } else {
            0
        };
        let recoveries = before + u32::from(is_cut_off);
        record.epoch += 1;
        record.worker = Some(lease.worker.clone());
        self.held.stage(Change::Hold(Held {
            id: record.saga.id.clone(),
            number,
            epoch: record.epoch,
            worker: lease.worker.clone(),
            next: u64::from(last) + 1,
            cancel: match record.cancellation {
                Some(_) => Cancel::Known,
                None => Cancel::No,
            },
            is_stuck,
            is_touched: false,
        }));
        let claim = Claim {
            id: record.saga.id.clone(),
            epoch: record.epoch,
        };
        let mut claimed = Claimed::new(claim, record, Ok(Vec::new()));
        claimed.next = u64::from(last) + 1;
        let is_without_doubt = free.doubt_seq.is_ok_and(|doubt| doubt != Some(last));
        claimed.orderly = is_without_doubt && !is_cut_off;
        claimed.recoveries = recoveries;
        TakenOver {
            number,
            claimed,
            entries,
            claimed_seq,
        }
    }

    /// Records the new holder of these sagas. Sagas that were interrupted at the same place share a statement.
    fn write_claims(&self, taken: &[TakenOver], lease: &Lease) -> rusqlite::Result<()> {
        let mut alike: BTreeMap<(u64, u32), Vec<i64>> = BTreeMap::new();
        for one in taken {
            let place = (one.claimed.next - 1, one.claimed.recoveries);
            alike.entry(place).or_default().push(one.number);
        }
        let mut update = self.connection.prepare_cached(&claim_sagas())?;
        for ((last, recoveries), numbers) in alike {
            for numbers in numbers.chunks(TOGETHER) {
                update.raw_bind_parameter(1, lease.worker.as_str())?;
                update.raw_bind_parameter(2, last.cast_signed())?;
                update.raw_bind_parameter(3, recoveries)?;
                for index in 0..TOGETHER {
                    update.raw_bind_parameter(index + 4, numbers.get(index))?;
                }
                update.raw_execute()?;
            }
        }
        Ok(())
    }
}
