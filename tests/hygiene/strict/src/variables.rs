//! Variables that are called like those of generated code.

use saga_runtime::{Context, saga, step};

use crate::steps::{Refused, Shop};

#[step(compensate = ())]
async fn add(
    context: Context<'_, Shop>,
    cx: u64,
    input0: u64,
    (input1, output): (u64, u64),
    mut args: u64,
    _: &str,
    [step, _]: [u64; 2],
) -> Result<u64, Refused> {
    let _ = context;
    args += 1;
    Ok(cx + input0 + input1 + output + args + step)
}

#[step(compensate = ())]
async fn r#type(_cx: Context<'_, Shop>, r#match: u64) -> Result<u64, Refused> {
    Ok(r#match)
}

saga!(
    /// Uses all of them.
    #[derive(Debug)]
    #[non_exhaustive]
    pub async fn r#loop(
        cx: Context<'_, Shop>,
        run: u64,
        mut start: u64,
        saga: u64,
        r#fn: u64,
        serializer: u64,
        fields: u64,
    ) -> Result<u64, Refused> {
        let shape = run + serializer + fields;
        start += 1;
        let [call, first, place, attempt, output] = [1, 2, 3, 4, 5];
        let [engine, watch, ended, forward, services] = [6, 7, 8, 9, 10];
        let pair = (start, saga);
        let sum = add(cx, shape, call, pair, first, "", [place, attempt]).await?;
        let own = r#type(cx, r#fn).await?;
        let all = [sum, own, output, engine, watch, ended, forward, services];
        Ok(all.iter().sum())
    }
);

#[cfg(test)]
mod tests {
    use super::Loop;
    use crate::steps::Shop;

    #[tokio::test]
    async fn they_are_the_users_own() {
        let saga = Loop {
            run: 1,
            start: 1,
            saga: 1,
            r#fn: 1,
            serializer: 1,
            fields: 1,
        };
        assert_eq!(
            saga.execute(&Shop).await.ok(),
            Some(3 + 1 + 2 + 1 + 3 + 3 + 1 + 45)
        );
    }
}
