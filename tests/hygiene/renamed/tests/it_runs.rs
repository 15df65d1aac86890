//! The saga of the crate runs.

use saga_hygiene::steps::Shop;

#[tokio::test]
async fn it_runs() {
    let reserved = saga_hygiene_renamed::run(&Shop::open()).await;
    assert_eq!(reserved.ok().as_deref(), Some("4 chairs"));
}
