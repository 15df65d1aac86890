//! NOTIFY takes a lock over the whole database: sagas that run and end tell nobody. What another process has to hear is told.

use std::time::Duration;

use saga_runtime::journal::{Journal as _, Postgres};
use saga_runtime::{Context, Coordinator, saga, step};
use sqlx::postgres::PgListener;
use sqlx::{Executor as _, PgPool};
use test_postgres::Server;

#[step(compensate = give_back)]
async fn take(_cx: Context<'_, ()>) -> Result<(), String> {
    Ok(())
}

async fn give_back(_cx: Context<'_, ()>, (): &()) -> Result<(), String> {
    Ok(())
}

#[step(compensate = ())]
async fn refuse(_cx: Context<'_, ()>, refuses: bool) -> Result<(), String> {
    if refuses {
        Err("refused".to_owned())
    } else {
        Ok(())
    }
}

saga!(
    async fn told(cx: Context<'_, ()>, refuses: bool) -> Result<(), String> {
        take(cx).await?;
        refuse(cx, refuses).await?;
        Ok(())
    }
);

#[tokio::test]
async fn sagas_that_run_here_tell_nobody_and_writes_of_many_share_commits() {
    const SAGAS: u64 = 200;
    let database = Server::shared().database().await;
    let pool = PgPool::connect(database.url()).await.expect("it works");
    let journal = Postgres::connect(database.url()).await.expect("it works");
    let coordinator = Coordinator::builder(())
        .journal(journal.clone())
        .lease(Duration::from_hours(1))
        .register::<Told>()
        .start()
        .await
        .expect("the journal works");
    let mut listener = PgListener::connect_with(&pool).await.expect("it works");
    listener
        .listen("saga journal saga")
        .await
        .expect("it works");
    let before = journal.commits();
    let running = (0..SAGAS).map(|number| {
        let coordinator = coordinator.clone();
        tokio::spawn(async move {
            let saga = Told {
                refuses: number % 2 == 0,
            };
            coordinator.execute(format!("saga-{number}"), saga).await
        })
    });
    for ended in running.collect::<Vec<_>>() {
        let _ = ended.await.expect("it does not panic");
    }
    // Each makes four writes at least: its start, an outcome, another one with the decision or the end, its end.
    let commits = journal.commits() - before;
    assert!(commits < SAGAS, "{commits} commits of {SAGAS} sagas");

    // A mark, before which nothing was told.
    pool.execute("SELECT pg_notify('saga journal saga', 'the mark')")
        .await
        .expect("it works");
    let heard = listener.recv().await.expect("it works");
    assert_eq!(heard.payload(), "the mark");
    // Another worker has to hear of a pause.
    let paused = journal.pause("told", "to be heard").await;
    paused.expect("it works");
    let heard = listener.recv().await.expect("it works");
    assert_eq!(heard.payload(), "work");
}
