//! The behaviours of the ends of sagas: final, stuck, cancelled, removed.

use std::time::{Duration, SystemTime};

use crate::journal::{ClaimedOne, Event, Filter, Journal, State};
use crate::testing::fixture::{
    Factory, Fixture, call, compensating, completed, done, id, lease, new, silent, stuck,
};

pub async fn what_has_completed_is_final<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a"), completed()]).await;
    let record = test.record("order-1").await;
    assert_eq!((record.state, record.worker), (State::Completed, None));
}

pub async fn what_is_compensated_is_final<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a"), compensating()]).await;
    assert_eq!(test.record("order-1").await.state, State::Compensating);
    test.append(&claim, 3, &[Event::Compensated]).await;
    assert_eq!(test.record("order-1").await.state, State::Compensated);
}

fn abandoned() -> Event {
    Event::Abandoned {
        reason: "it is of no use\nany more".to_owned(),
        left: vec!["a".to_owned(), "pack/\"b\"#1".to_owned()],
    }
}

/// The saga is listed as abandoned, and in no other state.
async fn is_abandoned<F: Factory>(test: &Fixture<F>, saga: &str) {
    let record = test.record(saga).await;
    assert_eq!((record.state, record.worker), (State::Abandoned, None));
    for state in State::ALL {
        let listed = test.journal.list(&Filter::default().state(state)).await;
        let listed = listed.expect("the journal works").sagas;
        let is_listed = listed.iter().any(|one| one.saga.id == id(saga));
        assert_eq!(is_listed, state == State::Abandoned, "{state}");
    }
    assert_eq!(test.claim(&lease("c"), 9).await.len(), 0);
    let claimed = test.claim_one(&lease("c"), saga).await;
    assert!(
        matches!(claimed, ClaimedOne::Final(State::Abandoned)),
        "{claimed:?}"
    );
    let noted = test.journal.request_cancel(&id(saga), "too late").await;
    assert!(!noted.expect("the journal works"));
}

pub async fn what_is_abandoned_is_final_and_stays_so<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a"), abandoned()]).await;
    is_abandoned(&test, "order-1").await;
    let test = test.reopened().await;
    is_abandoned(&test, "order-1").await;
    assert_eq!(test.events("order-1").await, [done("a"), abandoned()]);
    let later = SystemTime::now() + Duration::from_hours(1);
    let purged = test.journal.purge(later).await;
    assert_eq!(purged.expect("the journal works"), 1);
    let gone = test.journal.load(&id("order-1")).await;
    assert!(gone.expect("the journal works").is_none());
}

pub async fn what_was_stuck_can_be_abandoned<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a"), compensating(), stuck()])
        .await;
    let claimed = match test.claim_one(&lease("b"), "order-1").await {
        ClaimedOne::Claimed(claimed) => claimed,
        other => panic!("{other:?}"),
    };
    test.append(&claimed.claim, 4, &[abandoned()]).await;
    is_abandoned(&test, "order-1").await;
    is_abandoned(&test.reopened().await, "order-1").await;
}

pub async fn what_is_final_is_not_claimed<F: Factory>(test: Fixture<F>) {
    let claim = test.started_by(&silent("a"), "order-1").await;
    test.append(&claim, 1, &[completed()]).await;
    assert_eq!(test.claim(&lease("b"), 9).await.len(), 0);
}

pub async fn what_is_stuck_is_claimed_by_its_id_only<F: Factory>(test: Fixture<F>) {
    let claim = test.started_by(&silent("a"), "order-1").await;
    test.append(&claim, 1, &[compensating(), stuck()]).await;
    assert_eq!(test.record("order-1").await.state, State::Stuck);
    assert_eq!(test.claim(&lease("b"), 9).await.len(), 0);
    match test.claim_one(&lease("b"), "order-1").await {
        ClaimedOne::Claimed(claimed) => {
            assert_eq!(claimed.record.state, State::Stuck);
            assert_eq!((claimed.next, claimed.orderly), (3, true));
        }
        other => panic!("{other:?}"),
    }
}

pub async fn what_was_stuck_can_go_on<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[compensating(), stuck()]).await;
    let claimed = match test.claim_one(&lease("b"), "order-1").await {
        ClaimedOne::Claimed(claimed) => claimed,
        other => panic!("{other:?}"),
    };
    let reason = "it answers again".to_owned();
    test.append(&claimed.claim, 3, &[Event::Retried { reason }])
        .await;
    // If the operator's process ends now, any worker can claim the saga.
    test.release(&claimed.claim, false).await;
    let claimed = test.claim_only(&lease("c")).await;
    test.append(&claimed.claim, 4, &[Event::Compensated]).await;
    assert_eq!(test.record("order-1").await.state, State::Compensated);
}

pub async fn a_saga_continues_after_an_operators_decision<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a"), compensating(), stuck()])
        .await;
    let claimed = match test.claim_one(&silent("b"), "order-1").await {
        ClaimedOne::Claimed(claimed) => claimed,
        other => panic!("{other:?}"),
    };
    let resolved = Event::CompensationResolved {
        step: call("a"),
        reason: "by hand".to_owned(),
    };
    test.append(&claimed.claim, 4, &[resolved]).await;
    // The operator's process has ended.
    let state = test.record("order-1").await.state;
    assert_eq!(state, State::Compensating);
    let claimed = test.claim_only(&lease("c")).await;
    assert_eq!(claimed.next, 5);
}

pub async fn what_is_stuck_stays_stuck_if_it_is_released<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a"), compensating(), stuck()])
        .await;
    for worker in ["b", "c"] {
        let claimed = match test.claim_one(&lease(worker), "order-1").await {
            ClaimedOne::Claimed(claimed) => claimed,
            other => panic!("{other:?}"),
        };
        // The operator has decided nothing.
        test.release(&claimed.claim, false).await;
        assert_eq!(test.record("order-1").await.state, State::Stuck);
        assert_eq!(test.claim(&lease("d"), 9).await.len(), 0);
        let filter = Filter::default().state(State::Stuck);
        let listed = test.journal.list(&filter).await;
        assert_eq!(listed.expect("the journal works").sagas.len(), 1);
    }
}

pub async fn a_wish_to_cancel_reaches_the_holder<F: Factory>(test: Fixture<F>) {
    test.started("order-1").await;
    test.started("order-2").await;
    test.started_by(&lease("b"), "order-3").await;
    for saga in ["order-2", "order-3"] {
        let noted = test.journal.request_cancel(&id(saga), "too late").await;
        assert!(noted.expect("the journal works"));
    }
    let cancelled = test.journal.renew(&lease("a")).await;
    assert_eq!(cancelled.expect("the journal works"), [id("order-2")]);
}

pub async fn a_wish_to_cancel_reaches_the_next_holder<F: Factory>(test: Fixture<F>) {
    test.waiting(new("order-1")).await;
    let noted = test
        .journal
        .request_cancel(&id("order-1"), "too late")
        .await;
    assert!(noted.expect("the journal works"));
    let claimed = test.claim_only(&lease("a")).await;
    let cancellation = claimed.record.cancellation.expect("it is noted");
    assert_eq!(cancellation.reason, "too late");
}

pub async fn the_first_reason_to_cancel_stays<F: Factory>(test: Fixture<F>) {
    test.started("order-1").await;
    for reason in ["first", "second"] {
        let noted = test.journal.request_cancel(&id("order-1"), reason).await;
        assert!(noted.expect("the journal works"));
    }
    let cancellation = test.record("order-1").await.cancellation;
    assert_eq!(cancellation.expect("it is noted").reason, "first");
}

pub async fn what_has_ended_can_not_be_cancelled<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[completed()]).await;
    for saga in ["order-1", "nothing"] {
        let noted = test.journal.request_cancel(&id(saga), "too late").await;
        assert!(!noted.expect("the journal works"));
    }
    assert_eq!(test.record("order-1").await.cancellation, None);
}

pub async fn what_has_ended_is_purged<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a"), completed()]).await;
    let long_ago = SystemTime::now() - Duration::from_hours(1);
    let purged = test.journal.purge(long_ago).await;
    assert_eq!(purged.expect("the journal works"), 0);
    let later = SystemTime::now() + Duration::from_hours(1);
    let purged = test.journal.purge(later).await;
    assert_eq!(purged.expect("the journal works"), 1);
    let gone = test.journal.load(&id("order-1")).await;
    assert!(gone.expect("the journal works").is_none());
    // The id is free again.
    test.started("order-1").await;
    assert_eq!(test.events("order-1").await, []);
}

pub async fn what_is_open_or_stuck_is_not_purged<F: Factory>(test: Fixture<F>) {
    test.waiting(new("waiting")).await;
    test.started("running").await;
    let claim = test.started("stuck").await;
    test.append(&claim, 1, &[compensating(), stuck()]).await;
    let later = SystemTime::now() + Duration::from_hours(1);
    let purged = test.journal.purge(later).await;
    assert_eq!(purged.expect("the journal works"), 0);
    assert_eq!(test.events("stuck").await.len(), 2);
}
