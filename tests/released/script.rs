//! Runs the script of a saga on a coordinator.

use std::time::Duration;

use saga_runtime::coordinator::{Builder, Effect, Inspection};
use saga_runtime::journal::Journal;
use saga_runtime::{Coordinator, SagaId};

use super::cases::{Act, Case, Start};
use super::desk::{Desk, key};
use super::sagas::{
    APPROVED, Approval, Booking, Bulk, Choosing, Courier, Delivery, Halting, Mailing, Napping,
    Order, Parcels, Paying, Request, Rounds, Settling, Stamps, Urgent,
};

/// An hour: no wait of a recorded saga is over while it is recorded.
const HOUR: u64 = 3_600_000;

/// Starts a coordinator of all recorded sagas. It suspends every saga that waits.
pub(super) async fn started(desk: &Desk, journal: impl Journal) -> Coordinator<Desk> {
    let started = builder(desk).journal(journal).start().await;
    started.expect("the journal works")
}

fn builder(desk: &Desk) -> Builder<Desk> {
    Coordinator::builder(desk.clone())
        // Retries of a millisecond stay in memory.
        .patience(Duration::from_millis(10))
        .attempt_timeout(Duration::from_hours(1))
        .register::<Order>()
        .register::<Halting>()
        .register::<Bulk>()
        .register::<Booking>()
        .register::<Courier>()
        .register::<Parcels>()
        .register::<Stamps>()
        .register::<Rounds>()
        .register::<Delivery>()
        .register::<Napping>()
        .register::<Approval>()
        .register::<Request>()
        .register::<Urgent>()
        .register::<Mailing>()
        .register::<Paying>()
        .register::<Choosing>()
        .register::<Settling>()
}

/// Starts the saga of a case.
pub(super) async fn submitted(coordinator: &Coordinator<Desk>, case: &Case) {
    let id = case.id;
    let submitted = match case.start {
        Start::Order => coordinator.submit(id, Order { number: 17 }).await.map(drop),
        Start::Halting => coordinator.submit(id, Halting {}).await.map(drop),
        Start::Bulk => coordinator.submit(id, Bulk {}).await.map(drop),
        Start::Booking => coordinator.submit(id, Booking { seat: 3 }).await.map(drop),
        Start::Courier => coordinator.submit(id, Courier {}).await.map(drop),
        Start::Parcels => coordinator.submit(id, Parcels {}).await.map(drop),
        Start::Stamps => coordinator.submit(id, Stamps { count: 3 }).await.map(drop),
        Start::Rounds => coordinator.submit(id, Rounds { count: 3 }).await.map(drop),
        Start::Delivery => coordinator.submit(id, Delivery {}).await.map(drop),
        Start::Napping => coordinator
            .submit(id, Napping { millis: HOUR })
            .await
            .map(drop),
        Start::Approval => coordinator.submit(id, Approval {}).await.map(drop),
        Start::Request => coordinator
            .submit(id, Request { millis: HOUR })
            .await
            .map(drop),
        Start::Urgent => coordinator.submit(id, Urgent {}).await.map(drop),
        Start::Mailing => coordinator.submit(id, Mailing {}).await.map(drop),
        Start::Paying => coordinator.submit(id, Paying {}).await.map(drop),
        Start::Choosing => coordinator.submit(id, Choosing {}).await.map(drop),
        Start::Settling => coordinator.submit(id, Settling {}).await.map(drop),
    };
    submitted.unwrap_or_else(|error| panic!("{id}: {error}"));
}

pub(super) async fn inspected(coordinator: &Coordinator<Desk>, id: &str) -> Inspection {
    let inspected = coordinator.inspect(id).await;
    inspected.expect("the journal works").expect("it is there")
}

/// Runs the lines of a script, one after the other.
pub(super) async fn run(coordinator: &Coordinator<Desk>, desk: &Desk, case: &Case, acts: &[Act]) {
    for act in acts {
        let acted = tokio::time::timeout(
            Duration::from_mins(1),
            run_one(coordinator, desk, case.id, *act),
        );
        let acted = acted.await;
        let inspected = inspected(coordinator, case.id).await;
        assert!(acted.is_ok(), "{act:?} never comes: {inspected}");
    }
}

async fn run_one(coordinator: &Coordinator<Desk>, desk: &Desk, id: &str, act: Act) {
    let saga = SagaId::new(id).expect("a valid id");
    let by_hand = match act {
        Act::Held(step) => return desk.is_held(&format!("{}/{step}", key(id))).await,
        Act::Entries(count) => {
            return until(coordinator, id, |inspected| {
                inspected.entries.len() == count
            })
            .await;
        }
        Act::Becomes(state) => {
            return until(coordinator, id, |inspected| inspected.record.state == state).await;
        }
        Act::Cancel => coordinator.cancel(&saga, "changed my mind").await,
        Act::Send(value) => coordinator
            .send(&saga, APPROVED, &value)
            .await
            .map(|()| Effect::Done),
        Act::Retry => coordinator.retry(&saga, "it answers again").await,
        Act::Resolve(step) => {
            coordinator
                .resolve_compensation(&saga, step, "in cash")
                .await
        }
        Act::Skip(step) => coordinator.skip_compensation(&saga, step, "3 cents").await,
        Act::Abandon => coordinator.abandon(&saga, "of no use").await,
        Act::Complete(step) => {
            let output = format!("{}/{step}/0", key(id));
            coordinator
                .complete_step(&saga, step, &output, "I have seen it")
                .await
        }
    };
    by_hand.unwrap_or_else(|error| panic!("{id}: {act:?}: {error}"));
}

async fn until(coordinator: &Coordinator<Desk>, id: &str, is_so: impl Fn(&Inspection) -> bool) {
    while !is_so(&inspected(coordinator, id).await) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
