//! The behaviours of starts.

use futures_util::future::join_all;

use crate::journal::{Filter, Journal, NewSaga, Started, State};
use crate::testing::fixture::{Factory, Fixture, id, lease, new};
use crate::trace::TraceContext;

pub async fn a_saga_that_is_started_is_there<F: Factory>(test: Fixture<F>) {
    test.started("order-1").await;
    let record = test.record("order-1").await;
    assert_eq!(record.saga, new("order-1"));
    assert_eq!(test.entries("order-1").await, []);
}

pub async fn a_start_is_held_by_its_worker<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    assert_eq!(claim.epoch, 1);
    let record = test.record("order-1").await;
    assert_eq!(record.worker, Some(lease("a").worker));
    assert_eq!((record.epoch, record.state), (1, State::Running));
}

pub async fn a_start_without_a_worker_waits<F: Factory>(test: Fixture<F>) {
    test.waiting(new("order-1")).await;
    let record = test.record("order-1").await;
    assert_eq!((record.worker, record.epoch), (None, 0));
    assert_eq!(record.state, State::Waiting);
}

pub async fn a_second_start_gets_the_record_that_is_there<F: Factory>(test: Fixture<F>) {
    test.started("order-1").await;
    let mut other = new("order-1");
    "4".clone_into(&mut other.input);
    match test.journal.start(other, Some(&lease("b"))).await {
        Ok(Started::Existing(record)) => assert_eq!(record.saga, new("order-1")),
        other => panic!("{other:?}"),
    }
}

pub async fn a_second_start_changes_nothing<F: Factory>(test: Fixture<F>) {
    test.started("order-1").await;
    let before = test.record("order-1").await;
    let started = test.journal.start(new("order-1"), Some(&lease("b"))).await;
    assert!(matches!(started, Ok(Started::Existing(_))), "{started:?}");
    assert_eq!(test.record("order-1").await, before);
}

pub async fn of_many_starts_at_once_exactly_one_is_new<F: Factory>(test: Fixture<F>) {
    let workers: Vec<_> = (0..64).map(|one| lease(&one.to_string())).collect();
    let starts = workers
        .iter()
        .map(|worker| test.journal.start(new("order-1"), Some(worker)));
    let started = join_all(starts).await;
    let is_new = |started: &&Result<Started, _>| matches!(started, Ok(Started::New(Some(_))));
    assert_eq!(started.iter().filter(is_new).count(), 1);
    let is_existing = |started: &&Result<Started, _>| matches!(started, Ok(Started::Existing(_)));
    assert_eq!(started.iter().filter(is_existing).count(), 63);
}

pub async fn ids_are_any_text<F: Factory>(test: Fixture<F>) {
    let long = "ö".repeat(128);
    for text in [
        "a",
        "A",
        "a ",
        "'; DROP TABLE sagas; --",
        "日本\n\t%_",
        "🙂",
        &long,
    ] {
        test.started(text).await;
        let record = test.record(text).await;
        assert_eq!(record.saga.id, id(text));
    }
}

pub async fn the_trace_of_a_saga_is_kept_with_it<F: Factory>(test: Fixture<F>) {
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let trace = TraceContext::new(parent).expect("it is one");
    let traces = [
        None,
        Some(trace.clone()),
        Some(trace.with_tracestate("vendor=7,other=8")),
    ];
    for (number, trace) in traces.into_iter().enumerate() {
        let id_text = format!("order-{number}");
        let saga = NewSaga {
            trace,
            ..new(&id_text)
        };
        test.waiting(saga.clone()).await;
        assert_eq!(test.record(&id_text).await.saga, saga);
        let listed = test.journal.list(&Filter::default()).await;
        assert_eq!(listed.expect("it can be read").sagas[0].saga, saga);
        let claimed = test.claim_only(&lease("a")).await;
        assert_eq!(claimed.record.saga, saga);
        assert_eq!(claimed.record.damage, None);
    }
}

pub async fn inputs_come_back_byte_by_byte<F: Factory>(test: Fixture<F>) {
    let saga = NewSaga {
        input: "{\"b\" : 1.50,\n\"a\":\"\\u00e9é🙂\\u0000\"}".to_owned(),
        ..new("order-1")
    };
    test.waiting(saga.clone()).await;
    assert_eq!(test.record("order-1").await.saga, saga);
}
