//! The sagas: an order at one supplier is a saga of its own. If it fails, it is undone, and the next supplier is asked.

use saga_runtime::{Context, saga, step};

use crate::market::{Market, OrderError, Supplier, Taken};

#[step(compensate = release)]
pub(crate) async fn reserve(
    cx: Context<'_, Market>,
    at: Supplier,
    pieces: u32,
) -> Result<Taken, OrderError> {
    cx.reserve(cx.idempotency_key(), at, pieces)
}

async fn release(cx: Context<'_, Market>, goods: &Taken) -> Result<(), OrderError> {
    cx.release(goods);
    Ok(())
}

#[step(compensate = send_back)]
pub(crate) async fn book_truck(
    cx: Context<'_, Market>,
    goods: &Taken,
) -> Result<Taken, OrderError> {
    cx.book_truck(cx.idempotency_key(), goods)
}

async fn send_back(cx: Context<'_, Market>, truck: &Taken) -> Result<(), OrderError> {
    cx.send_back(truck);
    Ok(())
}

#[step(pivot)]
async fn pay(cx: Context<'_, Market>, pieces: u32) -> Result<(), OrderError> {
    cx.pay(cx.idempotency_key(), pieces)
}

saga!(
    /// Goods of one supplier, and a truck for them: both, or nothing.
    #[saga(compensatable)]
    pub(crate) async fn order_at(
        cx: Context<'_, Market>,
        at: Supplier,
        pieces: u32,
    ) -> Result<(), OrderError> {
        let goods = reserve(cx, at, pieces).await?;
        book_truck(cx, &goods).await?;
        Ok(())
    }
);

saga!(
    /// Orders at the first supplier that can deliver, and pays.
    pub(crate) async fn restock(
        cx: Context<'_, Market>,
        pieces: u32,
    ) -> Result<Supplier, OrderError> {
        let (mut found, mut reasons) = (None, Vec::new());
        for at in [Supplier::Mill, Supplier::Harbour] {
            match order_at(cx, at, pieces).await {
                Ok(()) => {
                    found = Some(at);
                    break;
                }
                // The goods are released by now.
                Err(reason) => reasons.push(reason),
            }
        }
        let Some(at) = found else {
            return Err(OrderError::NoSupplier { reasons });
        };
        pay(cx, pieces).await?;
        Ok(at)
    }
);
