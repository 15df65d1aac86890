//! Steps that the sagas of other modules and of another crate call.

use std::fmt;

use saga_runtime::{Context, step};
use serde::{Deserialize, Serialize};

/// The services of the steps: none.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Shop;

impl Shop {
    /// A shop.
    #[must_use]
    pub const fn open() -> Self {
        Self
    }
}

/// The reason of a refusal.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refused {
    why: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {}", self.why)
    }
}

impl std::error::Error for Refused {}

/// Reserves something.
///
/// # Errors
/// If there is nothing left.
#[step(
    compensate = release,
    timeout = "3s",
    retry(attempts = 2, backoff = "1ms..5ms", when = is_transient),
    in_doubt(when = is_in_doubt, resolve = find_out),
    compensation(timeout = "3s", retry(attempts = 3, backoff = "1ms..2ms"))
)]
pub async fn reserve(_cx: Context<'_, Shop>, name: &str, count: u64) -> Result<String, Refused> {
    if count == 0 {
        return Err(Refused::default());
    }
    Ok(format!("{count} {name}"))
}

async fn release(_cx: Context<'_, Shop>, _reserved: &str) -> Result<(), Refused> {
    Ok(())
}

async fn find_out(cx: Context<'_, Shop>, name: &str, _count: u64) -> Result<(), Refused> {
    release(cx, name).await
}

const fn is_transient(refused: &Refused) -> bool {
    refused.why.is_empty()
}

const fn is_in_doubt(refused: &Refused) -> bool {
    !refused.why.is_empty()
}

/// Ships it.
///
/// # Errors
/// If no carrier takes it.
#[step(pivot, name = "shipping")]
pub async fn ship(_cx: Context<'_, Shop>, reserved: &str) -> Result<usize, Refused> {
    Ok(reserved.len())
}

/// Sends a message.
///
/// # Errors
/// Never.
#[step(retriable)]
pub async fn tell(_cx: Context<'_, Shop>, _size: usize) -> Result<(), Refused> {
    Ok(())
}
