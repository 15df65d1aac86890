//! The stock service: sets articles aside for orders while there are some, and puts them back.

mod service;
mod store;

use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::Migrator;

pub use self::service::StockService;
pub use self::store::StockStore;
use crate::database::migration;
use crate::item::Article;

/// Which reservations are refused.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StockRules {
    /// How many pieces there are of an article, like `tea=10` [default: as many as anybody wants]
    #[arg(
        long,
        env = "SHOP_PIECES",
        value_name = "ARTICLE=COUNT",
        value_delimiter = ','
    )]
    pub pieces: Vec<Pieces>,
}

/// How many pieces there are of an article, those that are set aside included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// Which article.
    pub article: Article,
    /// How many.
    pub count: u32,
}

/// A text that says nothing about pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("pieces are an article and their number, like `tea=10`")]
pub struct PiecesError;

/// Faults to inject: which reservations are answered too late.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Fault injection")]
pub struct StockFaults {
    /// Keep the answer back for this long after the reservation is committed
    #[arg(
        long,
        env = "SHOP_STALL_AFTER_COMMIT",
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        requires = "stall_article"
    )]
    pub stall_after_commit: Option<Duration>,

    /// The articles whose answers are kept back
    #[arg(
        long,
        env = "SHOP_STALL_ARTICLE",
        value_name = "ARTICLE",
        value_delimiter = ',',
        requires = "stall_after_commit"
    )]
    pub stall_article: Vec<Article>,
}

impl FromStr for Pieces {
    type Err = PiecesError;

    fn from_str(text: &str) -> Result<Self, PiecesError> {
        let (article, count) = text.split_once('=').ok_or(PiecesError)?;
        Ok(Self {
            article: article.parse().map_err(|_| PiecesError)?,
            count: count.parse().map_err(|_| PiecesError)?,
        })
    }
}

impl StockRules {
    /// Why a reservation is refused, if it is, when so many pieces are set aside already.
    fn refusal(&self, article: &Article, quantity: i32, set_aside: i64) -> Option<String> {
        let pieces = self.pieces.iter().find(|one| one.article == *article)?;
        let left = (i64::from(pieces.count) - set_aside).max(0);
        (i64::from(quantity) > left)
            .then(|| format!("{quantity} of `{article}` are wanted, and {left} are left"))
    }
}

impl StockFaults {
    /// How long the answer to a reservation of this article is kept back, if it is.
    fn stall(&self, article: &Article) -> Option<Duration> {
        self.stall_after_commit
            .filter(|_| self.stall_article.contains(article))
    }
}

/// The changes that made the service's tables.
pub static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let migrations = [
        migration(
            1,
            "create reservations",
            include_str!("../migrations/stock/0001_create_reservations.up.sql"),
            include_str!("../migrations/stock/0001_create_reservations.down.sql"),
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
            include_str!("../migrations/stock/0003_answer_as_a_participant.up.sql"),
            include_str!("../migrations/stock/0003_answer_as_a_participant.down.sql"),
        ),
    ];
    Migrator::with_migrations(migrations.concat())
});
