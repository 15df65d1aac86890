//! Which orders somebody has to approve of, and what that somebody says.

use std::time::Duration;

use saga_runtime::EventName;
use serde::{Deserialize, Serialize};

use crate::money::Money;

/// The event that an order waits for when it needs an approval.
pub const APPROVAL: EventName<Verdict> = EventName::new("approval");

/// What somebody says who has looked at an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// It goes on.
    Approved,
    /// It is not wanted.
    Rejected {
        /// Why, for the customer.
        reason: String,
    },
}

/// Which orders need an approval.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Approval")]
pub struct ApprovalRules {
    /// Have orders over this amount approved [default: none]
    #[arg(
        long,
        env = "SHOP_APPROVAL_OVER",
        value_name = "AMOUNT",
        allow_negative_numbers = true
    )]
    pub approval_over: Option<Money>,

    /// How long an order waits for its approval before it is undone
    #[arg(
        long,
        env = "SHOP_APPROVAL_WITHIN",
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        default_value = "1day"
    )]
    pub approval_within: Duration,
}

impl Default for ApprovalRules {
    fn default() -> Self {
        Self {
            approval_over: None,
            approval_within: Duration::from_hours(24),
        }
    }
}

impl ApprovalRules {
    /// How long an order of this amount waits for an approval, if it needs one.
    pub(super) fn wait(&self, amount: i64) -> Option<Duration> {
        let limit = self.approval_over?;
        (amount > limit.minor_units()).then_some(self.approval_within)
    }
}
