//! A streaming standby: it is refused, and after its promotion it has what the primary has acknowledged, if that waited for it.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use saga_runtime::journal::{Filter, JournalError, Postgres, State};
use saga_runtime::{Context, Coordinator, saga, step};
use sqlx::{Connection as _, PgConnection};
use test_postgres::Server;

#[step(compensate = ())]
async fn look(_cx: Context<'_, ()>) -> Result<u32, String> {
    Ok(1)
}

#[step(retriable)]
async fn tell(_cx: Context<'_, ()>, number: u32) -> Result<u32, String> {
    Ok(number)
}

saga!(
    async fn told(cx: Context<'_, ()>) -> Result<u32, String> {
        let number = look(cx).await?;
        let number = tell(cx, number).await?;
        Ok(number)
    }
);

async fn started(server: &Server) -> Coordinator<()> {
    let journal = Postgres::connect(server.url()).await;
    Coordinator::builder(())
        .journal(journal.expect("the database works"))
        .lease(Duration::from_secs(1))
        .register::<Told>()
        .start()
        .await
        .expect("the journal works")
}

/// A primary and its standby, with a database of their own.
async fn pair(is_synchronous: bool) -> (Server, Server) {
    // A crash of the primary is the end of it here, not of the machine.
    let settings = ["-c", "fsync=off"];
    let primary = Server::start(&settings);
    let standby = primary.standby(&settings);
    let mut connection = PgConnection::connect(primary.url()).await;
    let connection = connection.as_mut().expect("the primary works");
    let is_streaming = "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming')";
    while !sqlx::query_scalar::<_, bool>(is_streaming)
        .fetch_one(&mut *connection)
        .await
        .expect("the primary works")
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    if is_synchronous {
        for setting in [
            "ALTER SYSTEM SET synchronous_standby_names = '*'",
            "SELECT pg_reload_conf()",
        ] {
            let set = sqlx::raw_sql(setting).execute(&mut *connection).await;
            set.expect("the primary works");
        }
    }
    (primary, standby)
}

/// Starts sagas on the primary until it ends, promotes the standby, and lets a worker there finish them. Returns the sagas that the
/// primary has acknowledged and the new one does not have.
async fn lost_in_a_failover(primary: &Server, standby: &Server) -> BTreeSet<String> {
    let on_primary = started(primary).await;
    let starting = tokio::spawn(async move {
        let mut acknowledged = BTreeSet::new();
        for number in 0_u32.. {
            let id = format!("saga-{number}");
            match on_primary.submit(&*id, Told {}).await {
                Ok(_) => acknowledged.insert(id),
                Err(_) => break,
            };
        }
        acknowledged
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    primary.crash();
    standby.promote();
    let acknowledged = starting.await.expect("it does not panic");
    assert!(!acknowledged.is_empty());
    let on_standby = started(standby).await;
    let finished = async {
        let open = || async {
            let states = [State::Waiting, State::Running, State::Compensating];
            for state in states {
                let page = on_standby
                    .list(&Filter::default().state(state).limit(1))
                    .await;
                if !page.expect("the journal works").sagas.is_empty() {
                    return true;
                }
            }
            false
        };
        while open().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let finished = tokio::time::timeout(Duration::from_mins(1), finished).await;
    finished.expect("all sagas end on the new primary");
    let mut lost = acknowledged;
    let mut filter = Filter::default().limit(1000);
    loop {
        let page = on_standby.list(&filter).await.expect("the journal works");
        for record in page.sagas {
            assert_eq!(record.state, State::Completed);
            lost.remove(record.saga.id.as_str());
        }
        match page.next {
            Some(next) => filter.after = Some(next),
            None => return lost,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_refused_and_after_a_synchronous_failover_nothing_is_lost() {
    let (primary, standby) = pair(true).await;
    // The tables are there first: what a standby lacks is not the reason.
    drop(Postgres::connect(primary.url()).await.expect("it works"));
    let refused = Postgres::connect(standby.url()).await;
    let Err(JournalError::Unsuitable { message }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        message,
        "this server is a standby: a journal needs the primary"
    );
    let lost = lost_in_a_failover(&primary, &standby).await;
    assert!(lost.is_empty(), "lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_found_if_a_failover_loses_what_was_acknowledged() {
    let (primary, standby) = pair(false).await;
    // The standby has the tables, and hears of nothing after that.
    drop(Postgres::connect(primary.url()).await.expect("it works"));
    let mut connection = PgConnection::connect(primary.url()).await;
    let connection = connection.as_mut().expect("the primary works");
    let has_all =
        "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn())";
    while !sqlx::query_scalar::<_, bool>(has_all)
        .fetch_one(&mut *connection)
        .await
        .expect("the primary works")
    {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let sender: i32 = sqlx::query_scalar("SELECT pid FROM pg_stat_replication")
        .fetch_one(&mut *connection)
        .await
        .expect("the primary works");
    let stopped = Command::new("kill")
        .args(["-STOP", &sender.to_string()])
        .status();
    assert!(stopped.is_ok_and(|status| status.success()));
    let lost = lost_in_a_failover(&primary, &standby).await;
    assert!(!lost.is_empty(), "the standby has what it was never sent");
}
