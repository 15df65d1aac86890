//! The context of a step, a compensation and a body.

use std::collections::HashSet;
use std::sync::Mutex;

use saga_runtime::{Context, InProcess, SagaId, saga, step};

use crate::participant::Refusal;

/// Services that note the contexts of their callers.
#[derive(Default)]
struct Notes {
    seen: Mutex<Vec<Seen>>,
    refuses: bool,
    secret: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    saga_id: String,
    saga_name: String,
    step: Option<&'static str>,
    attempt: u32,
    key: String,
    debug: String,
}

impl Notes {
    fn note(&self, cx: Context<'_, Notes>) {
        let seen = Seen {
            saga_id: cx.saga_id().to_string(),
            saga_name: cx.saga_name().to_owned(),
            step: cx.step(),
            attempt: cx.attempt(),
            key: cx.idempotency_key().to_string(),
            debug: format!("{cx:?}"),
        };
        let mut all = self.seen.lock().expect("nothing panics under the lock");
        all.push(seen);
    }

    fn seen(self) -> Vec<Seen> {
        self.seen
            .into_inner()
            .expect("nothing panics under the lock")
    }
}

#[step(compensate = undo_one, name = "the-first")]
async fn one(cx: Context<'_, Notes>) -> Result<(), Refusal> {
    cx.note(cx);
    Ok(())
}

async fn undo_one(cx: Context<'_, Notes>, (): &()) -> Result<(), Refusal> {
    cx.note(cx);
    Ok(())
}

#[step(compensate = (), retry(attempts = 3))]
async fn two(cx: Context<'_, Notes>) -> Result<(), Refusal> {
    cx.note(cx);
    if cx.refuses {
        return Err(Refusal::refused("two"));
    }
    Ok(())
}

saga!(
    #[saga(name = "the-saga")]
    async fn observing(cx: Context<'_, Notes>) -> Result<(), Refusal> {
        let before = of_body(cx.saga_id(), cx.saga_name(), format!("{cx:?}"));
        note_body(cx, before).await?;
        one(cx).await?;
        one(cx).await?;
        let between = of_body(cx.saga_id(), cx.saga_name(), format!("{cx:?}"));
        note_body(cx, between).await?;
        two(cx).await?;
        Ok(())
    }
);

/// The context in a body, as far as the body sees it.
fn of_body(id: &SagaId, saga_name: &'static str, debug: String) -> Seen {
    Seen {
        saga_id: id.to_string(),
        saga_name: saga_name.to_owned(),
        step: None,
        attempt: 1,
        key: String::new(),
        debug,
    }
}

/// Notes what the body saw.
#[step(compensate = ())]
async fn note_body(cx: Context<'_, Notes>, seen: Seen) -> Result<(), Refusal> {
    let mut all = cx.seen.lock().expect("nothing panics under the lock");
    all.push(seen);
    Ok(())
}

fn refusing() -> Notes {
    Notes {
        refuses: true,
        ..Notes::default()
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_knows_the_saga_the_step_the_attempt_and_the_key() {
    let notes = refusing();
    InProcess::new(&notes)
        .saga_id(SagaId::new("id").expect("a valid id"))
        .execute(Observing {})
        .await
        .expect_err("`two` is refused");
    let seen = notes.seen();
    assert!(seen.iter().all(|one| one.saga_id == "id"));
    assert!(seen.iter().all(|one| one.saga_name == "the-saga"));
    let seen: Vec<_> = seen
        .iter()
        .map(|one| (one.step, one.attempt, one.key.as_str()))
        .collect();
    let (first, second) = (Some("the-first"), Some("two"));
    assert_eq!(
        seen,
        [
            (None, 1, ""),
            (first, 1, "id/the-first/0"),
            (first, 1, "id/the-first/1"),
            (None, 1, ""),
            (second, 1, "id/two/0"),
            (second, 2, "id/two/0"),
            (second, 3, "id/two/0"),
            (first, 1, "id/the-first/1/compensation"),
            (first, 1, "id/the-first/0/compensation"),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_made_up_is_the_same_all_through_the_saga_and_in_its_error() {
    let notes = refusing();
    let error = Observing {}
        .execute(&notes)
        .await
        .expect_err("`two` is refused");
    let id = error.id().expect("it was asked for").to_string();
    let seen = notes.seen();
    assert_eq!(seen.len(), 9);
    assert!(seen.iter().all(|one| one.saga_id == id), "{seen:?}");
}

#[step(compensate = ())]
async fn ask_nothing(_cx: Context<'_, Notes>) -> Result<(), Refusal> {
    Err(Refusal::refused("ask_nothing"))
}

saga!(
    async fn asking_nothing(cx: Context<'_, Notes>) -> Result<(), Refusal> {
        ask_nothing(cx).await
    }
);

#[tokio::test]
async fn an_id_is_made_up_only_if_something_asks_for_it_or_watches() {
    crate::begin();
    let error = AskingNothing {}
        .execute(&Notes::default())
        .await
        .expect_err("its only step is refused");
    assert_eq!(error.id().is_some(), crate::IS_WATCHED);
}

#[tokio::test]
async fn ids_that_are_made_up_are_unique() {
    let mut ids = HashSet::new();
    for _ in 0..1000 {
        let notes = Notes::default();
        Observing {}.execute(&notes).await.expect("nothing fails");
        ids.insert(notes.seen().remove(0).saga_id);
    }
    assert_eq!(ids.len(), 1000);
}

#[tokio::test]
async fn a_context_shows_where_it_is_and_never_the_services() {
    let notes = Notes {
        secret: "hunter2",
        ..Notes::default()
    };
    assert_eq!(notes.secret, "hunter2");
    InProcess::new(&notes)
        .saga_id(SagaId::new("id").expect("a valid id"))
        .execute(Observing {})
        .await
        .expect("nothing fails");
    let seen = notes.seen();
    assert!(seen[1].debug.contains("the-first"), "{}", seen[1].debug);
    assert!(seen.iter().all(|one| !one.debug.contains("hunter2")));
}
