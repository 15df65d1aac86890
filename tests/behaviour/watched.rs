//! The tests of `main.rs` with a subscriber that watches every saga, and the tests of its spans.

#[path = "engine/in_process.rs"]
mod engine;
#[path = "in_process.rs"]
mod in_process;
mod spans;
#[path = "suite.rs"]
mod suite;

use std::sync::Once;

pub(crate) use suite::*;

/// Says that there is a subscriber.
pub(crate) const IS_WATCHED: bool = true;

/// Called before the first saga of a test. Sets the subscriber.
pub(crate) fn begin() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry())
            .expect("no other code sets a subscriber");
    });
}
