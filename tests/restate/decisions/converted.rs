//! An error that the body converts: a replay knows only the text of the step's own error.

use std::fmt;
use std::time::Duration;

use saga_runtime::{Context, saga, step};

use super::{all, failed, fixture, resolve, stuck};
use crate::service::Service;
use crate::services::{Desk, charge, reserve};

/// The error of a step, which can't be recorded whole.
#[derive(Debug)]
struct Torn(String);

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error of the saga, which says more.
#[derive(Debug)]
pub(super) struct NotPapered(String);

impl fmt::Display for NotPapered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the walls stay bare: {}", self.0)
    }
}

impl From<Torn> for NotPapered {
    fn from(torn: Torn) -> Self {
        Self(torn.0)
    }
}

impl From<String> for NotPapered {
    fn from(error: String) -> Self {
        Self(error)
    }
}

#[step(compensate = ())]
async fn paper(cx: Context<'_, Desk>) -> Result<(), Torn> {
    cx.ask("paper").await.map(drop).map_err(Torn)
}

saga!(
    pub(super) async fn wallpaper(cx: Context<'_, Desk>) -> Result<(), NotPapered> {
        reserve(cx).await?;
        charge(cx).await?;
        paper(cx).await?;
        Ok(())
    }
);

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_whose_error_was_converted_takes_a_decision_in_another_process() {
    let (fixture, service) = fixture().await;
    fixture.desk.refuse("paper");
    fixture.desk.refuse("undo charge");
    let (saga, told) = stuck(&fixture, "1", &Wallpaper {}).await;
    assert!(
        told.report.cause.starts_with("the walls stay bare: "),
        "{told}"
    );
    let address = service.address;
    service.stop();
    service.ends().await;
    let _service = Service::at(address, all(&fixture.desk)).await;
    let decided = saga.operate(resolve("charge"), "paid back by hand");
    let decided = tokio::time::timeout(Duration::from_secs(30), decided).await;
    decided.expect("it fits its records").expect("it is stuck");
    let report = failed(&saga).await;
    assert!(report.is_compensated, "{report}");
    assert_eq!(report.step.as_deref(), Some("paper"));
}
