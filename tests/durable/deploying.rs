//! A definition changes while sagas are open: they are checked at the start, before they wake, and several versions of a
//! saga live side by side.

use std::sync::{Arc, Mutex};

use saga_runtime::coordinator::{ExecuteError, OnMisfit, Rejected, StartError, SubmitError};
use saga_runtime::journal::{Condition, Filter, Journal, Memory, Sqlite, State};
use saga_runtime::{Context, Coordinator, EventName, event, saga, step};

mod lanes;
mod told;
mod types;

use told::Told;

const PAID: EventName<u32> = EventName::new("paid");

/// Counts what its services are asked for.
#[derive(Clone, Default)]
struct Desk {
    asked: Arc<Mutex<Vec<&'static str>>>,
}

impl Desk {
    fn asked(&self) -> Vec<&'static str> {
        self.asked.lock().expect("nothing panics under it").clone()
    }

    fn ask(&self, what: &'static str) -> u32 {
        self.asked
            .lock()
            .expect("nothing panics under it")
            .push(what);
        1
    }
}

macro_rules! steps {
    ($($step:ident)+) => {$(
        #[step(compensate = undo)]
        async fn $step(cx: Context<'_, Desk>) -> Result<u32, String> {
            Ok(cx.ask(stringify!($step)))
        }
    )+};
}

steps!(reserve book charge audit notify);

async fn undo(cx: Context<'_, Desk>, _: &u32) -> Result<(), String> {
    cx.ask("undo");
    Ok(())
}

/// The first version: it waits for the payment between its steps.
mod first {
    use super::*;

    saga!(
        #[derive(Clone)]
        pub(super) async fn rent(cx: Context<'_, Desk>) -> Result<u32, String> {
            reserve(cx).await?;
            book(cx).await?;
            let paid = event(cx, PAID).await;
            charge(cx).await?;
            Ok(paid)
        }
    );
}

/// The second one, under its own version.
mod second {
    use super::*;

    saga!(
        #[saga(version = 2)]
        #[derive(Clone)]
        pub(super) async fn rent(cx: Context<'_, Desk>) -> Result<u32, String> {
            audit(cx).await?;
            reserve(cx).await?;
            let paid = event(cx, PAID).await;
            Ok(paid + 100)
        }
    );
}

/// The first version with a step that was inserted, and no version of its own.
mod inserted {
    use super::*;

    saga!(
        pub(super) async fn rent(cx: Context<'_, Desk>) -> Result<u32, String> {
            reserve(cx).await?;
            audit(cx).await?;
            book(cx).await?;
            let paid = event(cx, PAID).await;
            charge(cx).await?;
            Ok(paid)
        }
    );
}

/// The first version without its last step before the wait.
mod removed {
    use super::*;

    saga!(
        pub(super) async fn rent(cx: Context<'_, Desk>) -> Result<u32, String> {
            reserve(cx).await?;
            let paid = event(cx, PAID).await;
            charge(cx).await?;
            Ok(paid)
        }
    );
}

/// The first version with other code after the wait, which no open saga has reached.
mod longer {
    use super::*;

    saga!(
        pub(super) async fn rent(cx: Context<'_, Desk>) -> Result<u32, String> {
            reserve(cx).await?;
            book(cx).await?;
            let paid = event(cx, PAID).await;
            notify(cx).await?;
            charge(cx).await?;
            Ok(paid)
        }
    );
}

/// Starts some sagas of the first version, which wait for their payment.
async fn open(journal: impl Journal, sagas: usize) {
    let coordinator = Coordinator::builder(Desk::default())
        .patience(std::time::Duration::ZERO)
        .journal(journal)
        .register::<first::Rent>()
        .start()
        .await
        .expect("the journal is new");
    for number in 0..sagas {
        let started = coordinator.submit(format!("rent-{number}"), first::Rent {});
        drop(started.await.expect("it is new"));
    }
    for number in 0..sagas {
        while coordinator
            .status(format!("rent-{number}"))
            .await
            .expect("the journal works")
            != Some(State::Waiting)
        {
            tokio::task::yield_now().await;
        }
    }
    coordinator.shutdown().await;
}

#[tokio::test]
async fn an_inserted_step_is_reported_at_the_start_and_asks_for_nothing() {
    let journal = Memory::new();
    open(journal.clone(), 3).await;
    let desk = Desk::default();
    let coordinator = Coordinator::builder(desk.clone())
        .journal(journal)
        .register::<inserted::Rent>()
        .start()
        .await
        .expect("it only reports");
    while coordinator.misfits().len() < 3 {
        tokio::task::yield_now().await;
    }
    let report = coordinator.check().await.expect("the journal works");
    assert_eq!((report.checked, report.misfit_count), (3, 3));
    assert!(!report.is_fine());
    let text = report.to_string();
    for what in [
        "3 open sagas checked, 3 do not fit their definitions",
        "rent-1 (rent, version 1): definition_changed",
        "call 2 is recorded as step `book` (compensatable), and is step `audit` (compensatable) now",
        "name = \"book\"",
        "if it was inserted, give the saga another version",
        "must not ask a service",
    ] {
        assert!(text.contains(what), "{what}: {text}");
    }
    assert_eq!(desk.asked(), [""; 0], "a check has no effects");
    let waiting = coordinator.status("rent-1").await.expect("it works");
    assert_eq!(waiting, Some(State::Waiting), "it is as it was");
    let page = coordinator.list(&Filter::default()).await;
    for record in page.expect("it works").sagas {
        assert_eq!(record.condition(), Condition::Misfit);
        assert_eq!(record.misfit.as_deref(), Some("definition_changed"));
    }
    // An operator's command ends the misfit.
    let abandoned = coordinator.abandon("rent-1", "moved by hand").await;
    abandoned.expect("it is open");
    assert_eq!(coordinator.misfits().len(), 2);
}

#[tokio::test]
async fn each_misfit_is_an_error_and_each_unregistered_version_a_warning() {
    let told = Told::default();
    let journal = Memory::new();
    open(journal.clone(), 3).await;
    // What is told for the first time while another test begins to listen may be lost: both are told once before.
    for builder in [
        Coordinator::builder(Desk::default()).register::<inserted::Rent>(),
        Coordinator::builder(Desk::default()).register::<second::Rent>(),
    ] {
        let coordinator = builder.journal(journal.clone()).start().await;
        let coordinator = coordinator.expect("it only reports");
        coordinator.check().await.expect("the journal works");
        coordinator.shutdown().await;
    }
    let _told = told.start();
    for (on_misfit, version) in [(OnMisfit::Report, 1), (OnMisfit::Refuse, 2)] {
        let builder = Coordinator::builder(Desk::default()).journal(journal.clone());
        let builder = builder.on_misfit(on_misfit);
        let coordinator = if version == 1 {
            builder.register::<inserted::Rent>().start().await
        } else {
            builder.register::<second::Rent>().start().await
        };
        let coordinator = coordinator.expect("nothing is refused");
        while !told.has("INFO open sagas checked") {
            tokio::task::yield_now().await;
        }
        coordinator.shutdown().await;
        let said = told.take();
        let count = |what: &str| said.iter().filter(|one| one.contains(what)).count();
        if version == 1 {
            for id in ["rent-0", "rent-1", "rent-2"] {
                let error = format!(
                    "ERROR saga does not fit its definition saga.id={id} saga.name=\"rent\" saga.version=1 step.name=\"book\" \
                     step.occurrence=0 code=\"definition_changed\""
                );
                assert_eq!(count(&error), 1, "{said:?}");
            }
            assert_eq!(count("ERROR"), 3, "{said:?}");
            assert_eq!(count("WARN saga not registered"), 0, "{said:?}");
            assert_eq!(count("sagas=3 misfits=3"), 1, "{said:?}");
        } else {
            assert_eq!(count("ERROR"), 0, "{said:?}");
            let warning = "WARN saga not registered saga.name=\"rent\" saga.version=1 count=3";
            assert_eq!(count(warning), 1, "{said:?}");
        }
    }
}

#[tokio::test]
async fn a_coordinator_may_refuse_to_start_with_misfits() {
    let journal = Memory::new();
    open(journal.clone(), 2).await;
    let builder = || {
        Coordinator::builder(Desk::default())
            .journal(journal.clone())
            .on_misfit(OnMisfit::Refuse)
    };
    match builder().register::<removed::Rent>().start().await {
        Err(StartError::Misfits(report)) => {
            assert_eq!(report.misfit_count, 2);
            let text = report.to_string();
            let what = "call 2 is recorded as step `book` (compensatable), and is the wait `event:paid` now";
            assert!(text.contains(what), "{text}");
        }
        other => panic!("{other:?}"),
    }
    let started = builder().register::<longer::Rent>().start().await;
    let coordinator = started.expect("what was not reached may change");
    let sent = coordinator.send("rent-0", PAID, &7).await;
    sent.expect("it waits");
    let handle = coordinator.attach::<longer::Rent>("rent-0").await;
    let ended = handle.expect("it is there").wait().await;
    assert_eq!(ended.expect("nothing fails"), 7);
}

#[tokio::test]
async fn a_copy_of_a_journal_is_checked_before_the_deploy() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, copy) = (folder.path().join("a.db"), folder.path().join("copy.db"));
    let journal = Sqlite::open(&file).await.expect("it is new");
    open(journal.clone(), 5).await;
    journal.close().await;
    std::fs::copy(&file, &copy).expect("it is closed");
    let desk = Desk::default();
    let journal = Sqlite::open_read_only(&copy).await.expect("it is there");
    let builder = || Coordinator::builder(desk.clone()).journal(journal.clone());
    let report = builder().register::<first::Rent>().check().await;
    let report = report.expect("the copy can be read");
    assert_eq!((report.checked, report.misfit_count), (5, 0), "{report}");
    let report = builder().register::<inserted::Rent>().check().await;
    let report = report.expect("the copy can be read");
    assert_eq!(report.misfits.len(), 5, "{report}");
    let report = builder().register::<second::Rent>().check().await;
    let report = report.expect("the copy can be read");
    assert!(report.is_fine());
    assert_eq!(report.unregistered.len(), 1, "{report}");
    assert_eq!(report.unregistered[0].count, 5);
    assert_eq!(desk.asked(), [""; 0]);
}

#[tokio::test]
async fn two_versions_of_a_saga_live_side_by_side() {
    let journal = Memory::new();
    open(journal.clone(), 1).await;
    let desk = Desk::default();
    let coordinator = Coordinator::builder(desk.clone())
        .journal(journal)
        .register::<second::Rent>()
        .register::<first::Rent>()
        .start()
        .await
        .expect("two versions are two sagas");
    let report = coordinator.check().await.expect("the journal works");
    assert!(
        report.is_fine() && report.unregistered.is_empty(),
        "{report}"
    );
    // The old one goes on with its own definition, also for a client that starts it again.
    let again = coordinator.submit("rent-0", first::Rent {}).await;
    coordinator
        .send("rent-0", PAID, &7)
        .await
        .expect("it waits");
    let ended = again.expect("it is the same").wait().await;
    assert_eq!(ended.expect("nothing fails"), 7);
    assert_eq!(desk.asked(), ["charge"]);
    // A new one starts with the highest version.
    match coordinator.submit("rent-1", first::Rent {}).await {
        Err(SubmitError::Rejected(Rejected::OldVersion {
            version, highest, ..
        })) => assert_eq!((version, highest), (1, 2)),
        other => panic!("{other:?}"),
    }
    let new = coordinator.submit("rent-1", second::Rent {}).await;
    coordinator
        .send("rent-1", PAID, &7)
        .await
        .expect("it waits");
    let ended = new.expect("it is new").wait().await;
    assert_eq!(ended.expect("nothing fails"), 107);
    assert_eq!(desk.asked(), ["charge", "audit", "reserve"]);
    let page = coordinator.list(&Filter::default()).await;
    let versions = page.expect("it works").sagas.into_iter();
    let versions: Vec<_> = versions.map(|one| one.saga.version).collect();
    assert_eq!(versions, [2, 1]);
}

#[tokio::test]
async fn a_version_that_is_not_registered_waits_and_is_reported() {
    let journal = Memory::new();
    open(journal.clone(), 2).await;
    let coordinator = Coordinator::builder(Desk::default())
        .journal(journal.clone())
        .register::<second::Rent>()
        .start()
        .await
        .expect("the journal works");
    let report = coordinator.check().await.expect("the journal works");
    let [one] = &*report.unregistered else {
        panic!("{report}");
    };
    assert_eq!((&*one.name, one.version, one.count), ("rent", 1, 2));
    let page = coordinator.list(&Filter::default()).await;
    for record in page.expect("it works").sagas {
        assert_eq!(record.condition(), Condition::Unregistered);
    }
    coordinator
        .send("rent-0", PAID, &7)
        .await
        .expect("it waits");
    // A saga of the registered version overtakes it.
    let new = coordinator.submit("rent-9", second::Rent {}).await;
    coordinator
        .send("rent-9", PAID, &1)
        .await
        .expect("it waits");
    new.expect("it is new").wait().await.expect("nothing fails");
    let waiting = coordinator.status("rent-0").await.expect("it works");
    assert_eq!(waiting, Some(State::Waiting));
    coordinator.shutdown().await;
    let coordinator = Coordinator::builder(Desk::default())
        .journal(journal)
        .register::<first::Rent>()
        .start()
        .await
        .expect("the journal works");
    let handle = coordinator.attach::<first::Rent>("rent-0").await;
    let ended = handle.expect("it is there").wait().await;
    assert!(!matches!(ended, Err(ExecuteError::Stuck(_))), "{ended:?}");
    assert_eq!(ended.expect("nothing fails"), 7);
}
