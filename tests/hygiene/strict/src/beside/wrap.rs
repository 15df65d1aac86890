//! A step in a module of its own name.

use saga_runtime::{Context, step};

use crate::steps::{Refused, Shop};

/// Wraps it.
///
/// # Errors
/// Never.
#[step(compensate = unwrap)]
pub async fn wrap(_cx: Context<'_, Shop>, content: &str) -> Result<String, Refused> {
    Ok(format!("{content}, wrapped"))
}

async fn unwrap(_cx: Context<'_, Shop>, _wrapped: &str) -> Result<(), Refused> {
    Ok(())
}

/// A step for a glob import.
pub(super) mod inner {
    use super::{Context, Refused, Shop, step};

    #[step(compensate = ())]
    pub(in super::super) async fn seal(
        _cx: Context<'_, Shop>,
        parcel: &str,
    ) -> Result<String, Refused> {
        Ok(format!("{parcel}, sealed"))
    }
}
