//! Ten thousand rows, sixteen at a time, through a restart in the middle.
//!
//! Read `import.rs` for the sagas, `shop.rs` for the service that they call.

mod import;
mod shop;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use saga_runtime::Coordinator;
use saga_runtime::journal::Sqlite;

use crate::import::{AT_ONCE, ImportCatalogue};
use crate::shop::Shop;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (folder, shop) = (tempfile::tempdir()?, Arc::new(Shop::new(700)));
    let file = folder.path().join("imports.db");
    let (begin, rows) = (Instant::now(), 10_000);

    let first = start(&shop, &file).await?;
    drop(first.submit("spring", ImportCatalogue { rows }).await?);
    while shop.stored() < 5_000 {
        tokio::task::yield_now().await;
    }
    first.shutdown().await;
    println!("a restart after {} rows", shop.stored());

    let second = start(&shop, &file).await?;
    let bad = second.execute("spring", ImportCatalogue { rows }).await?;
    second.shutdown().await;
    let (requests, most) = shop.requests();
    println!(
        "{} rows are live, {} are set aside: {bad:?}",
        shop.stored(),
        bad.len()
    );
    println!(
        "{requests} requests, at most {most} at the same time, {:.1} s",
        begin.elapsed().as_secs_f64()
    );
    if most > AT_ONCE || !shop.is_live() {
        return Err("the bound does not hold, or the catalogue is not live".into());
    }

    let wrong = Shop::new(3);
    match (ImportCatalogue { rows: 100 }).execute(&wrong).await {
        Ok(_) => Err("each third row is bad, and the catalogue is live".into()),
        Err(error) => {
            println!(
                "another catalogue: {}; {} rows are left",
                error.cause(),
                wrong.stored()
            );
            Ok(())
        }
    }
}

async fn start(shop: &Arc<Shop>, file: &Path) -> Result<Coordinator<Shop>, Box<dyn Error>> {
    let builder = Coordinator::builder(Arc::clone(shop)).journal(Sqlite::open(file).await?);
    Ok(builder.register::<ImportCatalogue>().start().await?)
}
