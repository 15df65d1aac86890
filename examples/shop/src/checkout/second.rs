//! The second version of the saga: it takes the money when all items are set aside, and not meanwhile. Orders that have begun with
//! the first one go on as they began.

use saga_runtime::{Context, event_within, saga};

use super::{
    APPROVAL, CheckoutError, OrderRequest, Receipt, Shop, Verdict, charge, create_order,
    needs_approval, set_aside, ship,
};

saga!(
    /// Sells one order.
    #[derive(Debug, Clone)]
    #[saga(version = 2)]
    pub(super) async fn place_order(
        cx: Context<'_, Shop>,
        request: OrderRequest,
    ) -> Result<Receipt, CheckoutError> {
        let order = create_order(cx, &request).await?;
        let reservations = set_aside(cx, order.clone()).await?;
        let payment = charge(cx, &order).await?;
        let approval = needs_approval(cx, &order).await?;
        if let Some(within) = approval {
            let verdict = event_within(cx, APPROVAL, within).await;
            match verdict {
                Some(Verdict::Approved) => {}
                Some(Verdict::Rejected { reason }) => {
                    return Err(CheckoutError::Rejected { reason });
                }
                None => return Err(CheckoutError::NotApproved { within }),
            }
        }
        let delivery = ship(cx, &order).await?;
        Ok(Receipt {
            order,
            reservations,
            payment,
            delivery,
        })
    }
);
