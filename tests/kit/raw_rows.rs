//! Rows that SQL has damaged, reordered, removed or doubled, in a file and in Postgres: a recovery asks for nothing that contradicts
//! them, and the saga ends, or is stuck with a reason that names the damage.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use fastrand::Rng;
use saga_runtime::coordinator::{ExecuteError, Registrable};
use saga_runtime::journal::{Condition, Event, JournalError, Sqlite, State, Wakeup};
use saga_runtime::testing::TestCoordinator;
use sqlx::{AssertSqlSafe, Row as _};

use crate::every_await::{paid, settings};
use crate::place::Place;
use crate::seed::seed;
use crate::twelve_sagas::{
    Called, Desk, FanOut, Forward, Group, Handled, Napping, PAID, Waiting, desks,
};

/// A variable with the number of cases.
const CASES: &str = "ROWS_CASES";

/// A saga that has not come to rest by then is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// When an event is sent again that a saga may have taken for another wait.
const AGAIN: Duration = Duration::from_millis(300);

/// One row of the table `entries`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Raw {
    seq: i64,
    event: String,
    step: Option<String>,
    occurrence: Option<i64>,
    kind: Option<String>,
    attempts: Option<i64>,
    code: Option<String>,
    message: Option<String>,
    payload: Option<String>,
    /// In a file. A row of an older version has none.
    checksum: Option<i64>,
}

const COLUMNS: &str = "seq, event, step, occurrence, kind, attempts, code, message, payload";

const EVENTS: [&str; 24] = [
    "step_done",
    "step_refused",
    "step_in_doubt",
    "step_settled_nothing",
    "step_settled_resolved",
    "step_settled_done",
    "step_settled_unresolved",
    "failing",
    "compensating",
    "compensation_done",
    "compensation_failed",
    "completed",
    "compensated",
    "abandoned",
    "stuck",
    "retried",
    "compensation_resolved",
    "compensation_skipped",
    "step_completed",
    "value",
    "waiting",
    "received",
    "event_set_aside",
    "wait_over",
];

const STEPS: [&str; 9] = [
    "a",
    "b",
    "c",
    "ship",
    "part/a",
    "part#1/b",
    "sleep",
    "event:paid",
    "paid",
];

const KINDS: [&str; 5] = ["compensatable", "pivot", "retriable", "wait", "other"];

/// All of them are JSON, as the tables of Postgres ask for.
const PAYLOADS: [&str; 8] = [
    "1",
    "0",
    "null",
    "\"x\"",
    "[]",
    "{}",
    "{\"requested\":false}",
    r#"{"phase":"forward","in_doubt":true,"since":1,"until":2}"#,
];

/// Harm to the rows that say what a saga is and who holds it.
const OF_SAGA: [&str; 3] = [
    "UPDATE {schema}.sagas SET fingerprint = 3",
    "UPDATE {schema}.sagas SET input = '\"x\"'",
    "UPDATE {schema}.sagas SET started_at = started_at",
];

const OF_FILE: [&str; 6] = [
    "UPDATE sagas SET input = '{', checksum = NULL",
    "UPDATE sagas SET input = x'00'",
    "UPDATE sagas SET epoch = -1, worker = x'FF'",
    "UPDATE sagas SET claimed_seq = 99, recoveries = 'x', doubt_seq = -1",
    "UPDATE entries SET payload = x'00' WHERE seq = 1",
    "UPDATE entries SET saga = 77 WHERE seq = 1",
];

const OF_DATABASE: [&str; 4] = [
    "UPDATE {schema}.open_sagas SET claimed_seq = 99, recoveries = 0, doubt_seq = -1",
    "UPDATE {schema}.open_sagas SET worker = 'nobody'",
    "UPDATE {schema}.entries SET saga = -1 WHERE seq = 2",
    "UPDATE {schema}.entries SET occurrence = -7 WHERE seq = 3",
];

impl Raw {
    fn columns(&self) -> String {
        let text = |text: &Option<String>| match text {
            Some(text) => format!("'{}'", text.replace('\'', "''")),
            None => "NULL".to_owned(),
        };
        let number = |number: Option<i64>| match number {
            Some(number) => number.to_string(),
            None => "NULL".to_owned(),
        };
        let event = text(&Some(self.event.clone()));
        let (occurrence, attempts) = (number(self.occurrence), number(self.attempts));
        format!(
            "{}, {event}, {}, {occurrence}, {}, {attempts}, {}, {}, {}",
            self.seq,
            text(&self.step),
            text(&self.kind),
            text(&self.code),
            text(&self.message),
            text(&self.payload),
        )
    }

    /// A row that means something else, or nothing.
    fn change(&mut self, dice: &mut Rng) {
        // Half of the rows look like those of a version without checksums.
        if dice.bool() {
            self.checksum = None;
        }
        match dice.u8(..9) {
            0 => dice
                .choice(EVENTS)
                .unwrap_or_default()
                .clone_into(&mut self.event),
            1 => "other".clone_into(&mut self.event),
            2 => self.step = some(dice, &STEPS),
            3 => self.occurrence = dice.bool().then(|| i64::from(dice.u8(..5)) - 1),
            4 => self.kind = some(dice, &KINDS),
            5 => self.attempts = dice.bool().then(|| i64::from(dice.u8(..5)) - 1),
            6 => self.code = some(dice, &["error", "stuck", "7"]),
            7 => self.message = some(dice, &["a reason"]),
            _ => self.payload = some(dice, &PAYLOADS),
        }
    }

    /// A row of any event, with the columns that it needs.
    fn any(seq: i64, dice: &mut Rng) -> Self {
        Self {
            seq,
            event: dice.choice(EVENTS).unwrap_or_default().to_owned(),
            step: some(dice, &STEPS),
            occurrence: Some(dice.u8(..3).into()),
            kind: some(dice, &KINDS[..4]),
            attempts: Some(dice.u8(..3).into()),
            code: Some("error".to_owned()),
            message: Some("a reason".to_owned()),
            payload: some(dice, &PAYLOADS),
            checksum: None,
        }
    }

    fn key(&self) -> String {
        let step = self.step.as_deref().unwrap_or_default();
        format!("saga/{step}/{}", self.occurrence.unwrap_or_default())
    }

    /// Rows that say when something goes on are left: a saga may sleep for ages.
    fn sleeps_for_ages(&self) -> bool {
        matches!(&*self.event, "waiting" | "failing")
    }
}

fn some(dice: &mut Rng, texts: &[&str]) -> Option<String> {
    let is_there = dice.u8(..5) > 0;
    is_there.then(|| texts[dice.usize(..texts.len())].to_owned())
}

/// One damage of the rows.
fn harm(rows: &mut Vec<Raw>, dice: &mut Rng) -> &'static str {
    let last = rows.last().map_or(1, |row| row.seq);
    let one = |rows: &[Raw], dice: &mut Rng| dice.usize(..rows.len().max(1));
    let (at, other) = (one(rows, dice), one(rows, dice));
    let kind = dice.u8(..8);
    if rows.is_empty() || kind == 0 {
        rows.push(Raw::any(last + 1, dice));
        return "a row more";
    }
    match kind {
        1 | 2 => {
            rows[at].change(dice);
            "a changed row"
        }
        3 => {
            rows.remove(at);
            "a row less"
        }
        4 => {
            rows.truncate(at);
            "the end is missing"
        }
        5 => {
            let (one, two) = (rows[at].seq, rows[other].seq);
            (rows[at].seq, rows[other].seq) = (two, one);
            "two rows changed places"
        }
        6 => {
            let again = Raw {
                seq: last + 1,
                checksum: rows[at].checksum.filter(|_| dice.bool()),
                ..rows[at].clone()
            };
            rows.push(again);
            "a row stands there twice"
        }
        _ => {
            rows[at].seq = last + dice.i64(1..5);
            "a row has another number"
        }
    }
}

impl Place {
    async fn rows(&mut self) -> Vec<Raw> {
        if let Self::Database {
            connection, schema, ..
        } = self
        {
            let sql = format!(
                "SELECT {}, NULL::bigint AS checksum FROM {schema}.entries ORDER BY seq",
                COLUMNS.replace("payload", "payload::text")
            );
            let rows = sqlx::query(AssertSqlSafe(sql));
            let rows = rows.fetch_all(&mut **connection).await;
            let raw = |row: &sqlx::postgres::PgRow| Raw {
                seq: row.get(0),
                event: row.get(1),
                step: row.get(2),
                occurrence: row.get(3),
                kind: row.get(4),
                attempts: row.get(5),
                code: row.get(6),
                message: row.get(7),
                payload: row.get(8),
                checksum: row.get(9),
            };
            rows.expect("the server works").iter().map(raw).collect()
        } else {
            let file = rusqlite::Connection::open(self.path()).expect("a database");
            let sql = format!("SELECT {COLUMNS}, checksum FROM entries ORDER BY seq");
            let mut rows = file.prepare(&sql).expect("it is valid");
            let rows = rows.query_map([], |row| {
                Ok(Raw {
                    seq: row.get(0)?,
                    event: row.get(1)?,
                    step: row.get(2)?,
                    occurrence: row.get(3)?,
                    kind: row.get(4)?,
                    attempts: row.get(5)?,
                    code: row.get(6)?,
                    message: row.get(7)?,
                    payload: row.get(8)?,
                    checksum: row.get(9)?,
                })
            });
            let rows = rows.expect("it can be read").collect::<Result<_, _>>();
            rows.expect("they are of the right types")
        }
    }

    /// Replaces the rows of the table.
    async fn write(&mut self, rows: &[Raw]) {
        let is_file = matches!(self, Self::File { .. });
        let mut sql = String::from("DELETE FROM {schema}.entries;");
        for row in rows {
            let (columns, checksum) = match row.checksum {
                Some(sum) => (", checksum", format!(", {sum}")),
                None => ("", String::new()),
            };
            let at = if is_file { "1" } else { "clock_timestamp()" };
            let written = write!(
                sql,
                "INSERT INTO {{schema}}.entries (saga, at, {COLUMNS}{columns})
                 SELECT number, {at}, {}{checksum} FROM {{schema}}.sagas;",
                row.columns()
            );
            written.expect("a string takes all");
        }
        self.execute(&sql).await;
    }
}

/// What the rows say of requests, for the time after a recovery.
fn contradicts(rows: &[Raw], asked: &[String], forward: &BTreeSet<String>) -> Option<String> {
    let of = |events: &[&str]| -> BTreeSet<String> {
        let rows = rows.iter().filter(|row| events.contains(&&*row.event));
        rows.map(Raw::key).collect()
    };
    let done = of(&["step_done", "step_settled_done", "step_completed"]);
    let refused = of(&["step_refused"]);
    let doubtful = of(&["step_in_doubt", "failing"]);
    let undone = of(&[
        "compensation_done",
        "compensation_skipped",
        "compensation_resolved",
    ]);
    let is = |event| rows.iter().any(|row| row.event == event);
    if (is("completed") || is("compensated") || is("abandoned")) && !asked.is_empty() {
        return Some("it had ended".to_owned());
    }
    for key in asked {
        let wrong = match key.strip_suffix("/compensation") {
            Some(action) if undone.contains(action) => "is undone",
            // What was asked for since is not in the rows.
            Some(action)
                if !forward.contains(action)
                    && !done.contains(action)
                    && !doubtful.contains(action) =>
            {
                "was never done"
            }
            None if done.contains(key) => "is done",
            None if refused.contains(key) && !doubtful.contains(key) => "has refused",
            None if is("compensating") && !doubtful.contains(key) => "is asked in an undone saga",
            _ => continue,
        };
        return Some(format!("{key} {wrong}"));
    }
    None
}

/// Lets a process end in the middle of a saga, harms its rows, and lets the next one recover it. Returns how it ended.
async fn case<G: Registrable<Desk> + Default>(place: &mut Place, dice: &mut Rng) -> String {
    let desk = dice.choice(desks()).unwrap_or_default();
    let coordinator = place.start(settings::<G>(&desk)).await;
    let submitted = coordinator.submit("saga", G::default()).await;
    let handle = submitted.expect("the journal works");
    {
        let running = async { tokio::join!(handle.wait(), paid(&coordinator)).0 };
        tokio::select! {
            biased;
            () = coordinator.crash_at_poll(dice.u64(..90)) => {}
            Ok(_) | Err(ExecuteError::Failed(_)) = running => {}
        }
    }
    coordinator.crash().await;
    place.hears_no_more().await;
    let mut rows = place.rows().await;
    let sound = rows.clone();
    let mut story = format!("{} {:?}:", G::META.name, desk.refuses);
    for _ in 0..=dice.usize(..3) {
        let harmed = harm(&mut rows, dice);
        let _ = write!(story, " {harmed},");
    }
    rows.retain(|row| !row.sleeps_for_ages() || sound.contains(row));
    rows.sort_by_key(|row| row.seq);
    rows.dedup_by_key(|row| row.seq);
    place.write(&rows).await;
    if dice.u8(..4) == 0 {
        let more: &[&str] = match place {
            Place::File { .. } => &OF_FILE,
            _ => &OF_DATABASE,
        };
        let all: Vec<_> = OF_SAGA.iter().chain(more).collect();
        let sql = all[dice.usize(..all.len())];
        let _ = write!(story, " {sql}");
        place.execute(sql).await;
        // A row of another saga says nothing of this one.
        if let Some((_, seq)) = sql
            .split_once("SET saga = ")
            .and_then(|(_, of)| of.split_once("seq = "))
        {
            rows.retain(|row| row.seq.to_string() != seq);
        }
    }
    for row in &rows {
        let _ = write!(story, "\n{}", row.columns());
    }
    let before = desk.asked().len();
    if let Place::File { .. } = place {
        match Sqlite::open(place.path()).await {
            Ok(journal) => drop(journal),
            Err(JournalError::Unsuitable { message }) => {
                assert!(message.starts_with("the file is damaged ("), "{message}");
                return "refused".to_owned();
            }
            Err(error) => panic!("{error}: {story}"),
        }
    }
    let coordinator = place.next(settings::<G>(&desk)).await;
    let (end, reason) = at_rest(&coordinator, &story).await;
    coordinator.crash().await;
    let asked = desk.asked().split_off(before);
    let forward = desk.asked().into_iter().collect();
    if let Some(wrong) = contradicts(&rows, &asked, &forward) {
        panic!("{wrong}: {asked:?} were asked ({end}, {reason}) after {story}");
    }
    if end == "damaged" {
        assert!(
            asked.is_empty(),
            "{asked:?} were asked ({reason}) after {story}"
        );
        let names = ["entry ", "the record "]
            .iter()
            .any(|name| reason.starts_with(name));
        assert!(names, "{reason}: {story}");
    }
    end
}

/// Waits until a saga has ended, or is stuck, or nobody here can run it. Returns the state, or the code, and the reason.
async fn at_rest(coordinator: &TestCoordinator<Desk>, story: &str) -> (String, String) {
    let (began, mut sent) = (Instant::now(), None::<Instant>);
    loop {
        let inspected = coordinator.inspect("saga").await;
        let inspected = inspected.unwrap_or_else(|error| panic!("{error}: {story}"));
        let Some(inspected) = inspected else {
            return ("no saga".to_owned(), String::new());
        };
        let record = &inspected.record;
        if record.state.is_final() {
            return (record.state.to_string(), String::new());
        }
        if record.state == State::Stuck {
            let text = inspected.to_string();
            assert!(!text.contains("panicked"), "{story}\n{text}");
            return match inspected.entries.last().map(|last| &last.event) {
                Some(Event::Stuck { reason }) => (reason.code.to_string(), reason.message.clone()),
                // It was so before, and its last entry can't be read.
                last => match &inspected.damage {
                    Some(damage) => ("stuck before".to_owned(), damage.to_string()),
                    None => panic!("it is stuck for no reason, {last:?}: {story}"),
                },
            };
        }
        if record.condition() == Condition::Unregistered {
            return ("unregistered".to_owned(), String::new());
        }
        // It may rest at a wait whose row is missing.
        if record.rest == Wakeup::WhenCalled && sent.is_none_or(|sent| sent.elapsed() > AGAIN) {
            let _ = coordinator.send("saga", PAID, &1).await;
            sent = Some(Instant::now());
        }
        assert!(
            began.elapsed() < PATIENCE,
            "it does not rest: {story}\n{inspected}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn cases(mut place: Place, most: u32) {
    let mut dice = Rng::with_seed(seed());
    let cases = env::var(CASES).ok().and_then(|cases| cases.parse().ok());
    let mut ends: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..cases.unwrap_or(most) {
        let end = match dice.u8(..7) {
            0 => case::<Group>(&mut place, &mut dice).await,
            1 => case::<Called>(&mut place, &mut dice).await,
            2 => case::<Handled>(&mut place, &mut dice).await,
            3 => case::<Forward>(&mut place, &mut dice).await,
            4 => case::<Waiting>(&mut place, &mut dice).await,
            5 => case::<FanOut>(&mut place, &mut dice).await,
            _ => case::<Napping>(&mut place, &mut dice).await,
        };
        *ends.entry(end).or_default() += 1;
    }
    println!("{ends:?}");
    let damaged = ends.get("damaged").copied().unwrap_or_default();
    assert!(damaged * 10 > most, "{ends:?}");
}

#[tokio::test]
async fn any_rows_of_a_file_are_recovered_or_stuck() {
    cases(Place::file(), 200).await;
}

#[tokio::test]
async fn any_rows_of_a_database_are_recovered_or_stuck() {
    cases(Place::database("raw_rows").await, 200).await;
}
