//! The tests of `main.rs` once more, all of them watched by a subscriber, and what is seen then.

mod ability;
mod body;
mod calls;
mod cancellation;
mod compensation;
mod context;
mod deadline;
mod dropping;
#[path = "engine/in_process.rs"]
mod engine;
mod errors;
mod fragile;
mod go_saga;
mod handled;
mod in_doubt;
mod keys;
mod long;
mod order;
mod panics;
mod participant;
mod random;
mod recordable;
mod retries;
mod runtimes;
mod shape;
mod spans;
mod steps;
mod structure;
mod timeouts;
mod wild;

use std::sync::Once;

/// Whether there is a subscriber.
pub(crate) const IS_WATCHED: bool = true;

/// Called before the first saga of a test: from then on there is a subscriber.
pub(crate) fn begin() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry())
            .expect("nobody else sets a subscriber");
    });
}
