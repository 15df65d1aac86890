//! A service that takes payments, each once.

use saga_participant::{Begun, Cancellation, Participant};
use serde::{Deserialize, Serialize};
use sqlx::{Sqlite, SqlitePool};

struct Payments {
    pool: SqlitePool,
    participant: Participant<Sqlite>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Declined {
    Cancelled,
}

/// `key` comes with the request: it is the `cx.idempotency_key()` of the step.
async fn pay(payments: &Payments, key: &str, amount: i64) -> Result<Result<i64, Declined>, saga_participant::Error> {
    let mut tx = payments.pool.begin().await?;
    let answer = match payments.participant.begin(&mut tx, key).await? {
        Begun::First(first) => {
            let insert = sqlx::query("INSERT INTO payments (amount) VALUES (?)").bind(amount);
            let id = insert.execute(&mut *tx).await?.last_insert_rowid();
            first.answer(&mut tx, &id).await?;
            Ok(id)
        }
        Begun::Repeated(answer) => answer,
        Begun::Cancelled => Err(Declined::Cancelled),
    };
    tx.commit().await?;
    Ok(answer)
}

/// `action_key` comes with the compensation: it is its `cx.action_key()`.
async fn refund(payments: &Payments, action_key: &str) -> Result<(), saga_participant::Error> {
    let mut tx = payments.pool.begin().await?;
    if let Cancellation::Undo(id) = payments.participant.cancel::<i64>(&mut tx, action_key).await? {
        sqlx::query("DELETE FROM payments WHERE id = ?").bind(id).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

#[tokio::test]
async fn what_is_paid_is_paid_once_and_refunded_once() -> Result<(), saga_participant::Error> {
    let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect("sqlite::memory:").await?;
    let table = sqlx::raw_sql("CREATE TABLE payments (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL)");
    table.execute(&pool).await?;
    let payments = Payments { pool, participant: Participant::new() };
    payments.participant.migrate(&payments.pool).await?;

    assert_eq!(pay(&payments, "order-17/charge/0", 100).await?, Ok(1));
    assert_eq!(pay(&payments, "order-17/charge/0", 100).await?, Ok(1));
    refund(&payments, "order-17/charge/0").await?;
    refund(&payments, "order-18/charge/0").await?;
    for late in ["order-17/charge/0", "order-18/charge/0"] {
        assert_eq!(pay(&payments, late, 100).await?, Err(Declined::Cancelled));
    }
    let left = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM payments");
    assert_eq!(left.fetch_one(&payments.pool).await?, 0);
    Ok(())
}
