//! A service with a database of its own: it remembers every request by its key, and answers finally per key.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use saga_runtime::Context;
use serde::{Deserialize, Serialize};

/// The faults of a saga, which are its input. Steps are numbered from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The number of steps.
    pub(crate) steps: u32,
    /// The step that refuses.
    pub(crate) refused: Option<u32>,
    /// The step that is done, and says the first time that it does not know.
    pub(crate) unclear: Option<u32>,
    /// The step whose compensation fails, and how often.
    pub(crate) stubborn: Option<(u32, u32)>,
}

/// The output of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Effect {
    pub(crate) step: u32,
    pub(crate) plan: Plan,
}

/// The error of a step that was not done, or may not have been done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    Refused,
    Unclear,
}

impl Refusal {
    pub(crate) fn is_unclear(&self) -> bool {
        *self == Self::Unclear
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Unclear => "unclear",
        })
    }
}

/// A mistake that is made on purpose, so that the checks are seen to find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Defect {
    /// The journal answers before it has written.
    AppendsNotAwaited,
    /// The journal loses its last writes, as a disk does that was not synced.
    TailLost,
    /// The decision to compensate a saga is not recorded.
    DecisionNotWritten,
    /// A request's key depends on the attempt.
    KeyWithAttempt,
    /// Once a compensation has failed, others are not requested.
    CompensationsSkipped,
    /// Compensations run first to last.
    FirstToLast,
    /// A worker that lost a saga to another one may still write to it.
    FenceNotChecked,
    /// After a crash a saga begins anew.
    BeginsAnew,
}

/// One request, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) saga: String,
    pub(crate) step: u32,
    pub(crate) what: String,
    pub(crate) key: String,
}

/// The service.
pub(crate) struct Participant {
    database: Mutex<Connection>,
    defect: Option<Defect>,
    moments: Moments,
}

/// Called twice in each request: before it takes effect, and after.
pub(crate) type Moments = Box<dyn Fn() + Send + Sync>;

const TABLES: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF; -- processes are killed here, not machines
    CREATE TABLE IF NOT EXISTS requests (
        number INTEGER PRIMARY KEY, saga TEXT NOT NULL, step INTEGER NOT NULL, what TEXT NOT NULL, key TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS requests_by_key ON requests (key);
    CREATE TABLE IF NOT EXISTS effects (
        key TEXT PRIMARY KEY, saga TEXT NOT NULL, step INTEGER NOT NULL, answer TEXT NOT NULL);
";

impl Participant {
    pub(crate) fn open(path: &Path, defect: Option<Defect>) -> rusqlite::Result<Self> {
        let database = Connection::open(path)?;
        database.busy_timeout(std::time::Duration::from_secs(10))?;
        database.execute_batch(TABLES)?;
        let database = Mutex::new(database);
        Ok(Self {
            database,
            defect,
            moments: Box::new(|| {}),
        })
    }

    /// The same, with something that happens at each of its moments.
    pub(crate) fn at_each_moment(self, moments: Moments) -> Self {
        Self { moments, ..self }
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All requests, in order.
    pub(crate) fn requests(&self) -> rusqlite::Result<Vec<Request>> {
        let database = self.database();
        let mut all = database
            .prepare_cached("SELECT saga, step, what, key FROM requests ORDER BY number")?;
        let requests = all.query_map([], |row| {
            Ok(Request {
                saga: row.get(0)?,
                step: row.get(1)?,
                what: row.get(2)?,
                key: row.get(3)?,
            })
        })?;
        requests.collect()
    }

    /// The steps of a saga that are done and not undone.
    pub(crate) fn effects(&self, saga: &str) -> rusqlite::Result<Vec<u32>> {
        let database = self.database();
        let mut done = database.prepare_cached(
            "SELECT step FROM effects WHERE saga = ? AND answer = 'done' ORDER BY step",
        )?;
        done.query_map([saga], |row| row.get(0))?.collect()
    }

    fn request(&self, saga: &str, step: u32, what: &str, key: &str) -> rusqlite::Result<u32> {
        let database = self.database();
        database
            .prepare_cached("INSERT INTO requests (saga, step, what, key) VALUES (?, ?, ?, ?)")?
            .execute(params![saga, step, what, key])?;
        database
            .prepare_cached("SELECT count(*) FROM requests WHERE key = ?")?
            .query_row([key], |row| row.get(0))
    }

    fn answer(&self, key: &str) -> rusqlite::Result<Option<String>> {
        self.database()
            .prepare_cached("SELECT answer FROM effects WHERE key = ?")?
            .query_row([key], |row| row.get(0))
            .optional()
    }

    /// The first effect that is not undone, and its key.
    fn first_done(&self, saga: &str) -> rusqlite::Result<Option<(u32, String)>> {
        self.database()
            .prepare_cached(
                "SELECT step, key FROM effects WHERE saga = ? AND answer = 'done' ORDER BY step",
            )?
            .query_row([saga], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    }

    fn remember(&self, key: &str, saga: &str, step: u32, answer: &str) -> rusqlite::Result<()> {
        self.database()
            .prepare_cached(
                "INSERT OR REPLACE INTO effects (key, saga, step, answer) VALUES (?, ?, ?, ?)",
            )?
            .execute(params![key, saga, step, answer])
            .map(|_| ())
    }

    fn key(&self, cx: Context<'_, Self>, key: String) -> String {
        match self.defect {
            Some(Defect::KeyWithAttempt) => format!("{key}/{}", std::process::id() + cx.attempt()),
            _ => key,
        }
    }
}

const BROKEN: &str = "the participant's database works";

/// Asks for a step, once per key.
pub(crate) async fn act(
    cx: Context<'_, Participant>,
    step: u32,
    plan: Plan,
) -> Result<Effect, Refusal> {
    let key = cx.key(cx, cx.idempotency_key().into());
    let saga = cx.saga_id().as_str();
    let times = cx.request(saga, step, "act", &key).expect(BROKEN);
    (cx.moments)();
    tokio::task::yield_now().await;
    let known = cx.answer(&key).expect(BROKEN);
    let answer = match known.as_deref() {
        Some(answer) => answer,
        None if plan.refused == Some(step) => "refused",
        None => "done",
    };
    if known.is_none() {
        cx.remember(&key, saga, step, answer).expect(BROKEN);
    }
    (cx.moments)();
    tokio::task::yield_now().await;
    match answer {
        "done" if plan.unclear == Some(step) && times == 1 => Err(Refusal::Unclear),
        "done" => Ok(Effect { step, plan }),
        _ => Err(Refusal::Refused),
    }
}

/// Asks to undo a step.
pub(crate) async fn undo(cx: Context<'_, Participant>, effect: &Effect) -> Result<(), Refusal> {
    let failing = matches!(effect.plan.stubborn, Some((step, _)) if step > effect.step);
    if cx.defect == Some(Defect::CompensationsSkipped) && failing {
        return Ok(());
    }
    let saga = cx.saga_id().as_str();
    let mut step = effect.step;
    let mut key = String::from(cx.idempotency_key());
    let mut action = cx.key(cx, cx.action_key().into());
    if cx.defect == Some(Defect::FirstToLast) {
        if let Some(first) = cx.first_done(saga).expect(BROKEN) {
            (step, action) = first;
        }
        key = format!("{action}/undone");
    }
    let times = cx.request(saga, step, "undo", &key).expect(BROKEN);
    (cx.moments)();
    tokio::task::yield_now().await;
    let stubborn = effect.plan.stubborn;
    if stubborn.is_some_and(|(one, fails)| one == step && times <= fails) {
        return Err(Refusal::Refused);
    }
    cx.remember(&action, saga, step, "undone").expect(BROKEN);
    (cx.moments)();
    tokio::task::yield_now().await;
    Ok(())
}

/// Asks to undo any effect under the step's key, and to refuse later requests under it.
pub(crate) async fn resolve(cx: Context<'_, Participant>, step: u32) -> Result<(), Refusal> {
    let key = cx.idempotency_key();
    cx.request(cx.saga_id().as_str(), step, "undo", key.as_str())
        .expect(BROKEN);
    let action = cx.key(cx, cx.action_key().into());
    cx.remember(&action, cx.saga_id().as_str(), step, "undone")
        .expect(BROKEN);
    Ok(())
}
