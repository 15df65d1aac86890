//! The payments service: takes money for orders up to a limit, and gives it back.

mod service;
mod store;

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::Migrator;

pub use self::service::PaymentsService;
pub use self::store::PaymentStore;
use crate::database::migration;
use crate::money::Money;

/// Which payments are refused.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct PaymentRules {
    /// Refuse payments over this amount [default: none is refused]
    #[arg(
        long,
        env = "SHOP_LIMIT",
        value_name = "AMOUNT",
        allow_negative_numbers = true
    )]
    pub limit: Option<Money>,
}

/// Faults to inject: which payments are answered too late.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Fault injection")]
pub struct PaymentFaults {
    /// Keep the answer back for this long after the payment is committed
    #[arg(
        long,
        env = "SHOP_STALL_AFTER_COMMIT",
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        requires = "stall_amount"
    )]
    pub stall_after_commit: Option<Duration>,

    /// The amounts whose answers are kept back
    #[arg(
        long,
        env = "SHOP_STALL_AMOUNT",
        value_name = "AMOUNT",
        value_delimiter = ',',
        requires = "stall_after_commit"
    )]
    pub stall_amount: Vec<Money>,
}

impl PaymentRules {
    /// Why a payment of this amount is refused, if it is.
    fn refusal(&self, amount: Money) -> Option<String> {
        let limit = self.limit.filter(|limit| amount > *limit)?;
        Some(format!("{amount} is over the limit of {limit}"))
    }
}

impl PaymentFaults {
    /// How long the answer to a payment of this amount is kept back, if it is.
    fn stall(&self, amount: Money) -> Option<Duration> {
        self.stall_after_commit
            .filter(|_| self.stall_amount.contains(&amount))
    }
}

/// The changes that made the service's tables.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let migrations = [
        migration(
            1,
            "create payments",
            include_str!("../migrations/payments/0001_create_payments.up.sql"),
            include_str!("../migrations/payments/0001_create_payments.down.sql"),
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
            include_str!("../migrations/payments/0003_answer_as_a_participant.up.sql"),
            include_str!("../migrations/payments/0003_answer_as_a_participant.down.sql"),
        ),
    ];
    Migrator::with_migrations(migrations.concat())
});
