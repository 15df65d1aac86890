//! Every migration goes up, down, and up again, and none is forgotten.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use sqlx::SqlitePool;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqlitePoolOptions;

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
        let database = SqlitePoolOptions::new()
            .max_connections(1)
            .connect("sqlite::memory:")
            .await;
        let database = database.expect("a database in memory");

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
