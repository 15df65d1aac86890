//! A saga that starts in a transaction of the caller's starts if and only if that commits.

use std::collections::BTreeSet;
use std::time::Duration;

use saga_runtime::coordinator::{ExecuteError, SubmitError};
use saga_runtime::journal::{Filter, Memory, Postgres};
use saga_runtime::{Context, Coordinator, saga, step};
use sqlx::{AssertSqlSafe, PgPool};
use test_postgres::Server;

#[step(compensate = ())]
async fn price(_cx: Context<'_, ()>, pieces: u32) -> Result<u32, String> {
    Ok(3 * pieces)
}

saga!(
    async fn place_order(cx: Context<'_, ()>, pieces: u32) -> Result<u32, String> {
        let price = price(cx, pieces).await?;
        Ok(price)
    }
);

/// A coordinator that asks every 20 minutes, and a table beside its journal.
async fn shop(name: &str) -> (Coordinator<()>, PgPool, String) {
    let schema = format!("together_{name}_{}", std::process::id());
    let pool = PgPool::connect(Server::shared().url()).await;
    let pool = pool.expect("the database works");
    let journal = Postgres::options().schema(&*schema).open(pool.clone());
    let coordinator = Coordinator::builder(())
        .journal(journal.await.expect("the database works"))
        .lease(Duration::from_hours(1))
        .register::<PlaceOrder>()
        .start()
        .await
        .expect("the journal works");
    let orders = format!("{schema}.orders");
    let table = format!("CREATE TABLE {orders} (id text PRIMARY KEY)");
    let created = sqlx::raw_sql(AssertSqlSafe(table)).execute(&pool).await;
    created.expect("the database works");
    (coordinator, pool, orders)
}

#[tokio::test]
async fn a_saga_and_the_rows_beside_it_are_both_there_or_both_not() {
    let (coordinator, pool, orders) = shop("both").await;
    let seed = fastrand::u64(..);
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut committed = Vec::new();
    for number in 0..100 {
        let id = format!("order-{number}");
        let mut transaction = pool.begin().await.expect("the database works");
        let insert = format!("INSERT INTO {orders} VALUES ($1)");
        let is_first = random.bool();
        for is_insert in [is_first, !is_first] {
            if is_insert {
                let inserted = sqlx::query(AssertSqlSafe(&*insert)).bind(&id);
                let inserted = inserted.execute(&mut *transaction).await;
                inserted.expect("it is new");
            } else {
                let saga = PlaceOrder { pieces: number };
                let submitted = coordinator.submit_in(&mut transaction, &*id, saga).await;
                let handle = submitted.expect("it is new");
                if random.u8(..4) == 0 {
                    let waited = handle.wait().await;
                    let Err(ExecuteError::NotStarted(SubmitError::NotCommitted { .. })) = waited
                    else {
                        panic!("{waited:?}");
                    };
                } else {
                    committed.push((number, handle));
                }
            }
        }
        match random.u8(..4) {
            0 => transaction.rollback().await.expect("the database works"),
            1 => drop(transaction),
            2 => {
                // The connection is lost before the commit.
                let backend = sqlx::query_scalar::<_, i32>("SELECT pg_backend_pid()");
                let backend = backend.fetch_one(&mut *transaction).await;
                let ended = sqlx::query("SELECT pg_terminate_backend($1)")
                    .bind(backend.expect("the database works"))
                    .execute(&pool)
                    .await;
                ended.expect("the database works");
                let lost = transaction.commit().await;
                assert!(lost.is_err(), "the connection is gone");
            }
            _ => {
                transaction.commit().await.expect("the database works");
                if let Some((of, handle)) = committed.pop()
                    && of == number
                {
                    assert_eq!(handle.wait().await.expect("nothing fails"), 3 * number);
                }
            }
        }
    }
    let rows = sqlx::query_scalar::<_, String>(AssertSqlSafe(format!("SELECT id FROM {orders}")));
    let rows = rows.fetch_all(&pool).await.expect("the database works");
    let rows: BTreeSet<_> = rows.into_iter().collect();
    let page = coordinator.list(&Filter::default().limit(1000)).await;
    let sagas = page.expect("the journal works").sagas.into_iter();
    let sagas: BTreeSet<_> = sagas.map(|record| record.saga.id.to_string()).collect();
    assert_eq!(sagas, rows);
    assert!(!rows.is_empty() && rows.len() < 100, "{}", rows.len());
}

#[tokio::test]
async fn of_two_transactions_that_start_one_saga_the_second_waits_for_the_first() {
    let (coordinator, pool, _) = shop("twice").await;
    for (id, commits, pieces) in [("same", true, 4), ("other", true, 5), ("alone", false, 5)] {
        let mut first = pool.begin().await.expect("the database works");
        let submitted = coordinator.submit_in(&mut first, id, PlaceOrder { pieces: 4 });
        drop(submitted.await.expect("it is new"));
        let mut second = pool.begin().await.expect("the database works");
        let in_second = coordinator.clone();
        let submitting = tokio::spawn(async move {
            let saga = PlaceOrder { pieces };
            let submitted = in_second.submit_in(&mut second, id, saga).await;
            second.commit().await.expect("the database works");
            submitted
        });
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!submitting.is_finished(), "it waits");
        if commits {
            first.commit().await.expect("the database works");
        } else {
            first.rollback().await.expect("the database works");
        }
        let submitted = submitting.await.expect("it does not panic");
        if id == "other" {
            let conflict = matches!(submitted, Err(SubmitError::Conflict { .. }));
            assert!(conflict, "{submitted:?}");
        } else {
            let handle = submitted.expect("it is the same, or the only one");
            assert_eq!(handle.wait().await.expect("nothing fails"), 3 * pieces);
        }
    }
}

#[tokio::test]
async fn another_journal_refuses() {
    let (_, pool, _) = shop("refuses").await;
    let coordinator = Coordinator::builder(())
        .journal(Memory::new())
        .register::<PlaceOrder>()
        .start()
        .await
        .expect("it is in memory");
    let mut transaction = pool.begin().await.expect("the database works");
    let submitted = coordinator.submit_in(&mut transaction, "one", PlaceOrder { pieces: 1 });
    let refusal = submitted.await.expect_err("it is in memory");
    assert_eq!(
        refusal.to_string(),
        "this journal can't start a saga in a transaction of the caller's: only one in Postgres can"
    );
}
