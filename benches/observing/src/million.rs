//! How long the pages of a console take beside a million sagas.

use std::time::Instant;

use saga_console::Console;
use saga_runtime::journal::{Journal, Sqlite};
use saga_runtime::operator::Operator;
use tokio::net::TcpListener;

use crate::load;
use crate::readers;
use crate::rounds::median;

/// The pages that an operator sees first.
const PAGES: [&str; 10] = [
    "/",
    "/sagas",
    "/sagas?q=state%3Dstuck",
    "/sagas?q=state%3Dcompensated",
    "/sagas?q=name%3Dthree",
    "/sagas?q=step%3Dthird",
    "/sagas?q=code%3Derror",
    "/sagas?q=text%3Dcourier",
    "/sagas?q=text%3Dnothing",
    "/sagas?q=code%3Derror&count=yes",
];

/// Fills a journal, and measures its pages. The counts are read anew for each overview.
pub(crate) fn measure(database_url: Option<String>, sagas: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match database_url {
            None => {
                let folder = tempfile::tempdir()?;
                let file = folder.path().join("sagas.db");
                let coordinator = load::start(Sqlite::open(&file).await?).await?;
                load::fill(&coordinator, 256, sagas.div_ceil(256)).await?;
                coordinator.shutdown().await;
                pages_of("a file", sagas, Sqlite::open(&file).await?).await
            }
            Some(url) => in_postgres(&url, sagas).await,
        }
    })
}

async fn pages_of(place: &str, sagas: usize, journal: impl Journal) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let console = Console::new(Operator::on(journal).await?);
    let console = tokio::spawn(console.serve(listener, std::future::pending()));
    for page in PAGES {
        let mut took = Vec::new();
        for _ in 0..15 {
            // After a second the counts are not fresh any more.
            tokio::time::sleep(std::time::Duration::from_millis(1050)).await;
            took.push(
                tokio::task::spawn_blocking(move || {
                    let began = Instant::now();
                    readers::load(address, page).map(|_| began.elapsed().as_secs_f64() * 1e3)
                })
                .await??,
            );
        }
        let most = took.iter().copied().fold(0.0, f64::max);
        println!(
            "{sagas} sagas in {place}, {page}: {:.1} ms, at most {most:.1} ms (15 loads)",
            median(&took)
        );
    }
    console.abort();
    Ok(())
}

#[cfg(feature = "postgres")]
async fn in_postgres(url: &str, sagas: usize) -> anyhow::Result<()> {
    use saga_runtime::journal::Postgres;
    use sqlx::Connection as _;

    Postgres::connect(url).await?.close().await;
    let mut connection = sqlx::PgConnection::connect(url).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(
        FILL.replace("{sagas}", &sagas.to_string()),
    ))
    .execute(&mut connection)
    .await?;
    // As the server does by itself after a while.
    sqlx::raw_sql("VACUUM ANALYZE")
        .execute(&mut connection)
        .await?;
    pages_of("Postgres", sagas, Postgres::connect(url).await?).await
}

/// Of a thousand sagas one is stuck, two wait, twenty are compensated, and the others have completed.
#[cfg(feature = "postgres")]
const FILL: &str = "
SET search_path = saga;
INSERT INTO sagas (id, name, version, fingerprint, input, started_at)
SELECT 'order-' || n, 'three', 1, 17, '{\"number\":3}', now() - n * interval '1 second' FROM generate_series(1, {sagas}) n;
INSERT INTO entries (saga, seq, at, event, step, occurrence, kind, attempts, payload)
SELECT number, 1 + step, started_at, 'step_done', 'step' || step, 0, 'compensatable', 1, '3'
FROM sagas, generate_series(1, 3) step;
INSERT INTO entries (saga, seq, at, event, code, message, payload)
SELECT number, 6, started_at, CASE WHEN number % 1000 = 0 THEN 'stuck' WHEN number % 50 = 7 THEN 'compensated' ELSE 'completed' END,
       CASE WHEN number % 1000 = 0 THEN 'compensation_failed' END, CASE WHEN number % 1000 = 0 THEN 'no answer' END,
       CASE WHEN number % 1000 = 0 OR number % 50 = 7 THEN NULL ELSE '3'::json END
FROM sagas WHERE number % 1000 NOT IN (1, 2);
INSERT INTO entries (saga, seq, at, event, step, code, message)
SELECT number, 5, started_at, 'compensating', 'third', 'error', 'no courier' FROM sagas WHERE number % 50 = 7;
INSERT INTO open_sagas (number, name, epoch, stuck, wake_at)
SELECT number, name, 1, number % 1000 = 0, CASE WHEN number % 1000 > 0 THEN 'infinity'::timestamptz END
FROM sagas WHERE number % 1000 IN (0, 1, 2);
ANALYZE;
";

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "with the feature it waits")]
async fn in_postgres(_url: &str, _sagas: usize) -> anyhow::Result<()> {
    anyhow::bail!("build with the feature `postgres`: use `benches/observing/run million`")
}
