//! Each call works from any process, whichever holds the saga: events, decisions, waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use saga_runtime::coordinator::{Effect, ExecuteError, OperatorError};
use saga_runtime::journal::{
    ClaimedOne, Event, Forwarded, Journal as _, Lease, NewSaga, PostedEvent, Postgres, Started,
    State, Wakeup, Worker,
};
use saga_runtime::{Context, Coordinator, EventName, SagaId, event, saga, step};
use serde::{Deserialize, Serialize};
use test_postgres::Server;
use tokio::sync::{Notify, Semaphore};

const APPROVED: EventName<u32> = EventName::new("approved");

/// The service of the steps: each attempt waits for a permit.
struct Gate {
    asked: Notify,
    passes: Semaphore,
    closing: Semaphore,
}

impl Gate {
    /// A gate that is closed, and can be closed again.
    fn new() -> Arc<Self> {
        Arc::new(Self {
            asked: Notify::new(),
            passes: Semaphore::new(0),
            closing: Semaphore::new(0),
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed")
    }
}

fn is_closed(_: &Closed) -> bool {
    true
}

#[step(compensate = close)]
async fn pass(cx: Context<'_, Arc<Gate>>) -> Result<(), Closed> {
    cx.asked.notify_one();
    cx.passes.acquire().await.expect("it stays open").forget();
    Ok(())
}

async fn close(cx: Context<'_, Arc<Gate>>, (): &()) -> Result<(), Closed> {
    cx.closing.try_acquire().map(drop).map_err(|_| Closed)
}

#[step(pivot, retry(attempts = 1_000_000, backoff = "20ms..20ms", when = is_closed))]
async fn fail(cx: Context<'_, Arc<Gate>>) -> Result<u32, Closed> {
    cx.asked.notify_one();
    Err(Closed)
}

#[step(compensate = ())]
async fn refuse(_cx: Context<'_, Arc<Gate>>) -> Result<(), Closed> {
    Err(Closed)
}

saga!(
    async fn approved(cx: Context<'_, Arc<Gate>>) -> Result<u32, Closed> {
        pass(cx).await?;
        let by = event(cx, APPROVED).await;
        Ok(by)
    }
);

saga!(
    async fn failing(cx: Context<'_, Arc<Gate>>) -> Result<u32, Closed> {
        let by = fail(cx).await?;
        Ok(by)
    }
);

saga!(
    async fn undone(cx: Context<'_, Arc<Gate>>) -> Result<u32, Closed> {
        pass(cx).await?;
        refuse(cx).await?;
        Ok(0)
    }
);

async fn journal(name: &str) -> Postgres {
    let journal = Postgres::options()
        .schema(format!("requests_{name}_{}", std::process::id()))
        .connect(Server::shared().url())
        .await;
    journal.expect("the database works")
}

/// A coordinator with its own connections, that asks every 20 minutes.
async fn worker(name: &str, gate: &Arc<Gate>) -> Coordinator<Arc<Gate>> {
    Coordinator::builder(Arc::clone(gate))
        .journal(journal(name).await)
        .lease(Duration::from_hours(1))
        .register::<Approved>()
        .register::<Failing>()
        .register::<Undone>()
        .start()
        .await
        .expect("the journal works")
}

/// The events in the history of a saga.
async fn events(coordinator: &Coordinator<Arc<Gate>>, id: &str) -> Vec<Event> {
    let found = coordinator.inspect(id).await.expect("the journal works");
    let entries = found.expect("it is there").entries.into_iter();
    entries.map(|entry| entry.event).collect()
}

#[tokio::test]
async fn an_event_reaches_the_worker_that_holds_the_saga_while_its_attempt_is_under_way() {
    let gate = Gate::new();
    let (first, second) = tokio::join!(worker("sent", &gate), worker("sent", &gate));
    let handle = first.submit("one", Approved {}).await.expect("it is new");
    gate.asked.notified().await;
    let sent = second.send("one", APPROVED, &7).await;
    sent.expect("the holder hears of it");
    let received = async {
        while !events(&second, "one")
            .await
            .iter()
            .any(|event| matches!(event, Event::Received { .. }))
        {
            tokio::task::yield_now().await;
        }
    };
    let received = tokio::time::timeout(Duration::from_secs(30), received).await;
    received.expect("the event is recorded before the attempt ends");
    gate.passes.add_permits(1);
    assert_eq!(handle.wait().await.expect("nothing fails"), 7);
}

#[tokio::test]
async fn an_event_with_a_key_is_taken_once_whichever_worker_it_is_sent_to() {
    let gate = Gate::new();
    let (first, second) = tokio::join!(worker("keyed", &gate), worker("keyed", &gate));
    let handle = first.submit("one", Approved {}).await.expect("it is new");
    gate.asked.notified().await;
    for worker in [&second, &first, &second, &second, &first] {
        let sent = worker.send_once("one", APPROVED, "mail 4", &7).await;
        sent.expect("it is recorded, or was before");
    }
    gate.passes.add_permits(1);
    assert_eq!(handle.wait().await.expect("nothing fails"), 7);
    for worker in [&first, &second] {
        let again = worker.send_once("one", APPROVED, "mail 4", &7).await;
        again.expect("it was sent before the end");
    }
    let events = events(&second, "one").await;
    let received = events
        .iter()
        .filter(|event| matches!(event, Event::Received { .. }));
    assert_eq!(received.count(), 1, "{events:?}");
}

#[tokio::test]
async fn events_for_sagas_that_are_just_going_to_rest_are_not_missed() {
    let gate = Gate::new();
    let (first, second) = tokio::join!(worker("resting", &gate), worker("resting", &gate));
    let mut random = fastrand::Rng::new();
    let seed = random.u64(..);
    println!("SEED={seed}");
    random.seed(seed);
    gate.passes.add_permits(60);
    let mut handles = Vec::new();
    for number in 0..60 {
        let id = format!("saga-{number}");
        handles.push(first.submit(&*id, Approved {}).await.expect("it is new"));
    }
    let sends = (0..60).map(|number| {
        // They go to rest after a second.
        let pause = Duration::from_millis(random.u64(900..1100));
        let second = &second;
        async move {
            tokio::time::sleep(pause).await;
            let id = format!("saga-{number}");
            let sent = second.send(&*id, APPROVED, &number).await;
            sent.expect("it has not ended");
        }
    });
    futures_util::future::join_all(sends).await;
    let ended = async {
        for (number, handle) in (0..).zip(handles) {
            assert_eq!(handle.wait().await.expect("nothing fails"), number);
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(30), ended).await;
    ended.expect("each saga gets its event");
}

#[tokio::test]
async fn operators_decide_about_a_saga_that_another_worker_runs() {
    let gate = Gate::new();
    let (first, second) = tokio::join!(worker("decided", &gate), worker("decided", &gate));
    let handle = first.submit("one", Failing {}).await.expect("it is new");
    let _left = first.submit("two", Failing {}).await.expect("it is new");
    gate.asked.notified().await;
    gate.asked.notified().await;
    let completed = second.complete_step("one", "fail", &4, "looked there");
    assert_eq!(completed.await.expect("it fails"), Effect::Done);
    assert_eq!(handle.wait().await.expect("it is completed"), 4);
    let abandoned = second.abandon("two", "not worth it");
    assert_eq!(abandoned.await.expect("it goes on"), Effect::Done);
    let state = first.status("two").await.expect("the journal works");
    assert_eq!(state, Some(State::Abandoned));
}

#[tokio::test]
async fn operators_of_two_workers_decide_about_one_saga_at_the_same_time() {
    let gate = Gate::new();
    let workers = tokio::join!(
        worker("raced", &gate),
        worker("raced", &gate),
        worker("raced", &gate)
    );
    let (first, second, third) = workers;
    for number in 0..10_u32 {
        let id = format!("saga-{number}");
        let handle = first.submit(&*id, Failing {}).await.expect("it is new");
        gate.asked.notified().await;
        let (one, other, cancelled) = tokio::join!(
            second.complete_step(&*id, "fail", &2, "looked there"),
            third.complete_step(&*id, "fail", &3, "looked there as well"),
            first.retry(&*id, "it is not stuck"),
        );
        let refused = |result: &Result<Effect, OperatorError>| {
            matches!(
                result,
                Err(OperatorError::NotStuck(_) | OperatorError::Final(_))
            )
        };
        assert!(refused(&cancelled), "{cancelled:?}");
        let output = handle.wait().await.expect("it is completed");
        // The second decision corrects the first one if it comes before the saga goes on.
        match (&one, &other) {
            (Ok(_), Ok(_)) => {}
            (Ok(_), refusal) => assert!(refused(refusal) && output == 2, "{refusal:?}"),
            (refusal, Ok(_)) => assert!(refused(refusal) && output == 3, "{refusal:?}"),
            both => panic!("{both:?}"),
        }
    }
}

#[tokio::test]
async fn a_compensation_that_fails_at_another_worker_is_resolved_here() {
    let gate = Gate::new();
    gate.passes.add_permits(1);
    let (first, second) = tokio::join!(worker("undone", &gate), worker("undone", &gate));
    let handle = first.submit("one", Undone {}).await.expect("it is new");
    // An operator of another worker is told as well when the saga is to be undone.
    let attached = second.attach::<Undone>("one").await.expect("it is there");
    let decided = attached.decided().await;
    assert!(
        matches!(decided, Err(ExecuteError::Compensating { .. })),
        "{decided:?}"
    );
    let is_failing = async {
        loop {
            let resolved = second.resolve_compensation("one", "pass", "by hand").await;
            match resolved {
                Ok(effect) => return effect,
                Err(OperatorError::NotStuck(_)) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
    };
    let resolved = tokio::time::timeout(Duration::from_secs(30), is_failing).await;
    assert_eq!(resolved.expect("its compensation fails"), Effect::Done);
    let ended = handle.wait().await;
    assert!(matches!(ended, Err(ExecuteError::Failed(_))), "{ended:?}");
}

#[tokio::test]
async fn a_wait_hears_of_an_end_at_another_worker_at_once() {
    let gate = Gate::new();
    let (first, second) = tokio::join!(worker("waited", &gate), worker("waited", &gate));
    let mut delays = Vec::new();
    for number in 0..5 {
        let id = format!("saga-{number}");
        let _handle = first.submit(&*id, Approved {}).await.expect("it is new");
        let attached = second.attach::<Approved>(&*id).await.expect("it is there");
        let waiting = tokio::spawn(async move {
            let output = attached.wait().await;
            (output.expect("nothing fails"), Instant::now())
        });
        // Long enough for the looks of the safety net to become rare.
        tokio::time::sleep(Duration::from_millis(700)).await;
        gate.passes.add_permits(1);
        let sent = first.send(&*id, APPROVED, &number).await;
        sent.expect("it waits");
        let ended = Instant::now();
        let (output, heard) = waiting.await.expect("it does not panic");
        assert_eq!(output, number);
        delays.push(heard.saturating_duration_since(ended));
    }
    delays.sort();
    assert!(
        delays[2] < Duration::from_millis(100),
        "it hears late: {delays:?}"
    );
}

/// A worker of a test, with a lease.
fn lease(duration: Duration) -> Lease {
    Lease {
        worker: Worker::generate("test"),
        duration,
    }
}

#[tokio::test]
async fn an_event_for_a_holder_that_dies_is_given_to_the_next_one_until_it_is_recorded() {
    let journal = journal("dies").await;
    let id = SagaId::new("one").expect("it is short");
    let new = NewSaga {
        id: id.clone(),
        name: "sale".to_owned(),
        version: 1,
        fingerprint: 0,
        input: "null".to_owned(),
        trace: None,
    };
    let dies = lease(Duration::from_millis(100));
    let started = journal.start(new, Some(&dies)).await;
    assert!(matches!(started, Ok(Started::New(Some(_)))));
    let event = PostedEvent::new("paid\0", "7", "a\\key");
    for _ in 0..2 {
        let posted = journal.post(&id, event.clone()).await;
        assert_eq!(posted.expect("the journal works"), Forwarded::Recorded);
    }
    let requests = journal.requests(&dies.worker).await;
    assert_eq!(
        requests.expect("the journal works").posted,
        [(id.clone(), event.clone())]
    );
    let next = lease(Duration::from_mins(1));
    let mut claimed = loop {
        match journal.claim_one(&next, &id).await {
            Ok(ClaimedOne::Claimed(claimed)) => break claimed,
            Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(claimed.posted, std::slice::from_ref(&event));
    // Each holder gets it, until an entry tells of it.
    let rest = Wakeup::WhenCalled;
    for expected in [&[event.clone()][..], &[]] {
        let released = journal.release(&claimed.claim, false, rest).await;
        released.expect("the journal works");
        let again = journal.claim_one(&next, &id).await;
        let Ok(ClaimedOne::Claimed(again)) = again else {
            panic!("{again:?}");
        };
        claimed = again;
        assert_eq!(claimed.posted, expected);
        let received = Event::Received {
            name: event.name.clone().into(),
            payload: event.payload.clone(),
            key: Some(event.key.clone()),
        };
        if !expected.is_empty() {
            let appended = journal.append(&claimed.claim, claimed.next, vec![received]);
            appended.await.expect("it is held");
        }
    }
    let unknown = SagaId::new("two").expect("it is short");
    let called = journal.call(&unknown);
    assert_eq!(called.await.expect("the journal works"), Forwarded::NotHeld);
}
