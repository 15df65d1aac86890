//! Money: a whole number of minor units. Never a float.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A positive amount of money.
///
/// ```
/// use shop::money::Money;
///
/// let amount: Money = "99.95".parse()?;
/// assert_eq!(amount.minor_units(), 9995);
/// assert_eq!(amount.to_string(), "99.95");
/// # Ok::<_, shop::money::MoneyError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Money(i64);

/// Why a number or a text is no [`Money`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// Nothing, or less.
    #[error("an amount must be more than zero")]
    NotPositive,
    /// More than fits.
    #[error("the amount is too large")]
    TooLarge,
    /// No number with two decimals or none.
    #[error("an amount is more than zero, with two decimals or none: `100` or `99.95`")]
    Malformed,
}

impl Money {
    /// The amount of so many minor units (cents).
    ///
    /// # Errors
    /// [`MoneyError::NotPositive`].
    pub const fn from_minor_units(units: i64) -> Result<Self, MoneyError> {
        if units > 0 {
            Ok(Self(units))
        } else {
            Err(MoneyError::NotPositive)
        }
    }

    /// The amount in minor units (cents).
    #[must_use]
    pub const fn minor_units(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Money {
    type Error = MoneyError;

    fn try_from(units: i64) -> Result<Self, MoneyError> {
        Self::from_minor_units(units)
    }
}

impl From<Money> for i64 {
    fn from(amount: Money) -> Self {
        amount.minor_units()
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (whole, cents) = text.split_once('.').unwrap_or((text, "00"));
        if cents.len() != 2 || ![whole, cents].into_iter().all(is_digits) {
            return Err(MoneyError::Malformed);
        }
        // Of digits only, so it can but be too many.
        let units = [whole, cents]
            .concat()
            .parse()
            .map_err(|_| MoneyError::TooLarge)?;
        Self::from_minor_units(units)
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:02}", self.0 / 100, self.0 % 100))
    }
}

#[cfg(test)]
mod tests {
    use super::{Money, MoneyError};

    #[test]
    fn whole_and_broken_amounts_are_read_and_written_alike() {
        for (text, units, written) in [
            ("100", 10_000, "100.00"),
            ("99.95", 9_995, "99.95"),
            ("0.05", 5, "0.05"),
        ] {
            let amount: Money = text.parse().expect(text);
            assert_eq!(amount.minor_units(), units);
            assert_eq!(amount.to_string(), written);
        }
    }

    #[test]
    fn what_is_no_positive_amount_is_refused() {
        for (text, error) in [
            ("0", MoneyError::NotPositive),
            ("0.00", MoneyError::NotPositive),
            ("-1", MoneyError::Malformed),
            ("1.5", MoneyError::Malformed),
            ("1.505", MoneyError::Malformed),
            (".50", MoneyError::Malformed),
            ("1e3", MoneyError::Malformed),
            ("", MoneyError::Malformed),
            ("99999999999999999999", MoneyError::TooLarge),
        ] {
            assert_eq!(text.parse::<Money>(), Err(error), "{text:?}");
        }
    }
}
