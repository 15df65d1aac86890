//! The owner of the shop, who approves of large orders and rejects some.

use std::collections::HashMap;

use saga_runtime::SagaId;
use tonic::Status;
use tonic::transport::Channel;

use super::kill::CutOff;
use super::plan::PlannedOrder;
use crate::checkout::Verdict;
use crate::proto::checkout::checkout_client::CheckoutClient;
use crate::proto::checkout::{ApproveRequest, RejectRequest};

/// Decides about the orders that wait for it, as it is planned.
#[derive(Debug)]
pub(super) struct Reviewer {
    checkout: CheckoutClient<Channel>,
    verdicts: HashMap<String, Verdict>,
}

impl Reviewer {
    pub(super) fn of(
        checkout: CheckoutClient<Channel>,
        planned: impl Iterator<Item = PlannedOrder>,
    ) -> Self {
        let verdict = |order: PlannedOrder| Some((order.request_id(), order.verdict?));
        Self {
            checkout,
            verdicts: planned.filter_map(verdict).collect(),
        }
    }

    /// Whether of each verdict that is planned at least one order waits for it.
    pub(super) fn sees_all_kinds(&self, open: &HashMap<SagaId, CutOff>) -> bool {
        let is_rejection = |verdict: &Verdict| matches!(verdict, Verdict::Rejected { .. });
        [true, false].into_iter().all(|rejection| {
            let mut planned = self.verdicts.values();
            let mut waiting = self.waiting(open);
            planned.all(|verdict| is_rejection(verdict) != rejection)
                || waiting.any(|(_, verdict)| is_rejection(verdict) == rejection)
        })
    }

    /// Decides about those of the open orders that wait for it. Whoever can't be told is told the next time.
    pub(super) async fn decide(&self, open: &HashMap<SagaId, CutOff>) {
        for (id, verdict) in self.waiting(open) {
            let told: Result<(), Status> = self.tell(id, verdict).await;
            drop(told);
        }
    }

    fn waiting<'a>(
        &'a self,
        open: &'a HashMap<SagaId, CutOff>,
    ) -> impl Iterator<Item = (&'a SagaId, &'a Verdict)> {
        let waiting = open.iter().filter(|(_, now)| **now == CutOff::Waiting);
        waiting.filter_map(|(id, _)| Some((id, self.verdicts.get(id.as_str())?)))
    }

    async fn tell(&self, id: &SagaId, verdict: &Verdict) -> Result<(), Status> {
        let mut checkout = self.checkout.clone();
        let request_id = id.to_string();
        match verdict.clone() {
            Verdict::Approved => {
                checkout.approve(ApproveRequest { request_id }).await?;
            }
            Verdict::Rejected { reason } => {
                checkout
                    .reject(RejectRequest { request_id, reason })
                    .await?;
            }
        }
        Ok(())
    }
}
