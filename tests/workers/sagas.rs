//! The saga of these tests, and the service that its steps call: one effect per key, however often it is asked.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, params};
use saga_runtime::{Context, saga, step};
use serde::{Deserialize, Serialize};

/// The number of steps of a saga.
pub(crate) const STEPS: u32 = 4;

/// The service: a file that all processes share, and that no process loses.
pub(crate) struct Service(Mutex<Connection>);

const TABLE: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF; -- processes are killed here, not machines
    CREATE TABLE IF NOT EXISTS effects (key TEXT PRIMARY KEY, saga TEXT NOT NULL, answer TEXT NOT NULL);
";

impl Service {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let database = Connection::open(path)?;
        database.busy_timeout(Duration::from_secs(30))?;
        database.execute_batch(TABLE)?;
        Ok(Self(Mutex::new(database)))
    }

    /// Does something once per key. Returns the answer of that one time.
    fn act(&self, key: &str, saga: &str, answer: &str) -> rusqlite::Result<String> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        database
            .prepare_cached("INSERT OR IGNORE INTO effects (key, saga, answer) VALUES (?, ?, ?)")?
            .execute(params![key, saga, answer])?;
        database
            .prepare_cached("SELECT answer FROM effects WHERE key = ?")?
            .query_row([key], |row| row.get(0))
    }

    /// Undoes what was done under a key. What still comes under it does nothing.
    fn undo(&self, key: &str, saga: &str) -> rusqlite::Result<()> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        database
            .prepare_cached(
                "INSERT OR REPLACE INTO effects (key, saga, answer) VALUES (?, ?, 'undone')",
            )?
            .execute(params![key, saga])
            .map(|_| ())
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The step that refuses.
    pub(crate) refused: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

const BROKEN: &str = "the service's file works";

async fn act(cx: Context<'_, Service>, step: u32, plan: Plan) -> Result<(), Refused> {
    let answer = if plan.refused == Some(step) {
        "refused"
    } else {
        "done"
    };
    let key = String::from(cx.idempotency_key());
    let answer = cx.act(&key, cx.saga_id().as_str(), answer).expect(BROKEN);
    // The answer takes a while, and the process may end meanwhile.
    tokio::time::sleep(Duration::from_millis(3)).await;
    if answer == "done" {
        Ok(())
    } else {
        Err(Refused)
    }
}

async fn undo(cx: Context<'_, Service>, (): &()) -> Result<(), Refused> {
    let key = String::from(cx.action_key());
    cx.undo(&key, cx.saga_id().as_str()).expect(BROKEN);
    Ok(())
}

macro_rules! steps {
    ($($step:ident $number:literal;)+) => {$(
        #[step(compensate = undo)]
        async fn $step(cx: Context<'_, Service>, plan: Plan) -> Result<(), Refused> {
            act(cx, $number, plan).await
        }
    )+};
}

steps! {
    one 1;
    two 2;
    three 3;
    four 4;
}

saga!(
    pub(crate) async fn line(cx: Context<'_, Service>, plan: Plan) -> Result<u32, Refused> {
        one(cx, plan).await?;
        two(cx, plan).await?;
        three(cx, plan).await?;
        four(cx, plan).await?;
        Ok(STEPS)
    }
);
