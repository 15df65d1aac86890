//! Sagas of many steps: each of their replays is a stream of many small frames.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::check::requests;
use crate::kill_harness::{Harness, Submitted};
use crate::participant::Plan;
use crate::process::{Process, free_address};
use crate::sagas::Case;

/// The steps of the long saga.
const STEPS: u32 = 20_000;

/// The small sagas that run during its replay.
const SMALL: usize = 200;

/// A saga that has not ended by then is lost.
const PATIENCE: Duration = Duration::from_mins(5);

fn case(saga: &'static str, steps: u32) -> Case {
    let plan = Plan {
        steps,
        ..Plan::default()
    };
    Case { saga, plan }
}

async fn completes(harness: &Harness, saga: &Submitted) {
    let ended = tokio::time::timeout(PATIENCE, saga.ends(harness)).await;
    let ended = ended.expect("it ends").expect("it is not lost");
    assert!(matches!(ended, crate::check::Ended::Completed), "{ended:?}");
}

/// The number of requests by their keys.
fn counts(database: &Path) -> HashMap<String, u32> {
    let mut counts = HashMap::new();
    for request in requests(database).expect("it can be read") {
        *counts.entry(request.key).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_of_20_000_steps_continues_after_a_kill_and_disturbs_no_other() {
    let harness = std::sync::Arc::new(Harness::new().await);
    let folder = tempfile::TempDir::new().expect("a folder");
    let database = folder.path().join("participant.db");
    let address = free_address();
    // Each request has two moments. The process dies in the middle of the last but one.
    let moment = (2 * STEPS - 3).to_string();
    let mut process = Process::start(&database, address, &["--kill-at", &moment]);
    process.listens().await;
    harness.register(&format!("http://{address}")).await;
    let long = harness.submit("long", case("grouped", STEPS)).await;
    let long = long.expect("Restate takes it");
    let begun = std::time::Instant::now();
    while !process.has_ended() {
        assert!(begun.elapsed() < PATIENCE, "it never comes to its end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("killed after {:?}", begun.elapsed());
    drop(process);
    let before = counts(&database);

    let begun = std::time::Instant::now();
    let mut process = Process::start(&database, address, &[]);
    process.listens().await;
    let mut running = JoinSet::new();
    for number in 0..SMALL {
        let harness = harness.clone();
        running.spawn(async move {
            let small = harness
                .submit(&format!("small-{number}"), case("line", 3))
                .await;
            completes(&harness, &small.expect("Restate takes it")).await;
        });
    }
    running.join_all().await;
    completes(&harness, &long).await;
    println!("recovered after {:?}", begun.elapsed());

    let counts = counts(&database);
    assert_eq!(counts.len(), STEPS as usize + 3 * SMALL);
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert_eq!(twice.len(), 1, "one request was in flight: {twice:?}");
    let (key, count) = twice[0];
    assert_eq!((before[key], *count), (1, 2));
}
