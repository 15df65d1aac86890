//! The behaviours of reads and lists, and of a journal that was opened again.

use std::time::{Duration, SystemTime};

use crate::journal::{
    AttemptPhase, ClaimedOne, Condition, Event, Filter, Journal, NewSaga, Page, Reason, State,
    StuckTally, Tally, Wakeup,
};
use crate::testing::fixture::{
    Factory, Fixture, call, compensating, completed, done, id, lease, new, silent, stuck,
};

impl<F: Factory> Fixture<F> {
    async fn page(&self, filter: &Filter) -> Page {
        self.journal.list(filter).await.expect("the journal works")
    }

    async fn list(&self, filter: &Filter) -> Vec<String> {
        let sagas = self.page(filter).await.sagas;
        sagas
            .iter()
            .map(|one| one.saga.id.as_str().to_owned())
            .collect()
    }

    /// One saga in each state.
    async fn one_of_each(&self) {
        self.waiting(new("waiting")).await;
        self.started("running").await;
        let claim = self.started("compensating").await;
        self.append(&claim, 1, &[done("a"), compensating()]).await;
        let claim = self.started("stuck").await;
        self.append(&claim, 1, &[compensating(), stuck()]).await;
        let claim = self.started("completed").await;
        self.append(&claim, 1, &[completed()]).await;
        let claim = self.started("compensated").await;
        let events = [compensating(), Event::Compensated];
        self.append(&claim, 1, &events).await;
        let claim = self.started("abandoned").await;
        let abandoned = crate::journal::Event::Abandoned {
            reason: "of no use".to_owned(),
            left: Vec::new(),
        };
        self.append(&claim, 1, &[abandoned]).await;
    }
}

pub async fn nothing_is_nothing<F: Factory>(test: Fixture<F>) {
    let nothing = test.journal.load(&id("order-1")).await;
    assert!(nothing.expect("the journal works").is_none());
    assert_eq!(test.list(&Filter::default()).await, [""; 0]);
    assert_eq!(test.claim(&lease("a"), 9).await.len(), 0);
}

pub async fn a_tally_counts_each_saga_once<F: Factory>(test: Fixture<F>) {
    let tally = test.journal.tally().await.expect("the journal works");
    assert_eq!(tally, Tally::default());
    test.one_of_each().await;
    let other = NewSaga {
        name: "another".to_owned(),
        version: 2,
        ..new("other")
    };
    test.waiting(other).await;
    let claim = test.started("asleep").await;
    test.rest(&claim, false, Wakeup::WhenCalled).await;
    let test = test.reopened().await;
    let first = test.journal.tally().await.expect("the journal works");
    let counted: Vec<_> = first
        .open
        .iter()
        .map(|open| (&*open.name, open.version, open.state.name(), open.sagas))
        .collect();
    let expected = [
        ("another", 2, "waiting", 1),
        ("order", 1, "waiting", 2),
        ("order", 1, "running", 1),
        ("order", 1, "compensating", 1),
        ("order", 1, "stuck", 1),
    ];
    assert_eq!(counted, expected);
    let ended = [State::Completed, State::Compensated, State::Abandoned];
    assert_eq!(first.ended, ended.map(|state| (state, 1)));
    let stuck = [StuckTally::new(
        "order".to_owned(),
        "compensation_failed".to_owned(),
        1,
    )];
    assert_eq!(first.stuck, stuck);
    let listed = Tally::by_listing(&test.journal).await;
    let by_number = |tally: Tally| {
        (
            tally
                .open
                .into_iter()
                .map(|open| (open.name, open.sagas))
                .collect::<Vec<_>>(),
            tally.ended,
            tally.stuck,
        )
    };
    assert_eq!(
        by_number(listed.expect("the journal works")),
        by_number(first)
    );
    let workers = test.journal.workers().await.expect("the journal works");
    let workers = workers.iter().map(|one| (one.worker.as_str(), one.sagas));
    assert_eq!(workers.collect::<Vec<_>>(), [("a", 2)]);
}

pub async fn a_record_is_read_without_its_entries<F: Factory>(test: Fixture<F>) {
    test.one_of_each().await;
    for state in State::ALL {
        let id = id(state.name());
        let history = test.journal.load(&id).await.expect("the journal works");
        let record = test.journal.record(&id).await.expect("the journal works");
        assert_eq!(record, history.map(|history| history.record));
        assert_eq!(record.map(|record| record.state), Some(state));
    }
    let nothing = test.journal.record(&id("another")).await;
    assert_eq!(nothing.expect("the journal works"), None);
}

pub async fn what_was_skipped_is_found_for_ever<F: Factory>(test: Fixture<F>) {
    test.one_of_each().await;
    let claim = test.started("skipped").await;
    test.append(&claim, 1, &[done("a"), compensating(), stuck()])
        .await;
    let ClaimedOne::Claimed(claimed) = test.claim_one(&lease("a"), "skipped").await else {
        panic!("it is stuck");
    };
    let claim = claimed.claim;
    let skipped = Event::CompensationSkipped {
        step: call("a"),
        reason: "it costs more than it is worth".to_owned(),
    };
    test.append(&claim, 4, &[skipped]).await;
    let filter = Filter::default().skipped();
    assert_eq!(test.list(&filter).await, ["skipped"]);
    test.append(&claim, 5, &[Event::Compensated]).await;
    assert_eq!(test.list(&filter).await, ["skipped"]);
    assert_eq!(
        test.list(&filter.state(State::Completed)).await,
        [""; 0],
        "it is not in that state"
    );
}

pub async fn a_list_says_why_a_saga_waits<F: Factory>(test: Fixture<F>) {
    test.one_of_each().await;
    let hour = SystemTime::now() + Duration::from_hours(1);
    for (saga, at, rest) in [
        ("event", "event:approved", Wakeup::WhenCalled),
        ("limited", "inner/event:approved", Wakeup::At(hour)),
        ("time", "sleep", Wakeup::At(hour)),
    ] {
        let claim = test.started(saga).await;
        let mut step = call("event");
        step.name = at.into();
        let waiting = Event::Waiting { step, until: None };
        let received = Event::Received {
            name: "another".into(),
            payload: "1".to_owned(),
            key: None,
        };
        test.append(&claim, 1, &[done("a"), waiting, received])
            .await;
        test.rest(&claim, false, rest).await;
    }
    let listed = test.page(&Filter::default()).await.sagas;
    let names = listed.iter().map(|record| {
        let condition = record.condition().to_string();
        (record.saga.id.as_str().to_owned(), condition)
    });
    let names: std::collections::BTreeMap<_, _> = names.collect();
    for (saga, condition) in [
        ("event", "waiting for an event"),
        ("limited", "waiting for an event"),
        ("time", "waiting for a time"),
        ("waiting", "queued"),
        ("running", "running"),
        ("stuck", "stuck"),
        ("completed", "ended"),
    ] {
        assert_eq!(names[saga], condition, "{saga}");
    }
    let mut queued = test.record("waiting").await;
    assert_eq!(queued.condition(), Condition::Queued);
    queued.is_registered = Some(false);
    assert_eq!(queued.condition(), Condition::Unregistered);
}

pub async fn the_newest_is_listed_first<F: Factory>(test: Fixture<F>) {
    for saga in ["b", "c", "a"] {
        test.waiting(new(saga)).await;
    }
    assert_eq!(test.list(&Filter::default()).await, ["a", "c", "b"]);
}

pub async fn pages_follow_each_other<F: Factory>(test: Fixture<F>) {
    for saga in 0..7 {
        test.waiting(new(&saga.to_string())).await;
    }
    let mut listed = Vec::new();
    let mut filter = Filter::default().limit(3);
    loop {
        let page = test.page(&filter).await;
        listed.push(page.sagas.len());
        match page.next {
            Some(next) => filter = filter.after(next),
            None => break,
        }
    }
    assert_eq!(listed, [3, 3, 1]);
    let exactly = test.page(&Filter::default().limit(7)).await;
    assert_eq!((exactly.sagas.len(), exactly.next), (7, None));
}

pub async fn a_list_is_filtered_by_state<F: Factory>(test: Fixture<F>) {
    test.one_of_each().await;
    for state in State::ALL {
        let filter = Filter::default().state(state);
        assert_eq!(test.list(&filter).await, [state.name()]);
    }
}

pub async fn a_list_is_filtered_by_name_prefix_and_time<F: Factory>(test: Fixture<F>) {
    let before = SystemTime::now() - Duration::from_secs(1);
    let mut refund = new("x%-1");
    "refund".clone_into(&mut refund.name);
    test.waiting(refund).await;
    test.waiting(new("x%-2")).await;
    test.waiting(new("xy-3")).await;
    test.waiting(new("x\0-4")).await;
    let after = SystemTime::now() + Duration::from_secs(1);
    let all = Filter::default;
    assert_eq!(test.list(&all().name("refund")).await, ["x%-1"]);
    assert_eq!(test.list(&all().id_prefix("x%")).await, ["x%-2", "x%-1"]);
    assert_eq!(test.list(&all().id_prefix("X")).await, [""; 0]);
    assert_eq!(test.list(&all().id_prefix("x\0")).await, ["x\0-4"]);
    assert_eq!(test.list(&all().started_from(before)).await.len(), 4);
    assert_eq!(test.list(&all().started_from(after)).await.len(), 0);
    assert_eq!(test.list(&all().started_before(before)).await.len(), 0);
    assert_eq!(
        test.list(&all().started_before(after).name("order"))
            .await
            .len(),
        3
    );
}

pub async fn what_fails_is_listed_until_it_does_not<F: Factory>(test: Fixture<F>) {
    let failing = |name: &'static str, attempts| Event::Failing {
        step: call(name),
        phase: AttemptPhase::Forward,
        attempts,
        earlier: 0,
        in_doubt: false,
        reason: Reason::new("error", "the service is down"),
        since: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
        until: SystemTime::UNIX_EPOCH + Duration::from_secs(2),
    };
    let lease = lease("a");
    let mut claims = Vec::new();
    for saga in ["order-1", "order-2", "order-3", "order-4"] {
        claims.push(test.started_by(&lease, saga).await);
    }
    test.append(&claims[0], 1, &[failing("charge", 3)]).await;
    test.append(&claims[1], 1, &[failing("charge", 4), done("charge")])
        .await;
    test.append(&claims[2], 1, &[failing("ship", 5)]).await;
    test.append(&claims[2], 2, &[failing("ship", 6)]).await;
    for claim in &claims {
        test.rest(claim, false, Wakeup::WhenCalled).await;
    }
    let all = Filter::default;
    assert_eq!(
        test.list(&all().failing()).await,
        ["order-3", "order-1"],
        "the newest first"
    );
    assert_eq!(test.list(&all().failing_step("ship")).await, ["order-3"]);
    assert_eq!(test.list(&all().failing_step("pack")).await, [""; 0]);
    let found = test.record("order-3").await.failing;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&*found[0].call.name, found[0].attempts), ("ship", 6));
    assert_eq!(found[0].reason.message, "the service is down");
    assert!(test.record("order-2").await.failing.is_empty());
    let claimed = test.claim_one(&lease, "order-3").await;
    let ClaimedOne::Claimed(claimed) = claimed else {
        panic!("{claimed:?}")
    };
    test.append(&claimed.claim, 3, &[done("ship"), completed()])
        .await;
    assert_eq!(test.list(&all().failing()).await, ["order-1"]);
}

pub async fn everything_is_there_after_it_was_opened_again<F: Factory>(test: Fixture<F>) {
    test.one_of_each().await;
    let mut before = Vec::new();
    for state in State::ALL {
        before.push(test.entries(state.name()).await);
    }
    let test = test.reopened().await;
    for (state, entries) in State::ALL.into_iter().zip(before) {
        assert_eq!(test.entries(state.name()).await, entries, "{state}");
        assert_eq!(test.record(state.name()).await.state, state);
        let filter = Filter::default().state(state);
        assert_eq!(test.list(&filter).await, [state.name()]);
    }
}

pub async fn what_was_held_can_be_claimed_after_it_was_opened_again<F: Factory>(test: Fixture<F>) {
    let claim = test.started_by(&silent("a"), "order-1").await;
    test.append(&claim, 1, &[done("a")]).await;
    let test = test.reopened().await;
    let claimed = test.claim_only(&lease("b")).await;
    assert_eq!((claimed.claim.epoch, claimed.next), (2, 2));
    assert_eq!((claimed.orderly, claimed.recoveries), (false, 1));
    test.is_fenced(&claim, 2).await;
    test.append(&claimed.claim, 2, &[done("b"), completed()])
        .await;
    assert_eq!(test.events("order-1").await.len(), 3);
}

pub async fn a_pause_of_a_definition_stays_until_it_is_resumed<F: Factory>(test: Fixture<F>) {
    let paused = test.journal.paused().await.expect("the journal works");
    assert_eq!(paused, []);
    for (name, reason) in [
        ("order", "the bank"),
        ("ord\\er", "no"),
        ("order", "is closed"),
    ] {
        let paused = test.journal.pause(name, reason).await;
        paused.expect("the journal works");
    }
    let listed = test.journal.paused().await.expect("the journal works");
    let test = test.reopened().await;
    let paused = test.journal.paused().await.expect("the journal works");
    assert_eq!(paused, listed);
    let told = paused.iter().map(|pause| (&*pause.name, &*pause.reason));
    let told: std::collections::BTreeMap<_, _> = told.collect();
    assert_eq!(told, [("order", "is closed"), ("ord\\er", "no")].into());
    for is_paused in [true, false] {
        let resumed = test.journal.resume("order").await;
        assert_eq!(resumed.expect("the journal works"), is_paused);
    }
    let paused = test.journal.paused().await.expect("the journal works");
    assert_eq!(paused.len(), 1);
}
