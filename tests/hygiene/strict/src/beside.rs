//! Modules and types with the names of steps and sagas, and every way to import a step.

mod wrap;

use saga_runtime::engine::StepFunction;
use saga_runtime::{Context, saga, step};
use serde::{Deserialize, Serialize};

use crate::steps::{Refused, Shop};
use everything::{cover, seal, seal as close};
pub use wrap::wrap;

/// The parts of the step beside it.
mod label {
    pub(super) fn text(parcel: &str) -> String {
        format!("{parcel}, labelled")
    }
}

#[step(compensate = ())]
async fn label(_cx: Context<'_, Shop>, parcel: &str) -> Result<String, Refused> {
    Ok(label::text(parcel))
}

/// The steps of another crate, as its users see them.
mod everything {
    pub(super) use super::wrap::inner::*;
    pub(super) use super::wrap::wrap as cover;
}

/// A parcel. The saga that makes one is called like it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Parcel {
    /// The text on it.
    pub label: String,
}

saga!(
    /// Makes a parcel.
    #[derive(Debug)]
    #[saga(struct = MakeParcel, name = "make-parcel")]
    #[non_exhaustive]
    pub async fn parcel(cx: Context<'_, Shop>, content: String) -> Result<Parcel, Refused> {
        let wrapped = wrap(cx, &content).await?;
        let covered = cover(cx, &wrapped).await?;
        let again = wrap::wrap(cx, &covered).await?;
        let sealed = seal(cx, &again).await?;
        let closed = close(cx, &sealed).await?;
        let label = label(cx, &closed).await?;
        Ok(Parcel { label })
    }
);

saga!(
    /// Calls the saga by its function.
    #[derive(Debug)]
    #[non_exhaustive]
    pub async fn parcels(cx: Context<'_, Shop>, content: String) -> Result<Vec<Parcel>, Refused> {
        let parcel = parcel(cx, content).await?;
        Ok(vec![parcel])
    }
);

/// The durable name of a step, by its function.
pub fn name_of<I>(step: impl StepFunction<I>) -> &'static str {
    step.meta().name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn modules_and_types_stand_beside_steps_and_sagas_of_their_name() {
        let content = "tea".to_owned();
        let made = Parcels { content }.execute(&Shop).await;
        let labels = made.map(|parcels| parcels.into_iter().map(|parcel| parcel.label));
        let expected = "tea, wrapped, wrapped, wrapped, sealed, sealed, labelled";
        assert_eq!(
            labels.map(Vec::from_iter).ok(),
            Some(vec![expected.to_owned()])
        );
    }

    #[test]
    fn every_import_of_a_step_names_it() {
        assert_eq!(name_of(wrap), "wrap");
        assert_eq!(name_of(cover), "wrap");
        assert_eq!(name_of(seal), "seal");
        assert_eq!(name_of(close), "seal");
        assert_eq!(name_of(label), "label");
    }
}
