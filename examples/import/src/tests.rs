//! All rows are live or none is stored, however many there are, and whatever fails.

use std::sync::Arc;

use saga_runtime::testing::FailureMatrix;

use crate::import::{AT_ONCE, ImportCatalogue, store_row};
use crate::shop::{ImportError, Shop};
use crate::start;

#[tokio::test]
async fn ten_thousand_rows_are_imported_with_a_bound_and_through_a_restart() {
    let (folder, shop) = (
        tempfile::tempdir().expect("there is room"),
        Arc::new(Shop::new(700)),
    );
    let file = folder.path().join("imports.db");
    let first = start(&shop, &file).await.expect("it is new");
    let import = ImportCatalogue { rows: 10_000 };
    drop(first.submit("a", import).await.expect("it is recorded"));
    while shop.stored() < 1_000 {
        tokio::task::yield_now().await;
    }
    first.shutdown().await;

    let second = start(&shop, &file).await.expect("the first has ended");
    let bad = second.execute("a", ImportCatalogue { rows: 10_000 }).await;
    second.shutdown().await;
    assert_eq!(bad.expect("few rows are bad").len(), 14);
    assert_eq!(shop.stored(), 10_000 - 14);
    let (requests, most) = shop.requests();
    assert!(most <= AT_ONCE, "{most} at once");
    // Only requests that were under way at the restart may be asked again.
    assert!(requests <= 10_000 + AT_ONCE, "{requests} requests");
}

#[tokio::test]
async fn nothing_is_left_of_a_catalogue_with_too_many_bad_rows() {
    let shop = Shop::new(400);
    let error = ImportCatalogue { rows: 10_000 }.execute(&shop).await;
    let error = error.expect_err("25 rows are bad");
    assert!(error.is_compensated(), "{error}");
    assert_eq!((shop.stored(), shop.is_live()), (0, false));
}

#[test]
fn every_failure_of_an_import_ends_well() {
    FailureMatrix::new(|| Shop::new(700), || ImportCatalogue { rows: 5 })
        .refusal(store_row, &ImportError::BadRow { row: 2 })
        .invariant("what is stored is live", |shop, end| {
            shop.is_live() == end.is_completed() && (shop.stored() > 0) == shop.is_live()
        })
        .check();
}
