//! Workflows of three steps that do nothing.

use durare::DurableContext;

#[durare::step]
async fn first(ctx: &DurableContext, number: u64) -> durare::Result<u64> {
    Ok(number + 1)
}

#[durare::step]
async fn second(ctx: &DurableContext, number: u64) -> durare::Result<u64> {
    Ok(number + 1)
}

#[durare::step]
async fn third(ctx: &DurableContext, number: u64) -> durare::Result<u64> {
    Ok(number + 1)
}

#[durare::workflow]
pub async fn three(ctx: DurableContext, number: u64) -> durare::Result<u64> {
    let number = first(&ctx, number).await?;
    let number = second(&ctx, number).await?;
    third(&ctx, number).await
}
