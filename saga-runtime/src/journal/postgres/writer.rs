//! The tasks that write: all that waits is sent as one statement, so that many sagas share one commit.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, Row as _};
use tokio::sync::{Mutex, mpsc};

use crate::journal::postgres::connections::{Connections, RunOn as _};
use crate::journal::postgres::operation::{Append, Operation, StartResult, signed, wake_at};
use crate::journal::postgres::schema::Schema;
use crate::journal::postgres::text::stored;
use crate::journal::postgres::{append, is_conflict};
use crate::journal::{JournalError, Wakeup};
use crate::trace::TraceContext;

/// The most operations that travel in one statement.
const BATCH: usize = 512;

/// How many statements are under way at the same time: while one waits for the disk, the next one is filled.
const WRITERS: usize = 2;

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
            let mut batch = Vec::new();
            let taken = self
                .operations
                .lock()
                .await
                .recv_many(&mut batch, BATCH)
                .await;
            if taken == 0 {
                return;
            }
            let (batch, later) = split(batch);
            self.write(batch).await;
            for operation in later {
                self.write(vec![operation]).await;
            }
        }
    }

    /// Writes all of these with one commit. If one of them can't be written, each by itself.
    async fn write(&self, batch: Vec<Operation>) {
        let mut columns = Parameters::default();
        for operation in &batch {
            columns.add(operation);
        }
        columns.sort();
        match self.execute(&columns).await {
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
            Err(error) if is_conflict(&error) => {
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
                let number = written
                    .started
                    .iter()
                    .find(|(id, _)| *id == *stored(saga.id.as_str()));
                let _ = reply.send(Ok(match number {
                    Some((_, number)) => StartResult::New(*number),
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
        let result = append::apart(&self.pool, &self.schema, &append).await;
        let _ = append.reply.send(result);
    }

    async fn execute(&self, columns: &Parameters) -> Result<Written, sqlx::Error> {
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
            .all_on(&self.pool)
            .await?;
        let mut written = Written::default();
        for row in rows {
            // The row of the notification has no number.
            let Some(number) = row.try_get("number")? else {
                continue;
            };
            match row.try_get::<Option<String>, _>("id")? {
                Some(id) => written.started.push((id, number)),
                None => {
                    written.appended.insert(number);
                }
            }
        }
        Ok(written)
    }
}

/// What a statement has written.
#[derive(Debug, Default)]
struct Written {
    /// The new sagas: the stored id, and the number.
    started: Vec<(String, i64)>,
    /// The numbers of the sagas whose entries are there.
    appended: HashSet<i64>,
}

/// The parameters of one statement, a list per column.
#[derive(Debug, Default)]
struct Parameters {
    start_id: Vec<String>,
    start_name: Vec<String>,
    start_version: Vec<i64>,
    start_fingerprint: Vec<i64>,
    start_input: Vec<String>,
    start_worker: Vec<Option<String>>,
    start_traceparent: Vec<Option<String>>,
    start_tracestate: Vec<Option<String>>,
    append_number: Vec<i64>,
    append_epoch: Vec<i64>,
    append_first: Vec<i64>,
    append_last_event: Vec<String>,
    row_number: Vec<i64>,
    row_seq: Vec<i64>,
    row_event: Vec<String>,
    row_step: Vec<Option<String>>,
    row_occurrence: Vec<Option<i64>>,
    row_kind: Vec<Option<String>>,
    row_attempts: Vec<Option<i64>>,
    row_code: Vec<Option<String>>,
    row_message: Vec<Option<String>>,
    row_payload: Vec<Option<String>>,
    release_number: Vec<i64>,
    release_epoch: Vec<i64>,
    release_wake: Vec<Option<f64>>,
    release_doubt: Vec<bool>,
    /// Whether other workers may have something to do afterwards.
    notifies: bool,
}

impl Parameters {
    fn add(&mut self, operation: &Operation) {
        match operation {
            Operation::Start { saga, lease, .. } => {
                self.start_id.push(stored(saga.id.as_str()).into_owned());
                self.start_name.push(stored(&saga.name).into_owned());
                self.start_version.push(saga.version.into());
                self.start_fingerprint.push(saga.fingerprint.cast_signed());
                self.start_input.push(saga.input.clone());
                let worker = lease.as_ref().map(|lease| lease.worker.as_str().to_owned());
                self.notifies |= worker.is_none();
                self.start_worker.push(worker);
                let trace = saga.trace.as_ref();
                let traceparent = trace.map(TraceContext::traceparent);
                let tracestate = trace.and_then(TraceContext::tracestate);
                self.start_traceparent.push(traceparent.map(str::to_owned));
                self.start_tracestate.push(tracestate.map(str::to_owned));
            }
            Operation::Append(append) => self.append(append),
            Operation::Release {
                claim,
                number,
                in_doubt,
                wakeup,
                ..
            } => {
                self.release_number.push(*number);
                self.release_epoch.push(signed(claim.epoch));
                self.release_wake.push(wake_at(*wakeup));
                self.release_doubt.push(*in_doubt);
                self.notifies |= *wakeup == Wakeup::Now;
            }
        }
    }

    fn append(&mut self, append: &Append) {
        self.append_number.push(append.number);
        self.append_epoch.push(signed(append.claim.epoch));
        self.append_first.push(append.first_seq());
        self.append_last_event.push(append.last_event().to_owned());
        for (row, seq) in append.rows.iter().zip(append.first_seq()..) {
            let text = |text: &str| stored(text).into_owned();
            self.row_number.push(append.number);
            self.row_seq.push(seq);
            self.row_event.push(row.event.to_string());
            self.row_step.push(row.step.as_deref().map(text));
            self.row_occurrence.push(row.occurrence.map(i64::from));
            self.row_kind.push(row.kind.as_deref().map(str::to_owned));
            self.row_attempts.push(row.attempts.map(i64::from));
            self.row_code.push(row.code.as_deref().map(text));
            self.row_message.push(row.message.as_deref().map(text));
            self.row_payload.push(row.payload.clone());
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
