//! The behaviours of claims, leases, releases and wake-ups.

use std::time::{Duration, SystemTime};

use crate::journal::{
    AppendError, ClaimedOne, Event, Journal, SagaVersion, State, Wakeup, from_millis,
};
use crate::testing::fixture::{
    Factory, Fixture, call, compensating, completed, done, id, ids, lease, new, silent, stuck,
};

pub async fn what_waits_can_be_claimed<F: Factory>(test: Fixture<F>) {
    test.waiting(new("order-1")).await;
    let claimed = test.claim_only(&lease("a")).await;
    assert_eq!(claimed.record.saga, new("order-1"));
    assert_eq!(claimed.claim.epoch, 1);
    test.append(&claimed.claim, 1, &[done("a")]).await;
}

pub async fn the_oldest_is_claimed_first<F: Factory>(test: Fixture<F>) {
    for saga in ["c", "a", "b"] {
        test.waiting(new(saga)).await;
    }
    assert_eq!(ids(&test.claim(&lease("a"), 2).await), ["c", "a"]);
    assert_eq!(ids(&test.claim(&lease("a"), 2).await), ["b"]);
}

pub async fn no_more_are_claimed_than_asked_for<F: Factory>(test: Fixture<F>) {
    for saga in ["a", "b", "c"] {
        test.waiting(new(saga)).await;
    }
    assert_eq!(test.claim(&lease("a"), 0).await.len(), 0);
    assert_eq!(test.claim(&lease("a"), 2).await.len(), 2);
    assert_eq!(test.claim(&lease("a"), 9).await.len(), 1);
}

pub async fn only_the_named_are_claimed<F: Factory>(test: Fixture<F>) {
    let mut other = new("other");
    "refund".clone_into(&mut other.name);
    test.waiting(other).await;
    test.waiting(new("order-1")).await;
    assert_eq!(ids(&test.claim(&lease("a"), 9).await), ["order-1"]);
    let refunds = test
        .journal
        .claim(
            &lease("a"),
            &[SagaVersion::new("x", 1), SagaVersion::new("refund", 1)],
            9,
        )
        .await;
    assert_eq!(ids(&refunds.expect("the journal works")), ["other"]);
}

pub async fn what_is_held_is_not_claimed<F: Factory>(test: Fixture<F>) {
    test.started("order-1").await;
    assert_eq!(test.claim(&lease("b"), 9).await.len(), 0);
    assert_eq!(test.claim(&lease("a"), 9).await.len(), 0);
}

pub async fn each_claim_raises_the_epoch<F: Factory>(test: Fixture<F>) {
    let mut claim = test.started("order-1").await;
    for epoch in 2..6 {
        test.release(&claim, false).await;
        claim = test.claim_only(&lease("a")).await.claim;
        assert_eq!(claim.epoch, epoch);
    }
}

pub async fn of_two_workers_one_gets_it<F: Factory>(test: Fixture<F>) {
    test.waiting(new("order-1")).await;
    let (a, b) = (lease("a"), lease("b"));
    let (one, other) = futures_util::join!(test.claim(&a, 9), test.claim(&b, 9));
    assert_eq!(one.len() + other.len(), 1);
}

pub async fn what_a_silent_worker_held_can_be_claimed<F: Factory>(test: Fixture<F>) {
    test.started_by(&silent("a"), "order-1").await;
    let claimed = test.claim_only(&lease("b")).await;
    assert_eq!(claimed.record.worker, Some(lease("b").worker));
    assert_eq!(claimed.claim.epoch, 2);
}

pub async fn a_lease_that_is_renewed_holds<F: Factory>(test: Fixture<F>) {
    let claim = test.started_by(&silent("a"), "order-1").await;
    let renewed = test.journal.renew(&lease("a")).await;
    assert_eq!(renewed.expect("the journal works"), []);
    assert_eq!(test.claim(&lease("b"), 9).await.len(), 0);
    test.append(&claim, 1, &[done("a")]).await;
}

pub async fn a_claim_brings_the_entries_and_the_next_number<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a"), done("b")]).await;
    test.release(&claim, false).await;
    let claimed = test.claim_only(&lease("b")).await;
    let entries = claimed.entries.expect("they can be read");
    assert_eq!(entries, test.entries("order-1").await);
    assert_eq!((entries.len(), claimed.next), (2, 3));
}

pub async fn a_first_claim_is_orderly<F: Factory>(test: Fixture<F>) {
    test.waiting(new("order-1")).await;
    let claimed = test.claim_only(&lease("a")).await;
    assert!(claimed.orderly);
    assert_eq!(claimed.recoveries, 0);
}

pub async fn a_claim_after_a_release_is_orderly<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a")]).await;
    test.release(&claim, false).await;
    assert!(test.claim_only(&lease("a")).await.orderly);
}

pub async fn what_rests_is_not_claimed<F: Factory>(test: Fixture<F>) {
    let later = SystemTime::now() + Duration::from_hours(1);
    for (saga, rest) in [("a", Wakeup::At(later)), ("b", Wakeup::WhenCalled)] {
        let claim = test.started(saga).await;
        test.rest(&claim, false, rest).await;
    }
    assert_eq!(test.claim(&lease("a"), 9).await.len(), 0);
}

pub async fn the_next_to_wake_is_known<F: Factory>(test: Fixture<F>) {
    assert_eq!(
        test.journal.next_rest().await.expect("the journal works"),
        None
    );
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    for (saga, secs) in [("a", 9), ("b", 3), ("c", 6)] {
        let claim = test.started(saga).await;
        let rest = Wakeup::At(now + Duration::from_secs(secs));
        test.rest(&claim, false, rest).await;
    }
    let claim = test.started("d").await;
    test.rest(&claim, false, Wakeup::WhenCalled).await;
    let next = test.journal.next_rest().await.expect("the journal works");
    assert_eq!(next, Some(now + Duration::from_secs(3)));
}

pub async fn what_has_rested_is_claimed<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    let before = SystemTime::now() - Duration::from_millis(1);
    test.rest(&claim, false, Wakeup::At(before)).await;
    let claimed = test.claim_only(&lease("a")).await;
    assert!(claimed.orderly);
    assert_eq!(claimed.recoveries, 0);
    // The wake-up time belongs to the claim before.
    test.release(&claimed.claim, false).await;
    test.claim_only(&lease("a")).await;
}

pub async fn what_rests_is_claimed_by_its_id<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.rest(&claim, false, Wakeup::WhenCalled).await;
    let claimed = test.journal.claim_one(&lease("a"), &id("order-1")).await;
    let ClaimedOne::Claimed(claimed) = claimed.expect("the journal works") else {
        panic!("no worker holds it");
    };
    test.append(&claimed.claim, 1, &[done("a")]).await;
    test.release(&claimed.claim, false).await;
    test.claim_only(&lease("a")).await;
}

pub async fn a_claim_by_id_says_which_rest_it_has_cut_short<F: Factory>(test: Fixture<F>) {
    let later = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let claim = test.started("order-1").await;
    test.rest(&claim, false, Wakeup::At(later)).await;
    for rest in [Wakeup::At(later), Wakeup::WhenCalled, Wakeup::Now] {
        let ClaimedOne::Claimed(claimed) = test.claim_one(&lease("a"), "order-1").await else {
            panic!("no worker holds it");
        };
        assert_eq!(claimed.rest, rest);
        let next = match rest {
            Wakeup::At(_) => Wakeup::WhenCalled,
            _ => Wakeup::Now,
        };
        test.rest(&claimed.claim, false, next).await;
    }
}

pub async fn a_wish_to_cancel_ends_a_rest<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.rest(&claim, false, Wakeup::WhenCalled).await;
    let noted = test.journal.request_cancel(&id("order-1"), "no").await;
    assert!(noted.expect("the journal works"));
    let claimed = test.claim_only(&lease("a")).await;
    assert!(claimed.record.cancellation.is_some());
}

pub async fn an_unheard_wish_to_cancel_keeps_a_saga_claimable<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    let noted = test.journal.request_cancel(&id("order-1"), "no").await;
    assert!(noted.expect("the journal works"));
    test.rest(&claim, false, Wakeup::WhenCalled).await;
    let claimed = test.claim_only(&lease("a")).await;
    assert!(claimed.record.cancellation.is_some());
    // A holder that knows of the wish may release the saga to rest.
    test.rest(&claimed.claim, false, Wakeup::WhenCalled).await;
    assert!(test.claim(&lease("a"), 10).await.is_empty());
}

pub async fn a_claim_after_a_release_in_doubt_is_not<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a")]).await;
    test.release(&claim, true).await;
    let claimed = test.claim_only(&lease("a")).await;
    assert!(!claimed.orderly);
    // The doubt stays as long as no entry is appended.
    test.release(&claimed.claim, false).await;
    assert!(!test.claim_only(&lease("a")).await.orderly);
}

pub async fn entries_and_a_release_come_together<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    let handed_over = test.append_and_release(&claim, 1, vec![done("a")], false);
    handed_over.await.expect("the claim holds");
    let claimed = test.claim_only(&lease("b")).await;
    assert!(claimed.orderly);
    assert_eq!(claimed.next, 2);
    let claim = claimed.claim;
    let handed_over = test.append_and_release(&claim, 2, vec![done("b"), done("c")], true);
    handed_over.await.expect("the claim holds");
    // The doubt is about the step after these entries.
    let claim = test.claim_only(&lease("a")).await;
    assert!(!claim.orderly);
    test.release(&claim.claim, false).await;
    let claim = test.claim_only(&lease("a")).await;
    assert!(!claim.orderly);
    test.append(&claim.claim, 4, &[done("d")]).await;
    test.release(&claim.claim, false).await;
    assert!(test.claim_only(&lease("a")).await.orderly);
    let events = test.events("order-1").await;
    assert_eq!(events, ["a", "b", "c", "d"].map(done));
}

pub async fn without_its_entries_a_saga_is_not_released<F: Factory>(test: Fixture<F>) {
    let older = test.started_by(&silent("a"), "order-1").await;
    let claim = test.claim_only(&lease("b")).await.claim;
    let fenced = test.append_and_release(&older, 1, vec![done("a")], false);
    let fenced = fenced.await;
    assert!(
        matches!(fenced, Err(AppendError::Fenced { .. })),
        "{fenced:?}"
    );
    let after_a_gap = test.append_and_release(&claim, 2, vec![done("b")], false);
    let after_a_gap = after_a_gap.await;
    assert!(
        matches!(after_a_gap, Err(AppendError::NotContiguous { .. })),
        "{after_a_gap:?}"
    );
    assert_eq!(test.claim(&lease("c"), 9).await.len(), 0);
    test.append(&claim, 1, &[done("a")]).await;
    assert_eq!(test.events("order-1").await, [done("a")]);
}

pub async fn what_was_stuck_goes_on_after_entries_and_a_release<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a"), compensating(), stuck()])
        .await;
    let claimed = match test.claim_one(&lease("b"), "order-1").await {
        ClaimedOne::Claimed(claimed) => claimed,
        other => panic!("{other:?}"),
    };
    let resolved = Event::CompensationResolved {
        step: call("a"),
        reason: "by hand".to_owned(),
    };
    let handed_over = test.append_and_release(&claimed.claim, 4, vec![resolved], false);
    handed_over.await.expect("the claim holds");
    let state = test.record("order-1").await.state;
    assert_eq!(state, State::Waiting);
    assert_eq!(test.claim_only(&lease("c")).await.next, 5);
}

pub async fn entries_that_are_there_come_with_a_release<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a")]).await;
    let handed_over = test.append_and_release(&claim, 1, vec![done("a")], false);
    handed_over.await.expect("they are the same entries");
    let claimed = test.claim_only(&lease("b")).await;
    assert_eq!((claimed.next, claimed.orderly), (2, true));
}

pub async fn a_rest_may_be_longer_than_any_clock_runs<F: Factory>(test: Fixture<F>) {
    let resting = test.started("order-1").await;
    let running = test.started("order-2").await;
    // A journal may write them together: then both must be written.
    let events = [done("a")];
    let ((), ()) = futures_util::join!(
        test.rest(&resting, false, Wakeup::At(from_millis(u64::MAX))),
        test.append(&running, 1, &events),
    );
    assert_eq!(test.claim(&lease("b"), 9).await.len(), 0);
    assert_eq!(test.record("order-1").await.worker, None);
    let next = test.journal.next_rest().await.expect("the journal works");
    assert!(next.is_none_or(|next| next > SystemTime::now()), "{next:?}");
}

pub async fn doubt_ends_with_the_next_entry<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.release(&claim, true).await;
    let claim = test.claim_only(&lease("a")).await.claim;
    test.append(&claim, 1, &[done("a")]).await;
    test.release(&claim, false).await;
    assert!(test.claim_only(&lease("a")).await.orderly);
}

pub async fn a_claim_after_silence_is_not_orderly_and_counts<F: Factory>(test: Fixture<F>) {
    test.started_by(&silent("a"), "order-1").await;
    for recoveries in 1..4 {
        let claimed = test.claim_only(&silent("b")).await;
        assert!(!claimed.orderly);
        assert_eq!(claimed.recoveries, recoveries);
    }
}

pub async fn an_entry_ends_the_count<F: Factory>(test: Fixture<F>) {
    test.started_by(&silent("a"), "order-1").await;
    test.claim_only(&silent("b")).await;
    let claimed = test.claim_only(&silent("b")).await;
    assert_eq!(claimed.recoveries, 2);
    test.append(&claimed.claim, 1, &[done("a")]).await;
    assert_eq!(test.claim_only(&silent("b")).await.recoveries, 1);
}

pub async fn a_release_is_not_counted<F: Factory>(test: Fixture<F>) {
    let mut claim = test.started("order-1").await;
    for _ in 0..3 {
        test.release(&claim, true).await;
        let claimed = test.claim_only(&lease("a")).await;
        assert_eq!(claimed.recoveries, 0);
        claim = claimed.claim;
    }
}

pub async fn a_release_under_an_older_epoch_changes_nothing<F: Factory>(test: Fixture<F>) {
    let older = test.started_by(&silent("a"), "order-1").await;
    let newer = test.claim_only(&lease("b")).await.claim;
    test.release(&older, false).await;
    assert_eq!(test.claim(&lease("c"), 9).await.len(), 0);
    test.append(&newer, 1, &[done("a")]).await;
}

pub async fn one_saga_can_be_claimed_by_its_id<F: Factory>(test: Fixture<F>) {
    let unknown = test.claim_one(&lease("a"), "order-1").await;
    assert!(matches!(unknown, ClaimedOne::Unknown), "{unknown:?}");
    test.waiting(new("order-1")).await;
    let claimed = match test.claim_one(&lease("a"), "order-1").await {
        ClaimedOne::Claimed(claimed) => claimed,
        other => panic!("{other:?}"),
    };
    assert_eq!(claimed.claim.id, id("order-1"));
    match test.claim_one(&lease("b"), "order-1").await {
        ClaimedOne::Held(worker) => assert_eq!(worker, lease("a").worker),
        other => panic!("{other:?}"),
    }
    test.append(&claimed.claim, 1, &[completed()]).await;
    let ended = test.claim_one(&lease("b"), "order-1").await;
    assert!(
        matches!(ended, ClaimedOne::Final(State::Completed)),
        "{ended:?}"
    );
}
