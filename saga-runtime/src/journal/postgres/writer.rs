//! The tasks that write: all that waits is sent as one statement, so that many sagas share one commit.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, Row as _};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::journal::postgres::connections::{Connections, RunOn as _};
use crate::journal::postgres::operation::{
    Append, Operation, Release, StartResult, signed, wake_at,
};
use crate::journal::postgres::schema::Schema;
use crate::journal::postgres::text::stored;
use crate::journal::postgres::{append, is_conflict, is_of_one};
use crate::journal::{AppendError, Claim, JournalError, Wakeup};
use crate::trace::TraceContext;

/// The most operations that travel in one statement.
const BATCH: usize = 512;

/// How many statements are under way at the same time: while one waits for the disk, the next one is filled.
const WRITERS: usize = 2;

/// How often in a row a writer lets other tasks run in vain, before it sends a statement.
const IDLE_TURNS: u32 = 3;

/// Takes operations, and writes them.
#[derive(Debug)]
pub(super) struct Writer {
    operations: mpsc::UnboundedSender<Operation>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the tasks on the present runtime. They end when this is dropped and all is written.
    pub(super) fn start(pool: &Connections, schema: &Schema) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let commits = Arc::default();
        let operations = Arc::new(Mutex::new(receiver));
        let statement: Arc<str> = schema.sql(include_str!("batch.sql")).into();
        for _ in 0..WRITERS {
            let task = Task {
                operations: Arc::clone(&operations),
                pool: pool.clone(),
                schema: schema.clone(),
                statement: Arc::clone(&statement),
                commits: Arc::clone(&commits),
            };
            tokio::spawn(task.run());
        }
        Self {
            operations: sender,
            commits,
        }
    }

    pub(super) fn send(&self, operation: Operation) -> Result<(), JournalError> {
        let sent = self.operations.send(operation);
        sent.map_err(|_| JournalError::Closed)
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

/// Separates what can travel in one statement from what must follow it: a statement does not see its own writes, so it
/// can't do two things to one saga.
fn split(operations: Vec<Operation>) -> (Vec<Operation>, Vec<Operation>) {
    let (mut ids, mut numbers) = (HashSet::new(), HashSet::new());
    operations
        .into_iter()
        .partition(|operation| match operation {
            Operation::Start { saga, .. } => ids.insert(saga.id.clone()),
            Operation::Append(Append { number, .. }) | Operation::Release { number, .. } => {
                numbers.insert(*number)
            }
        })
}

struct Task {
    operations: Arc<Mutex<mpsc::UnboundedReceiver<Operation>>>,
    pool: Connections,
    schema: Schema,
    statement: Arc<str>,
    commits: Arc<AtomicU64>,
}

impl Task {
    async fn run(self) {
        loop {
            let batch = self.take().await;
            if batch.is_empty() {
                return;
            }
            let (batch, later) = split(batch);
            self.write(batch).await;
            for operation in later {
                self.write(vec![operation]).await;
            }
        }
    }

    /// Waits for operations, and takes all that can travel in one statement; none: no more will come.
    async fn take(&self) -> Vec<Operation> {
        let mut batch = Vec::new();
        let mut operations = self.operations.lock().await;
        operations.recv_many(&mut batch, BATCH).await;
        // The sagas whose writes were answered last are just about to ask for the next ones: they come along.
        let mut idle_turns = 0;
        while idle_turns < IDLE_TURNS && !batch.is_empty() && batch.len() < BATCH {
            tokio::task::yield_now().await;
            if operations.is_empty() {
                idle_turns += 1;
            } else {
                let room = BATCH - batch.len();
                operations.recv_many(&mut batch, room).await;
                idle_turns = 0;
            }
        }
        batch
    }

    /// Writes all of these with one commit. If one of them can't be written, each by itself.
    async fn write(&self, batch: Vec<Operation>) {
        match self.execute(Parameters::of(&batch)).await {
            Ok(written) => {
                self.commits.fetch_add(1, Ordering::Relaxed);
                for operation in batch {
                    self.answer(operation, &written).await;
                }
            }
            Err(error) if batch.len() == 1 && !is_conflict(&error) => {
                for operation in batch {
                    operation.fail(&error);
                }
            }
            Err(error) if batch.len() == 1 => {
                for operation in batch {
                    match operation {
                        Operation::Append(append) => self.append_apart(append).await,
                        other => other.fail(&error),
                    }
                }
            }
            Err(error) if is_conflict(&error) || is_of_one(&error) => {
                for operation in batch {
                    Box::pin(self.write(vec![operation])).await;
                }
            }
            Err(error) => {
                for operation in batch {
                    operation.fail(&error);
                }
            }
        }
    }

    async fn answer(&self, operation: Operation, written: &Written) {
        match operation {
            Operation::Start { saga, reply, .. } => {
                let number = written.started.get(&*stored(saga.id.as_str()));
                let _ = reply.send(Ok(match number {
                    Some(number) => StartResult::New(*number),
                    None => StartResult::Taken,
                }));
            }
            Operation::Append(append) => {
                if written.appended.contains(&append.number) {
                    let _ = append.reply.send(Ok(()));
                } else {
                    self.append_apart(append).await;
                }
            }
            Operation::Release { reply, .. } => drop(reply.send(Ok(()))),
        }
    }

    /// Finds out why an append could not be written with the others.
    async fn append_apart(&self, append: Append) {
        let mut result = append::apart(&self.pool, &self.schema, &append).await;
        if let Some(release) = append.release
            && result.is_ok()
        {
            // The entries came with an earlier append, and that may not have released the claim.
            let (reply, released) = oneshot::channel();
            let release = Operation::Release {
                claim: append.claim,
                number: append.number,
                release,
                reply,
            };
            Box::pin(self.write(vec![release])).await;
            result = released.await.unwrap_or(Ok(())).map_err(AppendError::from);
        }
        let _ = append.reply.send(result);
    }

    async fn execute(&self, columns: Parameters<'_>) -> Result<Written, sqlx::Error> {
        let rows = sqlx::query(AssertSqlSafe(Arc::clone(&self.statement)))
            .bind(&columns.start_id)
            .bind(&columns.start_name)
            .bind(&columns.start_version)
            .bind(&columns.start_fingerprint)
            .bind(&columns.start_input)
            .bind(&columns.start_worker)
            .bind(&columns.append_number)
            .bind(&columns.append_epoch)
            .bind(&columns.append_first)
            .bind(&columns.append_last_event)
            .bind(&columns.row_number)
            .bind(&columns.row_seq)
            .bind(&columns.row_event)
            .bind(&columns.row_step)
            .bind(&columns.row_occurrence)
            .bind(&columns.row_kind)
            .bind(&columns.row_attempts)
            .bind(&columns.row_code)
            .bind(&columns.row_message)
            .bind(&columns.row_payload)
            .bind(&columns.release_number)
            .bind(&columns.release_epoch)
            .bind(&columns.release_wake)
            .bind(&columns.release_doubt)
            .bind(columns.notifies)
            .bind(self.schema.channel())
            .bind(&columns.start_traceparent)
            .bind(&columns.start_tracestate)
            .bind(&columns.release_entries)
            .all_on(&self.pool)
            .await?;
        let mut written = Written::default();
        for row in rows {
            // The row of the notification has no number.
            let Some(number) = row.try_get("number")? else {
                continue;
            };
            match row.try_get::<Option<String>, _>("id")? {
                Some(id) => drop(written.started.insert(id, number)),
                None => drop(written.appended.insert(number)),
            }
        }
        Ok(written)
    }
}

/// What a statement has written.
#[derive(Debug, Default)]
struct Written {
    /// The numbers of the new sagas, by their stored ids.
    started: HashMap<String, i64>,
    /// The numbers of the sagas whose entries are there.
    appended: HashSet<i64>,
}

/// The parameters of one statement, a list per column.
#[derive(Debug, Default)]
struct Parameters<'a> {
    start_id: Vec<Cow<'a, str>>,
    start_name: Vec<Cow<'a, str>>,
    start_version: Vec<i64>,
    start_fingerprint: Vec<i64>,
    start_input: Vec<&'a str>,
    start_worker: Vec<Option<&'a str>>,
    start_traceparent: Vec<Option<&'a str>>,
    start_tracestate: Vec<Option<&'a str>>,
    append_number: Vec<i64>,
    append_epoch: Vec<i64>,
    append_first: Vec<i64>,
    append_last_event: Vec<&'a str>,
    row_number: Vec<i64>,
    row_seq: Vec<i64>,
    row_event: Vec<&'a str>,
    row_step: Vec<Option<Cow<'a, str>>>,
    row_occurrence: Vec<Option<i64>>,
    row_kind: Vec<Option<&'a str>>,
    row_attempts: Vec<Option<i64>>,
    row_code: Vec<Option<Cow<'a, str>>>,
    row_message: Vec<Option<Cow<'a, str>>>,
    row_payload: Vec<Option<&'a str>>,
    release_number: Vec<i64>,
    release_epoch: Vec<i64>,
    release_wake: Vec<Option<f64>>,
    release_doubt: Vec<bool>,
    release_entries: Vec<Option<i64>>,
    /// Whether other workers may have something to do afterwards.
    notifies: bool,
}

impl<'a> Parameters<'a> {
    fn of(operations: &'a [Operation]) -> Self {
        let mut columns = Self::default();
        for operation in operations {
            columns.add(operation);
        }
        columns.sort();
        columns
    }

    fn add(&mut self, operation: &'a Operation) {
        match operation {
            Operation::Start { saga, lease, .. } => {
                self.start_id.push(stored(saga.id.as_str()));
                self.start_name.push(stored(&saga.name));
                self.start_version.push(saga.version.into());
                self.start_fingerprint.push(saga.fingerprint.cast_signed());
                self.start_input.push(&saga.input);
                let worker = lease.as_ref().map(|lease| lease.worker.as_str());
                self.notifies |= worker.is_none();
                self.start_worker.push(worker);
                let trace = saga.trace.as_ref();
                let traceparent = trace.map(TraceContext::traceparent);
                let tracestate = trace.and_then(TraceContext::tracestate);
                self.start_traceparent.push(traceparent);
                self.start_tracestate.push(tracestate);
            }
            Operation::Append(append) => self.append(append),
            Operation::Release {
                claim,
                number,
                release,
                ..
            } => self.release(*number, claim, *release, None),
        }
    }

    /// Adds a release. With `entries`, it belongs to an append, after which there are so many.
    fn release(&mut self, number: i64, claim: &Claim, release: Release, entries: Option<i64>) {
        self.release_number.push(number);
        self.release_epoch.push(signed(claim.epoch));
        self.release_wake.push(wake_at(release.wakeup));
        self.release_doubt.push(release.in_doubt);
        self.release_entries.push(entries);
        self.notifies |= release.wakeup == Wakeup::Now;
    }

    fn append(&mut self, append: &'a Append) {
        self.append_number.push(append.number);
        self.append_epoch.push(signed(append.claim.epoch));
        self.append_first.push(append.first_seq());
        self.append_last_event.push(append.last_event());
        if let Some(release) = append.release {
            let entries = Some(append.entries_after());
            self.release(append.number, &append.claim, release, entries);
        }
        for (row, seq) in append.rows.iter().zip(append.first_seq()..) {
            self.row_number.push(append.number);
            self.row_seq.push(seq);
            self.row_event.push(&row.event);
            self.row_step.push(row.step.as_deref().map(stored));
            self.row_occurrence.push(row.occurrence.map(i64::from));
            self.row_kind.push(row.kind.as_deref());
            self.row_attempts.push(row.attempts.map(i64::from));
            self.row_code.push(row.code.as_deref().map(stored));
            self.row_message.push(row.message.as_deref().map(stored));
            self.row_payload.push(row.payload.as_deref());
        }
    }

    /// Sorts the new sagas by id: two workers that start the same sagas would otherwise wait for each other for ever.
    fn sort(&mut self) {
        let mut order: Vec<_> = (0..self.start_id.len()).collect();
        order.sort_by(|one, other| self.start_id[*one].cmp(&self.start_id[*other]));
        if order.is_sorted() {
            return;
        }
        reorder(&mut self.start_id, &order);
        reorder(&mut self.start_name, &order);
        reorder(&mut self.start_version, &order);
        reorder(&mut self.start_fingerprint, &order);
        reorder(&mut self.start_input, &order);
        reorder(&mut self.start_worker, &order);
        reorder(&mut self.start_traceparent, &order);
        reorder(&mut self.start_tracestate, &order);
    }
}

/// The elements of a column in this order.
fn reorder<T: Clone>(column: &mut Vec<T>, order: &[usize]) {
    *column = order.iter().map(|index| column[*index].clone()).collect();
}
