//! What a long saga costs: a loop, a fan-out and a poll loop of 1,000 and of 16,000 calls, forward, undone and replayed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use saga_runtime::coordinator::Registrable;
use saga_runtime::journal::{Filter, Journal, Memory, Sqlite, State};
use saga_runtime::{Context, Coordinator, EventName, event, saga, sleep, step, try_join_all};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// A bell that rings when the last step of a saga is requested.
#[derive(Clone, Default)]
struct Bell(Arc<Notify>);

const GO: EventName<()> = EventName::new("go");
const OTHER: EventName<()> = EventName::new("other");

#[step(compensate = forget)]
async fn note(_cx: Context<'_, Bell>, item: u32) -> Result<u32, String> {
    Ok(item)
}

async fn forget(_cx: Context<'_, Bell>, _item: &u32) -> Result<(), String> {
    Ok(())
}

#[step(compensate = ())]
async fn check(cx: Context<'_, Bell>, fails: bool) -> Result<(), String> {
    cx.0.notify_one();
    if fails { Err("no".to_owned()) } else { Ok(()) }
}

#[step(compensate = ())]
async fn ask(_cx: Context<'_, Bell>, round: u32, rounds: u32) -> Result<bool, String> {
    Ok(round + 1 == rounds)
}

saga!(
    async fn note_each(cx: Context<'_, Bell>, items: u32, fails: bool) -> Result<(), String> {
        for item in 0..items {
            note(cx, item).await?;
        }
        check(cx, fails).await?;
        Ok(())
    }
);

saga!(
    async fn note_all(cx: Context<'_, Bell>, items: u32, fails: bool) -> Result<(), String> {
        try_join_all(256, 0..items, |item| note(cx, item)).await?;
        check(cx, fails).await?;
        Ok(())
    }
);

saga!(
    async fn note_and_wait(cx: Context<'_, Bell>, items: u32) -> Result<(), String> {
        try_join_all(256, 0..items, |item| note(cx, item)).await?;
        event(cx, GO).await;
        check(cx, false).await?;
        Ok(())
    }
);

saga!(
    async fn poll(cx: Context<'_, Bell>, rounds: u32) -> Result<(), String> {
        for round in 0..rounds {
            if ask(cx, round, rounds).await? {
                break;
            }
            sleep(cx, Duration::from_millis(1)).await;
        }
        Ok(())
    }
);

/// The time of 1,000 and of 16,000 calls.
#[derive(Debug, Clone)]
pub struct Long {
    /// What was done.
    pub what: &'static str,
    /// How long it took.
    pub took: [Duration; 2],
}

/// Measures long sagas; the best of so many runs.
///
/// # Errors
/// If a saga ends in another way than expected, or a file can't be written.
pub fn measure(folder: &Path, runs: usize) -> anyhow::Result<Vec<Long>> {
    let runtime = runtime()?;
    let mut all = Vec::new();
    let mut add = |what, run: &mut dyn FnMut(u32) -> anyhow::Result<Duration>| {
        let took = [run(1_000)?, run(16_000)?];
        all.push(Long { what, took });
        anyhow::Ok(())
    };
    let least = |run: &dyn Fn() -> anyhow::Result<Duration>| {
        let took: Vec<_> = (0..runs).map(|_| run()).collect::<Result<_, _>>()?;
        took.into_iter().min().context("at least one run")
    };
    for fails in [false, true] {
        let (in_process, looped, fanned_out) = if fails {
            (
                "loop, in process, undone",
                "loop, undone",
                "fan-out, undone",
            )
        } else {
            ("loop, in process", "loop", "fan-out")
        };
        add(in_process, &mut |items| {
            least(&|| {
                let saga = NoteEach { items, fails };
                let began = Instant::now();
                let ended = runtime.block_on(saga.execute(&Bell::default()));
                anyhow::ensure!(ended.is_err() == fails);
                Ok(began.elapsed())
            })
        })?;
        add(looped, &mut |items| {
            least(&|| runtime.block_on(run(NoteEach { items, fails }, fails)))
        })?;
        add(fanned_out, &mut |items| {
            least(&|| runtime.block_on(run(NoteAll { items, fails }, fails)))
        })?;
    }
    add("replayed from SQLite", &mut |items| {
        runtime.block_on(replayed(runs, async || {
            let file = tempfile::tempdir_in(folder)?;
            let journal = Sqlite::open(&file.path().join("long.db")).await?;
            wake(parked(journal, items)).await
        }))
    })?;
    add("replayed from memory", &mut |items| {
        runtime.block_on(replayed(runs, async || {
            wake(parked(Memory::new(), items)).await
        }))
    })?;
    add("an event that it does not wait for", &mut |items| {
        least(&|| runtime.block_on(other_event(items)))
    })?;
    add("a poll loop, each round a wake-up", &mut |items| {
        least(&|| runtime.block_on(poll_each(items / 16)))
    })?;
    Ok(all)
}

/// Runs a saga on a journal in memory.
async fn run<G>(saga: G, fails: bool) -> anyhow::Result<Duration>
where
    G: Registrable<Bell> + saga_runtime::Saga<Services = Bell>,
{
    let builder = Coordinator::builder(Bell::default()).journal(Memory::new());
    let coordinator = builder.register::<G>().start().await?;
    let began = Instant::now();
    let ended = coordinator.execute("one", saga).await;
    anyhow::ensure!(ended.is_err() == fails);
    Ok(began.elapsed())
}

/// The time of a replay: the least time to wake a saga, without the least time in which the sender reads its history.
async fn replayed(
    runs: usize,
    run: impl AsyncFn() -> anyhow::Result<Wake>,
) -> anyhow::Result<Duration> {
    let mut least = run().await?;
    for _ in 1..runs {
        let next = run().await?;
        least.sending = least.sending.min(next.sending);
        least.waking = least.waking.min(next.waking);
    }
    Ok(least.waking.saturating_sub(least.sending))
}

/// An event to a saga that waits.
struct Wake {
    /// The time of a send that wakes nobody. The sender reads the history, once.
    sending: Duration,
    /// The time from the send that ends the wait to the request of the next step. The history is read twice and replayed meanwhile.
    waking: Duration,
}

async fn wake(
    parked: impl Future<Output = anyhow::Result<(Coordinator<Bell>, Bell)>>,
) -> anyhow::Result<Wake> {
    let (coordinator, bell) = parked.await?;
    let began = Instant::now();
    coordinator.send("one", OTHER, &()).await?;
    let sending = began.elapsed();
    let began = Instant::now();
    coordinator.send("one", GO, &()).await?;
    bell.0.notified().await;
    let waking = began.elapsed();
    Ok(Wake { sending, waking })
}

/// Runs a poll loop that rests in each round.
async fn poll_each(rounds: u32) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let builder = Coordinator::builder(Bell::default()).journal(Memory::new());
    let builder = builder.patience(Duration::ZERO).register::<Poll>();
    let coordinator = builder.start().await?;
    coordinator.execute("one", Poll { rounds }).await?;
    Ok(began.elapsed())
}

async fn other_event(items: u32) -> anyhow::Result<Duration> {
    let (coordinator, _) = parked(Memory::new(), items).await?;
    let began = Instant::now();
    for _ in 0..10 {
        coordinator.send("one", OTHER, &()).await?;
    }
    Ok(began.elapsed() / 10)
}

/// A saga that waits for an event, as a row.
async fn parked(journal: impl Journal, items: u32) -> anyhow::Result<(Coordinator<Bell>, Bell)> {
    let bell = Bell::default();
    let builder = Coordinator::builder(bell.clone()).journal(journal);
    let builder = builder.patience(Duration::ZERO).register::<NoteAndWait>();
    let coordinator = builder.start().await?;
    let submitted = coordinator.submit("one", NoteAndWait { items });
    drop(submitted.await?);
    let awake = Filter::default().state(State::Running).limit(1);
    while !coordinator.list(&awake).await?.sagas.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok((coordinator, bell))
}

fn runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}
