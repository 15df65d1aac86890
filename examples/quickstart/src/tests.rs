//! Every failure of the saga, in one call.

use saga_runtime::testing::FailureMatrix;

use crate::{PlaceOrder, Shop};

#[test]
fn every_failure_ends_well() {
    FailureMatrix::new(|| Shop { limit: 500 }, || PlaceOrder { amount: 100 }).check();
}
