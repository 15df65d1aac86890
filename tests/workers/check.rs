//! The check after a run: each saga has ended once, each effect is there once or undone, and nothing is missing.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use saga_runtime::journal::{Filter, Journal as _, Postgres, State};
use sqlx::{Connection as _, PgConnection};

use crate::fleet::Fleet;
use crate::sagas::STEPS;

/// The findings after a run.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The number of sagas in the journal.
    pub(crate) sagas: usize,
    /// The sagas that were acknowledged and are not there.
    pub(crate) lost: Vec<String>,
    /// All else that is wrong.
    pub(crate) wrong: Vec<String>,
}

impl Found {
    pub(crate) fn is_fine(&self) -> bool {
        self.lost.is_empty() && self.wrong.is_empty()
    }
}

/// Waits until a last worker has ended all that is open. Says what it has not ended.
pub(crate) async fn finish(fleet: &Fleet, url: &str) -> Option<String> {
    let _last = fleet.last(url);
    let end_of_time = Instant::now() + Duration::from_mins(1);
    let mut connection = PgConnection::connect(url).await.expect("the server works");
    loop {
        let open: i64 = sqlx::query_scalar("SELECT count(*) FROM saga.open_sagas")
            .fetch_one(&mut connection)
            .await
            .expect("the table is there");
        if open == 0 {
            return None;
        }
        if Instant::now() > end_of_time {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let select = "SELECT string_agg(state || ' ' || id || ' until ' || coalesce(wake_at::text, '-'), ', ') FROM saga.saga_states
                  WHERE state NOT IN ('completed', 'compensated')";
    let open: Option<String> = sqlx::query_scalar(select)
        .fetch_one(&mut connection)
        .await
        .expect("the view is there");
    Some(format!("they never end: {}", open.unwrap_or_default()))
}

/// Checks all sagas.
pub(crate) async fn check(url: &str, folder: &Path) -> Found {
    let states = states(url).await;
    let mut effects = effects(folder);
    let mut wrong = Vec::new();
    for (id, state) in &states {
        let done = effects.remove(id).unwrap_or(0);
        match state {
            State::Completed if done == STEPS => {}
            State::Compensated if done == 0 => {}
            state => wrong.push(format!("{id} is {state} with {done} effects")),
        }
    }
    wrong.extend(
        effects
            .keys()
            .map(|id| format!("{id} has effects and is unknown")),
    );
    let started = std::fs::read_to_string(folder.join("started")).expect("the list is there");
    let started: HashSet<_> = started.lines().collect();
    let lost = started.iter().filter(|id| !states.contains_key(**id));
    let lost = lost.map(|id| (*id).to_owned()).collect();
    // Numbers without gaps, and one end per saga, as its last entry.
    let mut connection = PgConnection::connect(url).await.expect("the server works");
    let odd: Vec<i64> = sqlx::query_scalar(
        "SELECT saga FROM saga.entries GROUP BY saga
         HAVING max(seq) - min(seq) + 1 <> count(*) OR min(seq) > 2
             OR count(*) FILTER (WHERE event IN ('completed', 'compensated')) <> 1
             OR max(seq) <> max(seq) FILTER (WHERE event IN ('completed', 'compensated'))",
    )
    .fetch_all(&mut connection)
    .await
    .expect("the table is there");
    wrong.extend(
        odd.iter()
            .map(|saga| format!("the history of the saga {saga} has a gap, or two ends")),
    );
    Found {
        sagas: states.len(),
        lost,
        wrong,
    }
}

async fn states(url: &str) -> HashMap<String, State> {
    let journal = Postgres::connect(url).await.expect("the database works");
    let mut states = HashMap::new();
    let mut filter = Filter::default().limit(1000);
    loop {
        let page = journal.list(&filter).await.expect("the journal works");
        let sagas = page.sagas.into_iter();
        states.extend(sagas.map(|saga| (saga.saga.id.to_string(), saga.state)));
        let Some(next) = page.next else { return states };
        filter.after = Some(next);
    }
}

/// The number of effects of each saga that are not undone.
fn effects(folder: &Path) -> HashMap<String, u32> {
    let database =
        rusqlite::Connection::open(folder.join("service.db")).expect("the file is there");
    let mut select = database
        .prepare("SELECT saga, count(*) FROM effects WHERE answer = 'done' GROUP BY saga")
        .expect("the table is there");
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let rows = rows.expect("it can be read");
    rows.map(|row| row.expect("a saga and a number")).collect()
}
