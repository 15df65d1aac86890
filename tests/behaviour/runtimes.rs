//! Sagas are futures like any other: they are `Send`, and run on every kind of runtime, many at once.

use std::collections::HashSet;
use std::future::{Ready, ready};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{self, Poll, Waker};
use std::time::Duration;

use saga_runtime::{Cause, Context, InProcess, SagaError, SagaId, saga, step};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Barrier, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

const SAGAS: usize = 1000;

/// The limit for sagas that never end.
const PATIENCE: Duration = Duration::from_mins(2);

/// Rooms that a thousand sagas want at the same time.
struct Hotel {
    rooms: Arc<Semaphore>,
    everybody_has_one: Barrier,
    compensated: AtomicUsize,
    /// The rooms are given back at the end only.
    taken: std::sync::Mutex<Vec<OwnedSemaphorePermit>>,
}

impl Hotel {
    fn new(rooms: usize) -> Arc<Self> {
        Arc::new(Self {
            rooms: Arc::new(Semaphore::new(rooms)),
            everybody_has_one: Barrier::new(rooms),
            compensated: AtomicUsize::new(0),
            taken: std::sync::Mutex::default(),
        })
    }
}

/// The behaviour of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Guest {
    Stays,
    Leaves,
    Faints,
}

/// Number 17 of any thousand, and so on.
fn guest(number: usize) -> Guest {
    match number % 3 {
        0 => Guest::Stays,
        1 => Guest::Leaves,
        _ => Guest::Faints,
    }
}

#[step(compensate = free_room)]
async fn take_room(cx: Context<'_, Hotel>, number: usize) -> Result<usize, String> {
    let permit = Arc::clone(&cx.rooms)
        .try_acquire_owned()
        .map_err(|error| error.to_string())?;
    let mut taken = cx.taken.lock().map_err(|error| error.to_string())?;
    taken.push(permit);
    Ok(number)
}

async fn free_room(cx: Context<'_, Hotel>, number: &usize) -> Result<(), String> {
    assert_eq!(cx.saga_id().as_str(), format!("guest-{number}"));
    cx.compensated.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

#[step(compensate = ())]
async fn check_in(cx: Context<'_, Hotel>, guest: Guest) -> Result<String, String> {
    cx.everybody_has_one.wait().await;
    match guest {
        Guest::Stays => Ok(cx.idempotency_key().into()),
        Guest::Leaves => Err("the room has no view".to_owned()),
        // Without the text that panics print.
        Guest::Faints => resume_unwind(Box::new("the view was too much")),
    }
}

saga!(
    async fn stay(cx: Context<'_, Hotel>, number: usize, guest: Guest) -> Result<String, String> {
        let room = take_room(cx, number).await?;
        assert_eq!(room, number);
        let key = check_in(cx, guest).await?;
        Ok(key)
    }
);

/// Runs a thousand sagas, each in a task of its own, all of which wait for each other in the middle.
async fn a_thousand_at_once() {
    let hotel = Hotel::new(SAGAS);
    let mut tasks = JoinSet::new();
    for number in 0..SAGAS {
        let hotel = Arc::clone(&hotel);
        tasks.spawn(async move {
            let saga = Stay {
                number,
                guest: guest(number),
            };
            let id = SagaId::new(format!("guest-{number}")).expect("a valid id");
            let ended = InProcess::new(&*hotel).saga_id(id).execute(saga).await;
            (number, ended)
        });
    }
    let mut keys = HashSet::new();
    let mut failed = 0;
    while let Some(joined) = timeout(PATIENCE, tasks.join_next())
        .await
        .expect("every saga ends")
    {
        let (number, ended) = joined.expect("no panic leaves a saga");
        match guest(number) {
            Guest::Stays => {
                keys.insert(ended.expect("this guest stays"));
            }
            guest => {
                failed += 1;
                let error = ended.expect_err("this guest does not stay");
                assert!(error.is_compensated(), "{error}");
                let panicked = matches!(error.cause(), Cause::Panicked { .. });
                assert_eq!(panicked, guest == Guest::Faints, "{error}");
            }
        }
    }
    assert_eq!(keys.len() + failed, SAGAS);
    assert_eq!(hotel.compensated.load(Ordering::SeqCst), failed);
}

#[tokio::test]
async fn a_thousand_sagas_run_at_once_on_one_thread() {
    assert_eq!(
        Handle::current().runtime_flavor(),
        RuntimeFlavor::CurrentThread
    );
    a_thousand_at_once().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_sagas_run_at_once_on_many_threads() {
    assert_eq!(
        Handle::current().runtime_flavor(),
        RuntimeFlavor::MultiThread
    );
    a_thousand_at_once().await;
}

/// A point at which two sagas wait for each other.
struct Meeting {
    both: Barrier,
}

#[step(compensate = ())]
async fn meet(cx: Context<'_, Meeting>) -> Result<String, String> {
    cx.both.wait().await;
    let thread = std::thread::current();
    Ok(format!("{:?}", thread.id()))
}

saga!(
    async fn meeting_once(cx: Context<'_, Meeting>) -> Result<String, String> {
        meet(cx).await
    }
);

#[tokio::test]
async fn sagas_in_one_task_take_turns() {
    let services = Meeting {
        both: Barrier::new(2),
    };
    let (one, other) = tokio::join!(
        MeetingOnce {}.execute(&services),
        MeetingOnce {}.execute(&services)
    );
    assert_eq!(
        one.expect("nothing fails"),
        other.expect("nothing fails"),
        "one thread ran both"
    );
}

fn is_send<T: Send>(_: &T) {}

fn is_send_and_sync<T: Send + Sync + 'static>() {}

#[test]
fn the_future_of_a_saga_is_send_and_its_error_send_and_sync() {
    let services = Meeting {
        both: Barrier::new(2),
    };
    is_send(&MeetingOnce {}.execute(&services));
    is_send(&InProcess::new(&services).execute(MeetingOnce {}));
    is_send_and_sync::<SagaError<String>>();
    is_send_and_sync::<MeetingOnce>();
}

struct Nothing;

#[step(compensate = ())]
async fn double(_cx: Context<'_, Nothing>, number: u32) -> Result<u32, String> {
    let number: Ready<u32> = ready(number);
    Ok(number.await * 2)
}

saga!(
    async fn quadruple(cx: Context<'_, Nothing>, number: u32) -> Result<u32, String> {
        let twice = double(cx, number).await?;
        double(cx, twice).await
    }
);

#[test]
fn a_saga_that_needs_no_timer_needs_no_runtime() {
    let mut running = Box::pin(Quadruple { number: 3 }.execute(&Nothing));
    let mut cx = task::Context::from_waker(Waker::noop());
    let Poll::Ready(ended) = running.as_mut().poll(&mut cx) else {
        unreachable!("nothing in it waits");
    };
    assert_eq!(ended.expect("nothing fails"), 12);
}
