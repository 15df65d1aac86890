//! The same saga on Restate.

use saga_runtime::{Context, saga, step};

struct Shop;

#[step(compensate = ())]
async fn quote(_cx: Context<'_, Shop>, pieces: u64) -> Result<u64, String> {
    Ok(3 * pieces)
}

saga!(
    async fn place_order(cx: Context<'_, Shop>, pieces: u64) -> Result<u64, String> {
        quote(cx, pieces).await
    }
);

use saga_restate::{Client, Endpoint};

// in the service, of which any number may stand behind one address
async fn serve(shop: Shop) -> Result<(), Box<dyn std::error::Error>> {
    Endpoint::builder(shop).register::<PlaceOrder>().serve("0.0.0.0:9080".parse()?).await?;
    Ok(())
}

// in a client
async fn order() -> Result<u64, Box<dyn std::error::Error>> {
    let client = Client::connect("http://restate:8080")?;
    Ok(client.execute("order-17", &PlaceOrder { pieces: 4 }).await?)
}
