//! Every way that control can flow in a body.

use saga_runtime::{Context, saga};

use crate::steps::{Refused, Shop, reserve, ship, tell};

saga!(
    /// Takes every kind of branch.
    #[derive(Debug)]
    #[non_exhaustive]
    pub async fn branches(
        cx: Context<'_, Shop>,
        name: String,
        count: u64,
    ) -> Result<usize, Refused> {
        let mut log: Vec<String> = Vec::new();
        if count == 0 {
            log.push("nothing".to_owned());
        } else if count == 1 {
            log.push(reserve(cx, &name, 1).await?);
        } else {
            let first = reserve(cx, &name, 1).await?;
            log.push(reserve(cx, &first, count - 1).await?);
        }
        if let Some(last) = log.last()
            && count > 2
            && !reserve(cx, last, count).await?.is_empty()
        {
            log.clear();
        }
        let Ok(more) = reserve(cx, &name, count + 1).await else {
            return Err(Refused::default());
        };
        let size = match more.len() {
            0 => return Ok(0),
            1 if !reserve(cx, &more, 1).await?.is_empty() => 1,
            size if size > 100 || reserve(cx, &more, 1).await?.is_empty() => 100,
            size => size,
        };
        let found = 'search: {
            for word in &log {
                if word.is_empty() {
                    continue;
                }
                if word.len() == size {
                    break 'search size;
                }
            }
            reserve(cx, &name, 7).await?.len()
        };
        let sizes: Result<Vec<usize>, Refused> = log
            .iter()
            .map(|word| word.len().checked_add(1).ok_or_else(Refused::default))
            .collect();
        let total = sizes?.into_iter().sum::<usize>() + found;
        let shipped = match ship(cx, &more).await {
            Ok(shipped) => shipped,
            Err(_refused) => ship(cx, &reserve(cx, &name, 9).await?).await?,
        };
        if total > 10 {
            tell(cx, shipped)
                .await
                .map_err(|_refused| Refused::default())?;
            return Ok(total);
        }
        match total {
            0 => Ok(shipped),
            _ => Ok(total),
        }
    }
);

#[cfg(test)]
mod tests {
    use super::Branches;
    use crate::steps::Shop;

    #[tokio::test]
    async fn they_are_taken() {
        for count in 0..5 {
            let name = "chairs".to_owned();
            assert!(
                Branches { name, count }.execute(&Shop).await.is_ok(),
                "{count}"
            );
        }
    }
}
