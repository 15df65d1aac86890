//! Idle workers seldom ask, the more of them there are, and still take over in time.

use std::future::pending;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::stream;
use saga_runtime::journal::{Postgres, State};
use saga_runtime::{Context, Coordinator, saga, step};
use sqlx::{Connection as _, PgConnection};
use test_postgres::Server;
use tokio::runtime::Runtime;

/// The service of a worker. It hangs at the one that dies.
struct Service {
    hangs: bool,
}

#[step(compensate = ())]
async fn reach(cx: Context<'_, Service>) -> Result<u32, String> {
    if cx.hangs {
        pending::<()>().await;
    }
    Ok(1)
}

saga!(
    async fn reached(cx: Context<'_, Service>) -> Result<u32, String> {
        let reached = reach(cx).await?;
        Ok(reached)
    }
);

async fn worker(journal: Postgres, lease: Duration, hangs: bool) -> Coordinator<Service> {
    Coordinator::builder(Service { hangs })
        .journal(journal)
        .lease(lease)
        .register::<Reached>()
        .start()
        .await
        .expect("the journal works")
}

/// Starts a saga at a worker that dies in its step. Returns the time of its death.
fn dies(url: &str, lease: Duration) -> Instant {
    std::thread::scope(|scope| {
        let dying = scope.spawn(|| {
            let runtime = Runtime::new().expect("a runtime");
            runtime.block_on(async {
                let journal = Postgres::connect(url).await.expect("the database works");
                let worker = worker(journal, lease, true).await;
                let submitted = worker.submit("one", Reached {}).await;
                std::mem::forget(submitted.expect("it is new"));
                std::mem::forget(worker);
            });
            // Its tasks end where they are, and it releases nothing.
            runtime.shutdown_background();
            Instant::now()
        });
        dying.join().expect("it does not panic")
    })
}

/// Waits until the saga has ended at another worker. Returns the time since the death of the first one.
async fn taken_over(survivor: &Coordinator<Service>, died: Instant) -> Duration {
    while survivor.status("one").await.expect("the journal works") != Some(State::Completed) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    died.elapsed()
}

/// The statements that the server has run, and how often, the most frequent first.
async fn statements(connection: &mut PgConnection) -> Vec<(i64, String)> {
    let calls = sqlx::query_as(
        "SELECT calls, left(query, 100) FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat%' ORDER BY 1 DESC",
    );
    calls.fetch_all(connection).await.expect("it is there")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_workers_ask_less_than_a_hundred_times_a_second_and_take_over_in_time() {
    const WORKERS: usize = 1000;
    const WINDOW: Duration = Duration::from_secs(15);
    let server = Server::start(&[
        "-c",
        "fsync=off",
        "-c",
        "shared_preload_libraries=pg_stat_statements",
    ]);
    let mut connection = PgConnection::connect(server.url()).await.expect("it works");
    sqlx::raw_sql("CREATE EXTENSION pg_stat_statements")
        .execute(&mut connection)
        .await
        .expect("it comes with the server");
    let options = Postgres::options().connections(8);
    let journal = options.connect(server.url()).await;
    let journal = journal.expect("the database works");
    let lease = Duration::from_secs(30);
    let workers: Vec<_> = stream::iter(0..WORKERS)
        .map(|_| worker(journal.clone(), lease, false))
        .buffer_unordered(20)
        .collect()
        .await;
    // Each one looks again within a third of the lease, and sees then how many they are.
    tokio::time::sleep(Duration::from_secs(15)).await;
    sqlx::raw_sql("SELECT pg_stat_statements_reset()")
        .execute(&mut connection)
        .await
        .expect("it comes with the server");
    let began = Instant::now();
    tokio::time::sleep(WINDOW).await;
    let asked = statements(&mut connection).await;
    let calls: i64 = asked.iter().map(|(calls, _)| calls).sum();
    let calls = f64::from(i32::try_from(calls).expect("not so many"));
    let rate = calls / began.elapsed().as_secs_f64();
    println!("{WORKERS} idle workers: {rate:.0} statements a second");
    assert!(rate < 100.0, "{rate:.0} a second: {asked:#?}");
    assert!(rate > 20.0, "they look: {rate:.0} statements a second");

    let lease = Duration::from_secs(2);
    let died = dies(server.url(), lease);
    let taken = taken_over(&workers[0], died).await;
    println!("{WORKERS} idle workers: a saga is taken over after {taken:?}");
    assert!(taken < lease + Duration::from_secs(1), "{taken:?}");
}

#[tokio::test]
async fn the_saga_of_a_dead_worker_goes_on_within_a_second_after_its_lease_however_long_that_is() {
    let database = Server::shared().database().await;
    let journal = Postgres::connect(database.url()).await;
    // It looks every three seconds, if it has no reason to look at another time.
    let lease = Duration::from_secs(9);
    let survivor = worker(journal.expect("the database works"), lease, false).await;
    let died = dies(database.url(), lease);
    let taken = taken_over(&survivor, died).await;
    println!("taken over after {taken:?}");
    assert!(taken < lease + Duration::from_secs(1), "{taken:?}");
}
