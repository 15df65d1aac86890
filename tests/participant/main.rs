//! What participants promise, on each database.

mod behaviour;
mod database;
mod killed;
mod races;
mod service;

/// Runs each test on each database.
macro_rules! on_each_database {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test::<sqlx::Sqlite>().await;
                }
            )+
        }

        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test::<sqlx::Postgres>().await;
                }
            )+
        }
    };
}
use on_each_database;
