//! Every migration goes up, down, and up again, and none is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use saga_participant::{Begun, Participant};
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Sqlite, SqlitePool};

fn services() -> [(&'static str, &'static Migrator); 4] {
    [
        ("orders", &shop::orders::MIGRATIONS),
        ("stock", &shop::stock::MIGRATIONS),
        ("payments", &shop::payments::MIGRATIONS),
        ("delivery", &shop::delivery::MIGRATIONS),
    ]
}

#[tokio::test]
async fn every_migration_goes_up_and_down_and_up_again() {
    for (service, migrations) in services() {
        let database = in_memory().await;
        migrations.run(&database).await.expect("up");
        let schema = schema(&database).await;
        assert!(!schema.is_empty(), "{service}");

        for version in (0..migrations
            .iter()
            .filter(|one| one.migration_type.is_up_migration())
            .count())
            .rev()
        {
            let version = i64::try_from(version).expect("there are few");
            migrations.undo(&database, version).await.expect("down");
        }
        assert!(
            self::schema(&database).await.is_empty(),
            "{service}: the way down leaves something"
        );

        migrations.run(&database).await.expect("up again");
        assert_eq!(self::schema(&database).await, schema, "{service}");
    }
}

#[test]
fn every_migration_file_is_embedded() {
    for (service, migrations) in services() {
        let embedded = migrations.iter().map(|migration| {
            let name = migration.description.replace(' ', "_");
            let suffix = migration.migration_type.suffix();
            format!("{:04}_{name}{suffix}", migration.version)
        });
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut files = scripts(&migrations.join(service));
        // Those that all services have.
        files.extend(scripts(&migrations));
        assert_eq!(embedded.collect::<BTreeSet<_>>(), files, "{service}");
    }
}

#[tokio::test]
async fn the_table_of_answers_is_that_of_a_participant() {
    let expected = in_memory().await;
    let migrated = Participant::<Sqlite>::new().migrate(&expected).await;
    migrated.expect("the table is created");
    let expected = schema(&expected).await;
    for (service, migrations) in services() {
        let database = in_memory().await;
        migrations.run(&database).await.expect("up");
        let schema = schema(&database).await;
        for statement in &expected {
            assert!(schema.contains(statement), "{service} lacks {statement}");
        }
    }
}

type Row = (String, Option<String>, String, Option<i64>, Option<String>);

#[tokio::test]
async fn answers_from_before_the_participant_are_kept() {
    let database = in_memory().await;
    let migrations = &shop::payments::MIGRATIONS;
    migrations.run_to(2, &database).await.expect("up");
    let before = "
        INSERT INTO payments (id, order_id, amount) VALUES (1, 7, 100), (2, 8, 100);
        INSERT INTO answers (key, request, answer, created_id, reason) VALUES
            ('taken', '1.00 for order 7', 'created', 1, NULL),
            ('given-back', '1.00 for order 8', 'cancelled', 2, NULL),
            ('refused', '9.00 for order 9', 'refused', NULL, 'the \"limit\"'),
            ('never-came', NULL, 'cancelled', NULL, NULL)";
    sqlx::raw_sql(before)
        .execute(&database)
        .await
        .expect("before");
    let answers = || {
        let answers =
            sqlx::query_as("SELECT key, request, answer, created_id, reason FROM answers");
        answers.fetch_all(&database)
    };
    let rows: Vec<Row> = answers().await.expect("the old table");

    migrations.run(&database).await.expect("up");
    let participant = Participant::new();
    let mut transaction = database.begin().await.expect("a transaction");
    let taken = participant.begin_for::<i64, String>(&mut transaction, "taken", "1.00 for order 7");
    assert!(matches!(taken.await, Ok(Begun::Repeated(Ok(1)))));
    let refused = participant.begin::<i64, String>(&mut transaction, "refused");
    let refused = refused.await.expect("it can be read");
    assert!(matches!(refused, Begun::Repeated(Err(why)) if why == "the \"limit\""));
    for key in ["given-back", "never-came"] {
        let cancelled = participant.begin::<i64, String>(&mut transaction, key);
        assert!(matches!(cancelled.await, Ok(Begun::Cancelled)), "{key}");
    }
    drop(transaction);
    let keys = sqlx::query_as("SELECT id, idempotency_key FROM payments ORDER BY id");
    let keys: Vec<(i64, String)> = keys.fetch_all(&database).await.expect("keys");
    assert_eq!(
        keys,
        [(1, "taken".to_owned()), (2, "given-back".to_owned())]
    );

    migrations.undo(&database, 2).await.expect("down");
    assert_eq!(answers().await.expect("the old table"), rows);
}

async fn in_memory() -> SqlitePool {
    let database = SqlitePoolOptions::new().max_connections(1);
    let database = database.connect("sqlite::memory:").await;
    database.expect("a database in memory")
}

/// The names of the scripts in this folder.
fn scripts(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    let scripts = paths.filter(|path| path.extension().is_some_and(|it| it == "sql"));
    let names = scripts.map(|path| path.file_name().map(|it| it.to_string_lossy().into_owned()));
    names.map(|name| name.expect("a file has a name")).collect()
}

async fn schema(database: &SqlitePool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT sql FROM sqlite_schema
         WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx_%' AND sql IS NOT NULL ORDER BY name",
    )
    .fetch_all(database)
    .await
    .expect("the schema is readable")
}
