//! The batches of the writer thread: all operations that wait are written in one transaction.
//!
//! ```text
//! operations ──▶ Batches: which of them share a transaction ──▶ Transaction: the SQL of each ──▶ COMMIT ──▶ answers
//! ```

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::journal::sqlite::insert::{NewEntry, NewRow};
use crate::journal::sqlite::operation::{Operation, OperationResult, answer_all};
use crate::journal::sqlite::presence::Presence;
use crate::journal::sqlite::room;
use crate::journal::sqlite::transaction::{Appended, Done, Transaction, WriteFailure};
use crate::journal::{JournalError, Started};

/// The most operations in one transaction: no caller waits long, however many there are.
const BATCH: usize = 2048;

/// The number of operations after which their rows are added: enough for the widest statement.
const ROWS: usize = 32;

/// The time that the writer waits for a caller that is about to write again.
const MOMENT: Duration = Duration::from_micros(50);

/// The number of changes after which the table of awake sagas is brought up to date.
const UNLISTED: usize = 4096;

/// The number of commits after which the room on the disk is looked at again.
const MEASURED: u64 = 256;

/// The operations of one transaction.
struct Batch {
    /// Operations that an earlier transaction has put off.
    first: VecDeque<Operation>,
    done: Vec<(Operation, OperationResult)>,
    /// The number of `done` operations whose rows are added.
    added: usize,
    /// Operations that have to wait for this transaction's commit.
    deferred: VecDeque<Operation>,
    /// The operation whose SQL has failed.
    failed: Option<Operation>,
}

impl Batch {
    fn new(first: VecDeque<Operation>) -> Self {
        Self {
            first,
            done: Vec::new(),
            added: 0,
            deferred: VecDeque::new(),
            failed: None,
        }
    }

    fn len(&self) -> usize {
        self.done.len() + self.deferred.len()
    }

    /// The source of more operations, while the transaction has room for them.
    fn more<'a>(
        &self,
        operations: Option<&'a Receiver<Operation>>,
    ) -> Option<&'a Receiver<Operation>> {
        operations.filter(|_| self.len() < BATCH)
    }

    /// The operations for the next transaction.
    fn remaining(mut self) -> VecDeque<Operation> {
        self.deferred.extend(self.first);
        self.deferred
    }
}

/// All transactions of a writer, one after the other.
pub(super) struct Batches<'c> {
    transaction: Transaction<'c>,
    presence: Arc<Presence>,
    commits: Arc<AtomicU64>,
    /// There was no room on the disk for the last transaction.
    is_full: bool,
    /// Transactions are done again, because there is more room now.
    is_repeating: bool,
}

impl<'c> Batches<'c> {
    pub(super) fn new(
        transaction: Transaction<'c>,
        presence: Arc<Presence>,
        commits: Arc<AtomicU64>,
    ) -> Self {
        Self {
            transaction,
            presence,
            commits,
            is_full: false,
            is_repeating: false,
        }
    }

    /// Writes until all senders of operations are gone.
    pub(super) fn run(mut self, operations: &Receiver<Operation>) {
        // Spin briefly: callers that were just answered usually write again at once, and a wake-up costs more than the spin.
        while let Some(first) = soon(operations).or_else(|| operations.recv().ok()) {
            let mut first = VecDeque::from([first]);
            while !first.is_empty() {
                first = self.write(first, Some(operations));
                if self.transaction.held.awake.unlisted() >= UNLISTED {
                    self.list_awake();
                }
            }
        }
        self.list_awake();
        // Copies and other processes find all of the journal in one file. If this fails, the next one to open the journal
        // does it.
        room::empty_log(self.transaction.connection);
    }

    /// Writes these operations, and all that arrive meanwhile, in one transaction, and answers each. Returns the
    /// operations that have to wait for it.
    fn write(
        &mut self,
        first: VecDeque<Operation>,
        operations: Option<&Receiver<Operation>>,
    ) -> VecDeque<Operation> {
        let begun = self.presence.check();
        if let Err(error) = begun.and_then(|()| self.begin().map_err(JournalError::unavailable)) {
            for operation in first {
                operation.refuse(again(&error));
            }
            return VecDeque::new();
        }
        let mut batch = Batch::new(first);
        if let Err(error) = self.fill(&mut batch, operations) {
            self.is_full = room::is_full(&error);
            self.roll_back();
            self.failed(&mut batch, &JournalError::unavailable(error));
        } else if let Err(error) = self.commit() {
            self.failed(&mut batch, &error);
        } else {
            answer_all(mem::take(&mut batch.done));
        }
        batch.remaining()
    }

    /// Does the operations of a transaction that has failed again, each in a transaction of its own: one that can't be
    /// written must not harm the others. One that was alone is refused, unless there is more room for it now.
    fn failed(&mut self, batch: &mut Batch, error: &JournalError) {
        let done = mem::take(&mut batch.done).into_iter().map(|(one, _)| one);
        let operations: Vec<_> = done.chain(batch.failed.take()).collect();
        let is_roomier = mem::take(&mut self.is_full)
            && !self.is_repeating
            && room::empty_log(self.transaction.connection);
        let is_refused =
            matches!(error, JournalError::Gone { .. }) || operations.len() == 1 && !is_roomier;
        if is_refused {
            for operation in operations {
                operation.refuse(again(error));
            }
            return;
        }
        let was_repeating = self.is_repeating;
        self.is_repeating |= is_roomier;
        for operation in operations {
            self.write(VecDeque::from([operation]), None);
        }
        self.is_repeating = was_repeating;
    }

    /// Does the operations of one transaction.
    fn fill(
        &mut self,
        batch: &mut Batch,
        operations: Option<&Receiver<Operation>>,
    ) -> rusqlite::Result<()> {
        loop {
            let next = batch.first.pop_front();
            let next = next.or_else(|| batch.more(operations)?.try_recv().ok());
            let operation = if let Some(operation) = next {
                operation
            } else {
                // Rows are added while the queue is empty.
                self.add_rows(batch)?;
                let more = batch.more(operations);
                match more.and_then(|operations| self.soon(batch, operations)) {
                    Some(operation) => operation,
                    None => return Ok(()),
                }
            };
            if operation.reads_memory() {
                self.add_rows(batch)?;
            }
            match apply(&mut self.transaction, &operation) {
                Ok(Some(result)) => batch.done.push((operation, result)),
                // Nothing overtakes a claim: after a crash there may be many sagas to claim, and the writes of the first of
                // them would hold up the others.
                Ok(None) if matches!(operation, Operation::Claim { .. }) => {
                    batch.deferred.push_back(operation);
                    return Ok(());
                }
                Ok(None) => batch.deferred.push_back(operation),
                Err(error) => {
                    batch.failed = Some(operation);
                    return Err(error);
                }
            }
            if batch.done.len() - batch.added >= ROWS {
                self.add_rows(batch)?;
            }
        }
    }

    /// The next operation, if it comes within a moment. Callers that were just answered are about to write again: while more
    /// of them may come, it is worth waiting for them, because each transaction waits for the disk.
    fn soon(&self, batch: &Batch, operations: &Receiver<Operation>) -> Option<Operation> {
        let is_more_expected = batch.len() < self.transaction.held.len();
        is_more_expected.then(|| soon(operations)).flatten()
    }

    /// Adds the rows of the operations that were done since the last time.
    fn add_rows(&mut self, batch: &mut Batch) -> rusqlite::Result<()> {
        let these = batch.done.get_mut(batch.added..).unwrap_or_default();
        add_rows(&mut self.transaction, these)?;
        batch.added = batch.done.len();
        Ok(())
    }

    /// Commits the transaction, and lets memory follow.
    fn commit(&mut self) -> Result<(), JournalError> {
        if let Err(error) = self.execute("COMMIT") {
            self.is_full = room::is_full(&error);
            self.roll_back();
            return Err(JournalError::unavailable(error));
        }
        let commits = self.commits.fetch_add(1, Ordering::Relaxed);
        if commits.is_multiple_of(MEASURED) {
            // If that fails, the limit stays as it is.
            let _ = room::limit_log(self.transaction.connection, self.presence.path());
        }
        self.transaction.held.committed();
        // A commit to a file that was removed meanwhile is not acknowledged.
        self.presence.check()
    }

    fn begin(&mut self) -> rusqlite::Result<()> {
        self.transaction.now = Clock::default().now();
        self.execute("BEGIN IMMEDIATE")
    }

    fn roll_back(&mut self) {
        self.transaction.held.rolled_back();
        // SQLite may have rolled back by itself.
        if !self.transaction.connection.is_autocommit() {
            let _ = self.execute("ROLLBACK");
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        let connection = self.transaction.connection;
        connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Brings the table of awake sagas up to date. If that fails, a later call does it.
    fn list_awake(&mut self) {
        if self.transaction.held.awake.unlisted() == 0 {
            return;
        }
        let written = self.begin().and_then(|()| self.transaction.list_awake());
        match written {
            Ok(()) => {
                let _ = self.commit();
            }
            Err(_) => self.roll_back(),
        }
    }
}

/// Does an operation in the transaction, apart from [its rows](add_rows). Returns `None` if memory has to follow the
/// transaction first.
pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    operation: &Operation,
) -> rusqlite::Result<Option<OperationResult>> {
    if operation.reads_memory() && transaction.held.has_staged() {
        return Ok(None);
    }
    Ok(Some(match operation {
        Operation::Start { .. } => OperationResult::Starting(transaction.held.awake.number()),
        Operation::Append {
            claim, first, rows, ..
        } => match transaction.append(claim, *first, rows) {
            Ok(Done::Now(Appended::To(saga))) => OperationResult::Appending(saga),
            Ok(Done::Now(Appended::Already)) => OperationResult::Append(Ok(())),
            Ok(Done::Later) => return Ok(None),
            Err(WriteFailure::Refused(error)) => OperationResult::Append(Err(error)),
            Err(WriteFailure::Sql(error)) => return Err(error),
        },
        Operation::Claim {
            lease,
            definitions,
            limit,
            ..
        } => OperationResult::Claim(transaction.claim(lease, definitions, *limit)?),
        Operation::ClaimOne { lease, id, .. } => {
            OperationResult::ClaimOne(transaction.claim_one(lease, id)?)
        }
        Operation::Renew { lease, .. } => OperationResult::Renew(transaction.renew(lease)),
        Operation::Release {
            claim,
            in_doubt,
            rest,
            ..
        } => match transaction.release(claim, *in_doubt, *rest)? {
            Done::Now(()) => OperationResult::Release,
            Done::Later => return Ok(None),
        },
        Operation::RequestCancel { id, reason, .. } => {
            OperationResult::RequestCancel(transaction.request_cancel(id, reason)?)
        }
        Operation::SetPause { name, reason, .. } => {
            OperationResult::SetPause(transaction.set_pause(name, reason.as_deref())?)
        }
        Operation::Purge { before, after, .. } => {
            OperationResult::Purge(transaction.purge(*before, *after)?)
        }
    }))
}

/// Adds the rows of these operations, many with one statement, and completes their results.
pub(super) fn add_rows(
    transaction: &mut Transaction<'_>,
    done: &mut [(Operation, OperationResult)],
) -> rusqlite::Result<()> {
    let (mut entries, mut sagas) = (Vec::new(), Vec::new());
    for one in &*done {
        match one {
            (Operation::Append { first, rows, .. }, OperationResult::Appending(saga)) => {
                let rows = rows.iter().zip(*first..);
                let saga = *saga;
                entries.extend(rows.map(|(checked, seq)| NewEntry {
                    saga,
                    seq,
                    row: &checked.row,
                    checksum: checked.checksum,
                }));
            }
            (
                Operation::Start {
                    saga,
                    checksum,
                    lease,
                    ..
                },
                OperationResult::Starting(number),
            ) => {
                sagas.push(NewRow {
                    number: *number,
                    saga,
                    checksum: *checksum,
                    worker: lease.as_ref().map(|lease| &lease.worker),
                });
            }
            _ => {}
        }
    }
    transaction.add_entries(entries)?;
    let are_all_new = transaction.add_sagas(sagas)?;
    for (operation, result) in done {
        match (&*operation, &*result) {
            (_, OperationResult::Appending(_)) => *result = OperationResult::Append(Ok(())),
            (Operation::Start { saga, lease, .. }, OperationResult::Starting(number)) => {
                let existing = if are_all_new {
                    None
                } else {
                    transaction.other(&saga.id, *number)?
                };
                *result = OperationResult::Start(match existing {
                    Some(record) => Started::Existing(Box::new(record)),
                    None => transaction.started(*number, saga, lease.as_ref()),
                });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The next operation, if it comes within a moment. Looks again and again and does not sleep: a wake-up would take longer
/// than the moment.
fn soon(operations: &Receiver<Operation>) -> Option<Operation> {
    let began = Instant::now();
    while began.elapsed() < MOMENT {
        if let Ok(operation) = operations.try_recv() {
            return Some(operation);
        }
        thread::yield_now();
    }
    None
}

/// The same error for each of several callers.
fn again(error: &JournalError) -> JournalError {
    match error {
        JournalError::Unavailable { message, .. } => JournalError::Unavailable {
            message: message.clone(),
            source: None,
        },
        JournalError::Gone { journal } => JournalError::Gone {
            journal: journal.clone(),
        },
        _ => JournalError::Closed,
    }
}
