//! Types with the names of types that generated code needs.

#![expect(dead_code, reason = "most of these names only have to be there")]

use saga_runtime::{Context as SagaContext, saga, step};
use serde::{Deserialize, Serialize};

use crate::steps::{Refused, Shop};

type Result<T> = std::result::Result<T, Refused>;

struct Option;
struct Some;
struct None;
struct Ok;
struct Err;
struct Box;
struct Vec;
struct Send;
struct Future;
struct Context;
struct Call;
struct Saga;
struct Engine;
struct Undo;
struct Site;
struct Run;
struct E;
struct I;
struct Z;
struct S0;
struct S1;
trait Step {}
trait Clone {}

/// An order that is called like an ordering.
#[derive(Debug, std::clone::Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Order {
    id: u64,
}

#[step(compensate = undo)]
async fn order(_cx: SagaContext<'_, Shop>, id: u64) -> Result<Order> {
    Result::Ok(Order { id })
}

async fn undo(_cx: SagaContext<'_, Shop>, _order: &Order) -> Result<()> {
    Result::Ok(())
}

saga!(
    /// Orders something.
    #[derive(Debug)]
    #[non_exhaustive]
    pub async fn place(cx: SagaContext<'_, Shop>, id: u64) -> Result<Order> {
        let first = order(cx, id).await?;
        let second = order(cx, first.id).await?;
        Result::Ok(Order {
            id: first.id + second.id,
        })
    }
);

#[cfg(test)]
mod tests {
    use super::Place;
    use crate::steps::Shop;

    #[tokio::test]
    async fn it_runs() {
        let placed = Place { id: 2 }.execute(&Shop).await;
        assert_eq!(placed.map(|order| order.id).ok(), Some(4));
    }
}
