//! Loops, groups, fan-outs, sagas inside of sagas, and waits.

use std::time::Duration;

use saga_runtime::{Context, EventName, event, event_within, saga, sleep, try_join_all};

use crate::steps::{Refused, Shop, reserve, ship, tell};

/// The approval of the manager.
pub const APPROVED: EventName<bool> = EventName::new("approved");

saga!(
    /// Reserves something twice.
    #[derive(Debug)]
    #[non_exhaustive]
    #[saga(compensatable)]
    pub async fn reserve_twice(cx: Context<'_, Shop>, name: String) -> Result<usize, Refused> {
        let (one, (other, third)) = try_join!(
            reserve(cx, &name, 1),
            try_join!(reserve(cx, &name, 2), reserve(cx, &name, 3))
        )?;
        Ok(one.len() + other.len() + third.len())
    }
);

saga!(
    /// Reserves many things, and waits for this and that.
    #[derive(Debug)]
    #[non_exhaustive]
    pub async fn reserve_all(
        cx: Context<'_, Shop>,
        names: Vec<String>,
    ) -> Result<(usize, usize), Refused> {
        let begun = cx.now();
        let mut total = 0;
        for name in &names {
            let name = name.clone();
            total += reserve_twice(cx, name).await?;
        }
        if reserve_twice(cx, String::new()).await.is_err() {
            total += 1;
        }
        let part = String::from("a part");
        let (_, size) = match try_join!(reserve(cx, &part, 1), reserve_twice(cx, String::new())) {
            Ok(reserved) => reserved,
            Err(refused) => return Err(refused),
        };
        if size == 0 {
            return Err(Refused::default());
        }
        let all = try_join_all(None, &names, |name| reserve(cx, name, 4)).await?;
        let sizes = try_join_all(2, names.iter().cloned(), |name| reserve_twice(cx, name)).await?;
        if sizes.len() == 7 && !event(cx, APPROVED).await {
            return Err(Refused::default());
        }
        while event_within(cx, APPROVED, Duration::from_millis(1))
            .await
            .is_some()
        {
            total += 1;
        }
        let parcel = format!("{} {} {}", cx.uuid(), all.len(), sizes.len());
        let shipped = ship(cx, &parcel).await?;
        sleep(cx, Duration::from_millis(1)).await;
        tell(cx, shipped).await?;
        let waited = cx.now().duration_since(begun).unwrap_or_default();
        Ok((total, usize::from(!waited.is_zero())))
    }
);

#[cfg(test)]
mod tests {
    use super::ReserveAll;
    use crate::steps::Shop;

    #[tokio::test]
    async fn they_run() {
        let names = vec!["chairs".to_owned(), "tables".to_owned()];
        let reserved = ReserveAll { names }.execute(&Shop).await;
        assert_eq!(reserved.ok(), Some((48, 1)));
    }
}
