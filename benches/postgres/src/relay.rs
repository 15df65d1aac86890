//! Sagas that wait in one process, and go on in another one.

use std::io::BufRead as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use saga_runtime::journal::Postgres;
use saga_runtime::{Context, Coordinator, saga, step};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::customers::Failure;

/// The sagas of a relay, and how far they are in this process.
struct Relay {
    /// Attempts of the second step end when this is true.
    may_pass: watch::Sender<bool>,
    /// The sagas whose second or third step was requested here.
    seen: Vec<AtomicBool>,
    count: AtomicUsize,
    all: Notify,
}

impl Relay {
    fn new(sagas: usize, may_pass: bool) -> Arc<Self> {
        Arc::new(Self {
            may_pass: watch::Sender::new(may_pass),
            seen: (0..sagas).map(|_| AtomicBool::new(false)).collect(),
            count: AtomicUsize::new(0),
            all: Notify::new(),
        })
    }

    /// Notes that a step of this saga was requested here.
    fn see(&self, number: u64) {
        let seen = usize::try_from(number)
            .ok()
            .and_then(|at| self.seen.get(at));
        let is_new = seen.is_some_and(|seen| !seen.swap(true, Ordering::Relaxed));
        if is_new && self.count.fetch_add(1, Ordering::Relaxed) + 1 == self.seen.len() {
            self.all.notify_one();
        }
    }
}

#[step(compensate = ())]
async fn leave(_cx: Context<'_, Relay>, number: u64) -> Result<u64, String> {
    Ok(number)
}

#[step(compensate = ())]
async fn hold(cx: Context<'_, Relay>, number: u64) -> Result<u64, String> {
    cx.see(number);
    let mut may_pass = cx.may_pass.subscribe();
    let passed = may_pass.wait_for(|may_pass| *may_pass).await;
    passed.map(|_| number).map_err(|error| error.to_string())
}

#[step(compensate = ())]
async fn arrive(cx: Context<'_, Relay>, number: u64) -> Result<u64, String> {
    cx.see(number);
    Ok(number)
}

saga!(
    async fn passing(cx: Context<'_, Relay>, number: u64) -> Result<u64, String> {
        let number = leave(cx, number).await?;
        let number = hold(cx, number).await?;
        arrive(cx, number).await
    }
);

/// The size of the future of one such saga that runs in process, with the step that it awaits.
pub(crate) fn future_size() -> usize {
    let services = Relay::new(0, true);
    size_of_val(&Passing { number: 0 }.execute(&services))
}

async fn start(
    url: &str,
    services: Arc<Relay>,
    lease: Duration,
) -> Result<Coordinator<Relay>, Failure> {
    // A claim of the other process takes no saga that has a slot here.
    let in_flight = services.seen.len() + 64;
    let coordinator = Coordinator::builder(services)
        .journal(Postgres::connect(url).await?)
        .register::<Passing>()
        .in_flight(in_flight)
        .attempt_timeout(Duration::from_hours(1))
        .lease(lease)
        .start();
    Ok(coordinator.await?)
}

/// Waits for a line.
async fn line() -> Result<(), Failure> {
    let line = tokio::task::spawn_blocking(|| std::io::stdin().lock().lines().next());
    line.await?;
    Ok(())
}

/// The worker that starts the sagas and holds them in their second step. It says `held`. A line lets it shut down: it says how long
/// it took until it had released all of them.
pub(crate) async fn keep(url: &str, sagas: usize, lease: Duration) -> Result<(), Failure> {
    let services = Relay::new(sagas, false);
    let coordinator = start(url, Arc::clone(&services), lease).await?;
    println!("ready");
    line().await?;
    let mut submitting = JoinSet::new();
    for number in 0..sagas as u64 {
        while submitting.len() >= 256 {
            if let Some(submitted) = submitting.join_next().await {
                submitted??;
            }
        }
        let coordinator = coordinator.clone();
        submitting.spawn(async move {
            let submitted = coordinator.submit(format!("relay-{number}"), Passing { number });
            submitted
                .await
                .map(drop)
                .map_err(|error| Failure::from(error.to_string()))
        });
    }
    while let Some(submitted) = submitting.join_next().await {
        submitted??;
    }
    services.all.notified().await;
    println!("held");
    line().await?;
    let opening = async {
        println!("passing");
        services.may_pass.send_replace(true);
    };
    let begun = Instant::now();
    // The shutdown is first: the attempts end, and no further step is requested here.
    tokio::join!(biased; coordinator.shutdown(), opening);
    println!("released {}", begun.elapsed().as_secs_f64());
    Ok(())
}

/// The worker that takes over. It says `arrived` when a step of each saga was requested here.
pub(crate) async fn survive(url: &str, sagas: usize, lease: Duration) -> Result<(), Failure> {
    let services = Relay::new(sagas, true);
    let coordinator = start(url, Arc::clone(&services), lease).await?;
    println!("ready");
    services.all.notified().await;
    println!("arrived");
    line().await?;
    coordinator.shutdown().await;
    Ok(())
}
