//! A shop restocks at the first supplier that has the goods and a truck for them.
//!
//! Read `restock.rs` for the sagas, `market.rs` for the services that they call.

mod market;
mod restock;
#[cfg(test)]
mod tests;

use crate::market::{Market, Supplier};
use crate::restock::Restock;

#[tokio::main]
async fn main() {
    println!("{}\n", Restock::shape());
    // The mill has goods, but no truck for them.
    let market = Market::new([50, 80], &[Supplier::Harbour], 60);
    for pieces in [30, 70, 90] {
        match (Restock { pieces }).execute(&market).await {
            Ok(at) => println!("{pieces} pieces: ordered at {at:?}"),
            Err(error) => println!("{pieces} pieces: {}", error.cause()),
        }
    }
    println!("{}", market.log().join("\n"));
}
