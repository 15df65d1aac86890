//~ errors: 1

#[path = "../shop.rs"]
mod shop;

use saga_runtime::{Context, saga};
use shop::*;

saga!(
    #[saga(compensatable)]
    async fn place_order(cx: Context<'_, Shop>, request: OrderRequest) -> Result<Delivery, ShopError> {
        let order = create_order(cx, &request).await?;
        let delivery = Delivery { id: order.id };
        send_receipt(cx, &delivery).await?;
        Ok(delivery)
    }
);

fn main() {}
