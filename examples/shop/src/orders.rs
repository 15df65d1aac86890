//! The orders service: takes orders down, cancels them, and tells how they stand.

mod service;
mod store;

use std::sync::LazyLock;

use sqlx::migrate::Migrator;

pub use self::service::OrdersService;
pub use self::store::OrderStore;
use crate::database::migration;

/// The changes that made the service's tables.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let migrations = [
        migration(
            1,
            "create orders",
            include_str!("../migrations/orders/0001_create_orders.up.sql"),
            include_str!("../migrations/orders/0001_create_orders.down.sql"),
        ),
        migration(
            2,
            "remember answers",
            include_str!("../migrations/0002_remember_answers.up.sql"),
            include_str!("../migrations/0002_remember_answers.down.sql"),
        ),
        migration(
            3,
            "list items",
            include_str!("../migrations/orders/0003_list_items.up.sql"),
            include_str!("../migrations/orders/0003_list_items.down.sql"),
        ),
        migration(
            4,
            "answer as a participant",
            include_str!("../migrations/orders/0004_answer_as_a_participant.up.sql"),
            include_str!("../migrations/orders/0004_answer_as_a_participant.down.sql"),
        ),
    ];
    Migrator::with_migrations(migrations.concat())
});
