//! The delivery service: books couriers, who take so many parcels and no more, and calls them off.

mod service;
mod store;

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::Migrator;

pub use self::service::DeliveriesService;
pub use self::store::DeliveryStore;
use crate::database::migration;

/// Which deliveries are refused.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct DeliveryRules {
    /// Refuse orders of more parcels than this [default: none is refused]
    #[arg(long, env = "SHOP_MAX_PARCELS", value_name = "PARCELS", value_parser = clap::value_parser!(i32).range(1..), allow_negative_numbers = true)]
    pub max_parcels: Option<i32>,
}

/// Faults to inject: which deliveries are answered too late.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Fault injection")]
pub struct DeliveryFaults {
    /// Keep the answer back for this long after the delivery is committed
    #[arg(
        long,
        env = "SHOP_STALL_AFTER_COMMIT",
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        requires = "stall_parcels"
    )]
    pub stall_after_commit: Option<Duration>,

    /// The numbers of parcels whose answers are kept back
    #[arg(
        long,
        env = "SHOP_STALL_PARCELS",
        value_name = "PARCELS",
        value_delimiter = ',',
        requires = "stall_after_commit"
    )]
    pub stall_parcels: Vec<i32>,
}

impl DeliveryRules {
    /// Why a delivery of so many parcels is refused, if it is.
    fn refusal(&self, parcels: i32) -> Option<String> {
        let most = self.max_parcels.filter(|most| parcels > *most)?;
        Some(format!("{parcels} parcels, but a courier takes {most}"))
    }
}

impl DeliveryFaults {
    /// How long the answer to a delivery of so many parcels is kept back, if it is.
    fn stall(&self, parcels: i32) -> Option<Duration> {
        self.stall_after_commit
            .filter(|_| self.stall_parcels.contains(&parcels))
    }
}

/// The changes that made the service's tables.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let migrations = [
        migration(
            1,
            "create deliveries",
            include_str!("../migrations/delivery/0001_create_deliveries.up.sql"),
            include_str!("../migrations/delivery/0001_create_deliveries.down.sql"),
        ),
        migration(
            2,
            "remember answers",
            include_str!("../migrations/0002_remember_answers.up.sql"),
            include_str!("../migrations/0002_remember_answers.down.sql"),
        ),
        migration(
            3,
            "answer as a participant",
            include_str!("../migrations/delivery/0003_answer_as_a_participant.up.sql"),
            include_str!("../migrations/delivery/0003_answer_as_a_participant.down.sql"),
        ),
    ];
    Migrator::with_migrations(migrations.concat())
});
