//! Everything that a signature of a step may say.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use saga_runtime::{Context, saga, step};

use crate::steps::{Refused, Shop};

/// A context by another name.
pub type ShopCx<'a> = Context<'a, Shop>;

/// A result by another name.
pub type ShopResult<T> = Result<T, Refused>;

/// Takes slices, functions, trait objects and what borrows deep inside.
///
/// # Errors
/// Never.
#[step(compensate = ())]
#[inline]
pub async fn borrows(
    _cx: ShopCx<'_>,
    words: &[&str],
    longest: Option<&str>,
    by_name: BTreeMap<&str, &u64>,
    measure: fn(&str) -> usize,
    _shared: &(dyn Fn(&str) -> usize + Sync),
) -> ShopResult<usize> {
    let longest = longest.map_or(0, measure);
    Ok(words.iter().map(|word| measure(word)).sum::<usize>() + longest + by_name.len())
}

/// Takes values.
///
/// # Errors
/// Never.
#[deprecated = "this is only to see that it is"]
#[step(compensate = ())]
pub async fn owns(_cx: Context<'_, Shop>, name: String, _shared: Arc<u64>) -> ShopResult<String> {
    Ok(name)
}

/// Takes more than a function should.
///
/// # Errors
/// Never.
#[step(compensate = ())]
#[expect(clippy::too_many_arguments, reason = "this is to see that it is")]
pub async fn takes_many(
    _cx: Context<'_, Shop>,
    one: u64,
    two: u64,
    three: u64,
    four: u64,
    five: u64,
    six: u64,
    seven: u64,
) -> ShopResult<u64> {
    Ok(one + two + three + four + five + six + seven)
}

/// Is undone by a function for many types.
///
/// # Errors
/// Never.
#[step(compensate = forget::<String>)]
pub async fn remembers(_cx: Context<'_, Shop>, name: &str) -> ShopResult<String> {
    Ok(name.to_owned())
}

async fn forget<T: Sync>(_cx: Context<'_, Shop>, _done: &T) -> ShopResult<()> {
    Ok(())
}

/// Is left out.
#[cfg(any())]
#[step(pivot)]
pub async fn left_out(_cx: Context<'_, DoesNotExist>) -> ShopResult<DoesNotExist> {
    DoesNotExist
}

/// Is kept.
///
/// # Errors
/// Never.
#[cfg(not(any()))]
#[step(compensate = ())]
pub(crate) async fn kept(_cx: Context<'_, Shop>) -> ShopResult<()> {
    let local = Rc::new(1);
    drop(local);
    Ok(())
}

macro_rules! defined_by_a_macro {
    ($step:ident, $saga:ident, $value:expr) => {
        #[step(compensate = ())]
        async fn $step(_cx: Context<'_, Shop>, value: u64) -> ShopResult<u64> {
            Ok(value + $value)
        }

        saga!(
            /// Is defined by a macro.
            #[derive(Debug)]
            pub(crate) async fn $saga(cx: Context<'_, Shop>, value: u64) -> ShopResult<u64> {
                let value = $step(cx, value).await?;
                if value > $value {
                    $step(cx, value).await
                } else {
                    Ok(value)
                }
            }
        );
    };
}

defined_by_a_macro!(add_one, add_two, 1);

saga!(
    /// Calls them.
    #[derive(Debug)]
    #[non_exhaustive]
    pub async fn call_them(
        cx: ShopCx<'_>,
        names: Vec<String>,
        first: Option<String>,
    ) -> ShopResult<usize> {
        let words: Vec<&str> = names.iter().map(String::as_str).collect();
        let one = 1;
        let by_name = BTreeMap::from([("one", &one)]);
        kept(cx).await?;
        borrows(cx, &words, first.as_deref(), by_name, str::len, &|word| {
            word.len()
        })
        .await
    }
);

#[cfg(test)]
mod tests {
    use super::{AddTwo, CallThem};
    use crate::steps::Shop;

    #[tokio::test]
    async fn they_run() {
        let names = vec!["a".to_owned(), "bc".to_owned()];
        let first = names.first().cloned();
        assert_eq!(CallThem { names, first }.execute(&Shop).await.ok(), Some(5));
        assert_eq!(AddTwo { value: 1 }.execute(&Shop).await.ok(), Some(3));
    }
}
