//! Sagas of three steps that do nothing.

use saga_runtime::{Context, saga, step};

/// Nothing: the steps do none of the work that is measured.
pub(crate) struct Nothing;

#[step(compensate = undo)]
async fn first(_cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
    Ok(number + 1)
}

#[step(compensate = undo)]
async fn second(_cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
    Ok(number + 1)
}

#[step(compensate = undo)]
async fn third(_cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
    Ok(number + 1)
}

async fn undo(_cx: Context<'_, Nothing>, _number: &u64) -> Result<(), String> {
    Ok(())
}

saga!(
    pub(crate) async fn three(cx: Context<'_, Nothing>, number: u64) -> Result<u64, String> {
        let number = first(cx, number).await?;
        let number = second(cx, number).await?;
        third(cx, number).await
    }
);
