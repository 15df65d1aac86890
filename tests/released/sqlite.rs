//! SQLite journals of every released form. The present code recovers them, and the present form is the recorded one.

mod cases;
mod desk;
mod dump;
mod events;
mod recording;
mod sagas;
mod script;
mod text;

use std::path::{Path, PathBuf};

use saga_runtime::journal::{Journal as _, Sqlite};
use tempfile::TempDir;

use cases::{CASES, Case};
use desk::{Desk, key};
use script::{run, started};

/// The folder of the checked-in journals.
fn released() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("released/sqlite")
}

/// Starts a coordinator on a copy of a recorded journal, and runs each of its sagas to its end.
async fn recovers(recorded: &Path) {
    let folder = TempDir::new().expect("a folder for the test");
    let file = folder.path().join("sagas.db");
    std::fs::copy(recorded, &file).expect("it can be copied");
    let cases: Vec<&Case> = dump::ids(&file).into_iter().map(|id| case(&id)).collect();
    let desk = Desk::default();
    let journal = Sqlite::open(&file).await.expect("it can be opened");
    let coordinator = started(&desk, journal).await;
    for case in &cases {
        run(&coordinator, &desk, case, case.resumed).await;
    }
    let mut wrong = Vec::new();
    for case in cases {
        let asked = desk.asked(&key(case.id));
        if asked != case.asks {
            let inspected = script::inspected(&coordinator, case.id).await;
            wrong.push(format!(
                "asked for {asked:?}, not for {:?}: {inspected}",
                case.asks
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}: {}",
        recorded.display(),
        wrong.join("\n")
    );
    coordinator.shutdown().await;
}

/// The pause of a journal is there after a recovery, and its reason.
async fn is_paused(recorded: &Path) {
    let folder = TempDir::new().expect("a folder for the test");
    let file = folder.path().join("sagas.db");
    std::fs::copy(recorded, &file).expect("it can be copied");
    let journal = Sqlite::open(&file).await.expect("it can be opened");
    let paused = journal.paused().await.expect("it can be read");
    let paused: Vec<_> = paused
        .iter()
        .map(|pause| (&*pause.name, &*pause.reason))
        .collect();
    assert_eq!(paused, [recording::PAUSED]);
}

fn case(id: &str) -> &'static Case {
    let case = CASES.iter().find(|case| case.id == id);
    case.unwrap_or_else(|| panic!("the case `{id}` of a recorded journal is missing"))
}

#[tokio::test]
async fn every_journal_of_a_released_form_is_recovered() {
    let files = std::fs::read_dir(released()).expect("the folder is there");
    let mut count = 0;
    for file in files {
        let path = file.expect("it can be read").path();
        if path.extension().is_some_and(|extension| extension == "db") {
            recovers(&path).await;
            count += 1;
        }
    }
    assert!(count > 0, "there is at least one");
}

/// Records a journal of the present form. `RECORD=<name>` keeps it as `released/sqlite/<name>.db`; `BLESS=1` accepts its
/// text as the expected one.
#[tokio::test]
async fn the_present_form_of_a_journal_is_the_recorded_one() {
    let folder = TempDir::new().expect("a folder for the test");
    let recorded = folder.path().join("recorded.db");
    let desk = Desk::default();
    recording::record(&desk, &recorded).await;
    let recorded_text = dump::text(&recorded, &desk).await;
    text::check("sqlite.txt", &recorded_text);
    is_paused(&recorded).await;
    recovers(&recorded).await;
    if let Some(name) = std::env::var_os("RECORD") {
        let mut kept = released().join(name);
        kept.set_extension("db");
        assert!(!kept.exists(), "{} stays as it is", kept.display());
        std::fs::copy(&recorded, kept).expect("it can be written");
    }
}
