//! A saga whose step ends its process, and processes that end for other reasons: no innocent saga is stuck.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use saga_runtime::journal::{Event, Filter, Journal, Sqlite, State};
use tempfile::TempDir;

use crate::{runtime, within};

/// Starts processes with these arguments, one after the other, until one ends by itself or `most` have died. Returns how many
/// have died.
fn deaths(folder: &TempDir, arguments: &[&str], most: usize) -> usize {
    for deaths in 0..most {
        let child = Command::new(env!("CARGO_BIN_EXE_crash-child"))
            .arg(folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let end = Instant::now() + Duration::from_secs(120);
        let child = within(child.expect("the child process starts"), end);
        let output = child.expect("it ends").wait_with_output();
        if output.expect("it has ended").status.success() {
            return deaths;
        }
    }
    most
}

/// The ids of the sagas that are stuck, each with the code, and the number of all sagas.
fn stuck(folder: &TempDir) -> (Vec<(String, String)>, usize) {
    runtime().block_on(async {
        let journal = Sqlite::open_read_only(folder.path().join("journal.db")).await;
        let journal = journal.expect("it is there");
        let page = journal.list(&Filter::default().limit(2000)).await;
        let sagas = page.expect("it can be read").sagas;
        let mut stuck = Vec::new();
        for saga in &sagas {
            match saga.state {
                State::Completed => {}
                State::Stuck => {
                    let loaded = journal.load(&saga.saga.id).await;
                    let history = loaded.expect("it can be read").expect("it is there");
                    let entries = history.entries.expect("they can be read");
                    let Some(Event::Stuck { reason }) = entries.last().map(|last| &last.event)
                    else {
                        panic!("{entries:?}")
                    };
                    stuck.push((saga.saga.id.to_string(), reason.code.to_string()));
                }
                other => panic!("{} is {other}", saga.saga.id),
            }
        }
        (stuck, sagas.len())
    })
}

#[test]
fn of_a_poison_saga_among_a_thousand_exactly_one_is_stuck() {
    let folder = TempDir::new().expect("a folder for the test");
    let deaths = deaths(&folder, &["--beside-a-poison", "1000"], 60);
    let poison = ("poison".to_owned(), "too_many_recoveries".to_owned());
    assert_eq!(stuck(&folder), (vec![poison], 1001), "{deaths} deaths");
    assert!((11..60).contains(&deaths), "{deaths} deaths");
}

#[test]
fn processes_that_end_soon_after_their_start_make_no_saga_stuck() {
    let folder = TempDir::new().expect("a folder for the test");
    let ends_soon = ["--slow-sagas", "8", "--end-after-millis", "300"];
    assert_eq!(deaths(&folder, &ends_soon, 12), 12);
    assert_eq!(deaths(&folder, &["--slow-sagas", "8"], 1), 0);
    assert_eq!(stuck(&folder), (vec![], 8));
}
