//! Steps and outputs of other types: each version of a saga has its own.

use std::time::{Duration, SystemTime};

use saga_runtime::coordinator::{ExecuteError, OperatorError};
use saga_runtime::journal::{AttemptPhase, Event, Memory, NewSaga, Reason, State, StepCall};
use saga_runtime::{Context, Coordinator, Kind, SagaId, event, saga, step};

use super::{Desk, PAID, audit, undo};
use crate::cut_off::{Ended, cut_off};

/// Two versions, whose steps of one name have outputs of different types.
mod weighing {
    use super::*;

    pub(super) mod old {
        use super::*;

        #[step(compensate = undo)]
        pub(super) async fn weigh(cx: Context<'_, Desk>) -> Result<u32, String> {
            Ok(cx.ask("weigh"))
        }

        saga!(
            pub(in crate::deploying::types) async fn weighed(
                cx: Context<'_, Desk>,
            ) -> Result<u32, String> {
                let weight = weigh(cx).await?;
                event(cx, PAID).await;
                Ok(weight)
            }
        );
    }

    /// The old version, with a step that was inserted.
    pub(super) mod changed {
        use super::old::weigh;
        use super::*;

        saga!(
            pub(in crate::deploying::types) async fn weighed(
                cx: Context<'_, Desk>,
            ) -> Result<u32, String> {
                audit(cx).await?;
                weigh(cx).await
            }
        );
    }

    pub(super) mod new {
        use super::*;

        #[step(compensate = unweigh)]
        async fn weigh(cx: Context<'_, Desk>) -> Result<String, String> {
            Ok(cx.ask("weigh").to_string())
        }

        async fn unweigh(cx: Context<'_, Desk>, _: &str) -> Result<(), String> {
            cx.ask("undo the new one");
            Ok(())
        }

        saga!(
            #[saga(version = 2)]
            pub(in crate::deploying::types) async fn weighed(
                cx: Context<'_, Desk>,
            ) -> Result<String, String> {
                weigh(cx).await
            }
        );
    }
}

/// A journal in which a saga of the old version waits for its payment.
async fn weighed() -> Memory {
    let journal = Memory::new();
    let builder = Coordinator::builder(Desk::default()).journal(journal.clone());
    let builder = builder.patience(Duration::ZERO);
    let coordinator = builder.register::<weighing::old::Weighed>().start().await;
    let coordinator = coordinator.expect("the journal is new");
    drop(
        coordinator
            .submit("weighed", weighing::old::Weighed {})
            .await,
    );
    while coordinator.status("weighed").await.expect("it works") != Some(State::Waiting) {
        tokio::task::yield_now().await;
    }
    coordinator.shutdown().await;
    journal
}

#[tokio::test]
async fn a_misfit_is_undone_from_its_record_by_the_steps_of_its_own_version() {
    let desk = Desk::default();
    let builder = Coordinator::builder(desk.clone()).journal(weighed().await);
    let builder = builder.register::<weighing::new::Weighed>();
    let coordinator = builder.register::<weighing::changed::Weighed>().start();
    let coordinator = coordinator.await.expect("it only reports");
    while coordinator.misfits().is_empty() {
        tokio::task::yield_now().await;
    }
    let undone = coordinator.compensate("weighed", "a step was inserted");
    undone.await.expect("it does not go on by itself");
    while coordinator.status("weighed").await.expect("it works") != Some(State::Compensated) {
        tokio::task::yield_now().await;
    }
    assert_eq!(desk.asked(), ["undo"]);
}

#[tokio::test]
async fn an_output_given_by_hand_is_checked_by_the_step_of_its_own_version() {
    let desk = Desk::default();
    let attempts = Event::Failing {
        step: StepCall {
            name: "weigh".into(),
            occurrence: 0,
            kind: Kind::Compensatable,
        },
        phase: AttemptPhase::Forward,
        attempts: 3,
        earlier: 0,
        in_doubt: false,
        reason: Reason::new("error", "no scales"),
        since: SystemTime::now(),
        until: SystemTime::now() + Duration::from_hours(1),
    };
    let journal = Memory::new();
    let saga = NewSaga {
        id: SagaId::new("weighed").expect("it is valid"),
        name: "weighed".to_owned(),
        version: 1,
        fingerprint: 0,
        input: "{}".to_owned(),
        trace: None,
    };
    cut_off(&journal, saga, &[attempts], Ended::Orderly).await;
    let builder = Coordinator::builder(desk.clone()).journal(journal);
    let builder = builder.register::<weighing::new::Weighed>();
    let coordinator = builder.register::<weighing::old::Weighed>().start().await;
    let coordinator = coordinator.expect("the journal works");
    let completed = coordinator.complete_step("weighed", "weigh", &"41", "as text");
    let refused = completed.await.expect_err("the old step weighs in numbers");
    assert!(
        matches!(refused, OperatorError::Unreadable { .. }),
        "{refused}"
    );
    let completed = coordinator.complete_step("weighed", "weigh", &41, "as a number");
    completed.await.expect("the type is right");
}

#[tokio::test]
async fn a_saga_that_completed_in_another_version_is_not_stuck() {
    let builder = Coordinator::builder(Desk::default()).journal(weighed().await);
    let builder = builder.register::<weighing::old::Weighed>();
    let coordinator = builder.register::<weighing::new::Weighed>().start().await;
    let coordinator = coordinator.expect("both versions are there");
    coordinator
        .send("weighed", PAID, &7)
        .await
        .expect("it waits");
    while coordinator.status("weighed").await.expect("it works") != Some(State::Completed) {
        tokio::task::yield_now().await;
    }
    let outcome = coordinator.outcome::<weighing::new::Weighed>("weighed");
    match outcome.await {
        Ok(Some(Err(error @ ExecuteError::Unreadable { .. }))) => assert_eq!(
            error.to_string(),
            "saga `weighed` is completed, but its end can't be read: the output of version 1 is of another type: invalid \
             type: integer `1`, expected a string at line 1 column 1"
        ),
        other => panic!("{other:?}"),
    }
}
