//! The bare loop: what the server and the disk allow, without any saga. Two writers send all rows that wait as one statement.

use std::sync::Arc;

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::customers::{self, Failure};

/// How many statements are under way at the same time.
const WRITERS: usize = 2;

/// The most writes that travel in one statement.
const BATCH: usize = 512;

/// The rows of one step of a saga, and the customer who waits for them.
struct Write {
    saga: String,
    /// The number of the first row; the last write of a saga has two rows.
    seq: i64,
    written: oneshot::Sender<()>,
}

/// So many customers that let the rows of sagas be written.
pub(crate) async fn work(url: &str, in_flight: usize, each: usize) -> Result<(), Failure> {
    let connections = u32::try_from(WRITERS)?;
    let pool = PgPoolOptions::new().max_connections(connections);
    let pool = pool.connect(url).await?;
    sqlx::raw_sql(
        "CREATE TABLE rows (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, saga text, seq bigint, at timestamptz,
             event text, step text, occurrence bigint, kind text, attempts bigint, code text, message text, payload json)",
    )
    .execute(&pool)
    .await?;
    let (queue, waiting) = mpsc::unbounded_channel();
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..WRITERS {
        tokio::spawn(write_all(Arc::clone(&waiting), pool.clone()));
    }
    customers::serve(in_flight, each, move |saga, _| {
        let queue = queue.clone();
        async move {
            for seq in 0..4 {
                let (written, answer) = oneshot::channel();
                let saga = saga.clone();
                queue.send(Write { saga, seq, written })?;
                answer.await?;
            }
            Ok(())
        }
    })
    .await
}

async fn write_all(waiting: Arc<Mutex<mpsc::UnboundedReceiver<Write>>>, pool: PgPool) {
    loop {
        let mut batch = Vec::new();
        if waiting.lock().await.recv_many(&mut batch, BATCH).await == 0 {
            return;
        }
        // A customer whose write has failed hears it by the end of its channel.
        if write(&pool, &batch).await.is_ok() {
            for write in batch {
                let _ = write.written.send(());
            }
        }
    }
}

async fn write(pool: &PgPool, batch: &[Write]) -> Result<(), sqlx::Error> {
    let mut rows = Rows::default();
    for write in batch {
        if write.seq == 0 {
            rows.add(write, 0, "started", Some("three"), None, "{\"number\":17}");
            continue;
        }
        rows.add(write, write.seq, "step_done", Some("first"), Some(1), "17");
        if write.seq == 3 {
            rows.add(write, 4, "completed", None, None, "17");
        }
    }
    sqlx::query(
        "INSERT INTO rows (saga, seq, at, event, step, occurrence, kind, attempts, payload)
         SELECT saga, seq, clock_timestamp(), event, step, occurrence, kind, attempts, payload::json
         FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::text[])
             AS row (saga, seq, event, step, occurrence, kind, attempts, payload)",
    )
    .bind(&rows.saga)
    .bind(&rows.seq)
    .bind(&rows.event)
    .bind(&rows.step)
    .bind(&rows.occurrence)
    .bind(&rows.kind)
    .bind(&rows.attempts)
    .bind(&rows.payload)
    .execute(pool)
    .await?;
    Ok(())
}

/// The parameters of one statement, a list per column.
#[derive(Default)]
struct Rows<'a> {
    saga: Vec<&'a str>,
    seq: Vec<i64>,
    event: Vec<&'a str>,
    step: Vec<Option<&'a str>>,
    occurrence: Vec<Option<i64>>,
    kind: Vec<Option<&'a str>>,
    attempts: Vec<Option<i64>>,
    payload: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    fn add(
        &mut self,
        write: &'a Write,
        seq: i64,
        event: &'a str,
        step: Option<&'a str>,
        attempts: Option<i64>,
        payload: &'a str,
    ) {
        self.saga.push(&write.saga);
        self.seq.push(seq);
        self.event.push(event);
        self.step.push(step);
        self.occurrence.push(attempts.map(|_| 0));
        self.kind.push(attempts.map(|_| "compensatable"));
        self.attempts.push(attempts);
        self.payload.push(payload);
    }
}
