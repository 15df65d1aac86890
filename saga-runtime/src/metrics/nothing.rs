//! The same without the feature `metrics`: nothing is counted.

use crate::meta::AttemptPhase;

/// The metrics of attempts: none.
#[derive(Debug, Clone, Default)]
pub(crate) struct NoMeters(());

#[expect(
    clippy::unused_self,
    reason = "with the feature `metrics` it has the handles"
)]
impl NoMeters {
    #[inline]
    pub(crate) async fn time<T>(
        &self,
        _step: &str,
        _phase: AttemptPhase,
        attempt: impl Future<Output = T>,
        _outcome: impl FnOnce(&T) -> &'static str,
    ) -> T {
        attempt.await
    }

    #[inline]
    pub(crate) fn backs_off(&self, _step: &str, _phase: AttemptPhase) {}

    #[inline]
    pub(crate) async fn time_permit<T>(&self, _step: &str, waiting: impl Future<Output = T>) -> T {
        waiting.await
    }
}
