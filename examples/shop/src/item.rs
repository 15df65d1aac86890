//! What is ordered: some pieces of an article, at a price.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::money::{Money, MoneyError};
use crate::proto::orders;
use crate::rejection::{Rejection, positive};

/// The name of an article: 1 to 64 ASCII letters, digits and hyphens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Article(String);

/// Some pieces of one article.
///
/// ```
/// use shop::item::LineItem;
///
/// let item: LineItem = "tea=2@4.50".parse()?;
/// assert_eq!((item.article.as_str(), item.quantity), ("tea", 2));
/// assert_eq!(item.to_string(), "tea=2@4.50");
/// # Ok::<_, shop::item::ItemError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItem {
    /// Which article.
    pub article: Article,
    /// How many pieces; at least one.
    pub quantity: i32,
    /// What one piece costs.
    pub price: Money,
}

/// Why a text is no [`LineItem`] or no [`Article`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// No article, number and price.
    #[error("an item is an article, a number of pieces and the price of one, like `tea=2@4.50`")]
    Malformed,
    /// Other characters, or none, or too many.
    #[error("an article has 1 to 64 letters, digits and hyphens")]
    Article,
    /// The price is none.
    #[error(transparent)]
    Price(#[from] MoneyError),
}

impl Article {
    const MAX_LENGTH: usize = 64;

    /// Takes the name of an article.
    ///
    /// # Errors
    /// [`ItemError::Article`].
    pub fn new(name: impl Into<String>) -> Result<Self, ItemError> {
        let name = name.into();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=Self::MAX_LENGTH).contains(&name.len()) && name.bytes().all(fits) {
            Ok(Self(name))
        } else {
            Err(ItemError::Article)
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl LineItem {
    /// One voucher of this amount.
    #[must_use]
    pub fn voucher(amount: Money) -> Self {
        Self {
            article: Article("voucher".to_owned()),
            quantity: 1,
            price: amount,
        }
    }
}

/// What all of these cost together.
///
/// # Errors
/// [`Rejection::Invalid`] when there are none, or they cost more than anybody can count.
pub fn total(items: &[LineItem]) -> Result<Money, Rejection> {
    if items.is_empty() {
        return Err(Rejection::missing("items"));
    }
    let amount = items.iter().try_fold(0_i64, |sum, item| {
        let price = item.price.minor_units();
        sum.checked_add(price.checked_mul(item.quantity.into())?)
    });
    let amount = amount.ok_or(MoneyError::TooLarge)?;
    Ok(Money::from_minor_units(amount)?)
}

impl TryFrom<String> for Article {
    type Error = ItemError;

    fn try_from(name: String) -> Result<Self, ItemError> {
        Self::new(name)
    }
}

impl FromStr for Article {
    type Err = ItemError;

    fn from_str(name: &str) -> Result<Self, ItemError> {
        Self::new(name)
    }
}

impl From<Article> for String {
    fn from(article: Article) -> Self {
        article.0
    }
}

impl fmt::Display for Article {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for LineItem {
    type Err = ItemError;

    fn from_str(text: &str) -> Result<Self, ItemError> {
        let (article, pieces) = text.split_once('=').ok_or(ItemError::Malformed)?;
        let (quantity, price) = pieces.split_once('@').ok_or(ItemError::Malformed)?;
        let quantity = quantity.parse().map_err(|_| ItemError::Malformed)?;
        if quantity < 1 {
            return Err(ItemError::Malformed);
        }
        Ok(Self {
            article: article.parse()?,
            quantity,
            price: price.parse()?,
        })
    }
}

impl fmt::Display for LineItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            article,
            quantity,
            price,
        } = self;
        write!(f, "{article}={quantity}@{price}")
    }
}

impl TryFrom<orders::LineItem> for LineItem {
    type Error = Rejection;

    fn try_from(item: orders::LineItem) -> Result<Self, Rejection> {
        Ok(Self {
            article: Article::new(item.article)?,
            quantity: positive("quantity", item.quantity)?,
            price: Money::from_minor_units(item.price)?,
        })
    }
}

impl From<&LineItem> for orders::LineItem {
    fn from(item: &LineItem) -> Self {
        Self {
            article: item.article.to_string(),
            quantity: item.quantity,
            price: item.price.minor_units(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ItemError, LineItem, total};
    use crate::money::MoneyError;

    fn item(text: &str) -> LineItem {
        text.parse().expect(text)
    }

    #[test]
    fn what_is_no_item_says_what_an_item_is() {
        let long = format!("{}=1@1", "a".repeat(65));
        for (text, error) in [
            ("tea", ItemError::Malformed),
            ("tea=2", ItemError::Malformed),
            ("tea=two@1", ItemError::Malformed),
            ("tea=0@1", ItemError::Malformed),
            ("tea=-1@1", ItemError::Malformed),
            ("=1@1", ItemError::Article),
            ("green tea=1@1", ItemError::Article),
            (&long, ItemError::Article),
            ("tea=1@0", ItemError::Price(MoneyError::NotPositive)),
            ("tea=1@cheap", ItemError::Price(MoneyError::Malformed)),
        ] {
            assert_eq!(text.parse::<LineItem>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn items_cost_their_pieces() {
        let total = |items: &[LineItem]| total(items).map_err(|error| error.to_string());
        let amount = total(&[item("tea=2@4.50"), item("pot=1@20")]);
        assert_eq!(amount, Ok("29.00".parse().expect("an amount")));
        assert_eq!(total(&[]), Err("`items` is missing".to_owned()));
        let dear = item("diamond=2000000000@92233720368547758.07");
        assert_eq!(total(&[dear]), Err("the amount is too large".to_owned()));
    }
}
