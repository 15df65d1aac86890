//! The behaviours of appends.

use futures_util::future::join_all;

use std::time::{Duration, SystemTime};

use crate::error::Reason;
use crate::journal::{Claim, Event, Settled};
use crate::testing::fixture::{
    Factory, Fixture, call, compensating, completed, done, id, lease, silent, stuck,
};

pub async fn entries_come_back_in_order<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a")]).await;
    test.append(&claim, 2, &[done("b")]).await;
    test.append(&claim, 3, &[done("c")]).await;
    assert_eq!(
        test.events("order-1").await,
        [done("a"), done("b"), done("c")]
    );
}

pub async fn every_event_comes_back_as_it_was<F: Factory>(test: Fixture<F>) {
    let step = || call("charge");
    let reason = || Reason {
        code: "error".into(),
        message: "größer\n'than' \"that\"".to_owned(),
        error: Some(r#"{"code":3}"#.to_owned()),
    };
    let settled = |settled| Event::StepSettled {
        step: step(),
        settled,
    };
    let (message, by_hand) = ("no answer".to_owned(), "ticket 17".to_owned());
    let output = r#"{"id":"ü"}"#.to_owned();
    let events = [
        done("a"),
        Event::StepRefused {
            step: step(),
            attempts: 3,
            reason: reason(),
        },
        Event::StepInDoubt {
            step: step(),
            attempts: 0,
            reason: Reason::new("timed_out", ""),
        },
        settled(Settled::Nothing { refusal: None }),
        settled(Settled::Nothing {
            refusal: Some(reason()),
        }),
        settled(Settled::Done {
            output: output.clone(),
        }),
        settled(Settled::Resolved),
        settled(Settled::Unresolved {
            attempts: u32::MAX,
            message: message.clone(),
        }),
        compensating(),
        Event::Compensating {
            step: None,
            reason: reason(),
        },
        Event::CompensationDone {
            step: step(),
            attempts: 1,
        },
        Event::CompensationFailed {
            step: step(),
            attempts: 5,
            message,
        },
        Event::Retried {
            reason: by_hand.clone(),
        },
        Event::CompensationResolved {
            step: step(),
            reason: by_hand.clone(),
        },
        Event::CompensationSkipped {
            step: step(),
            reason: by_hand.clone(),
        },
        Event::StepCompleted {
            step: step(),
            output: output.clone(),
            reason: by_hand,
        },
    ];
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &events).await;
    assert_eq!(test.events("order-1").await, events);
    for (saga, end) in [
        ("order-2", Event::Completed { output }),
        ("order-3", Event::Compensated),
        ("order-4", Event::Stuck { reason: reason() }),
    ] {
        let claim = test.started(saga).await;
        test.append(&claim, 1, std::slice::from_ref(&end)).await;
        assert_eq!(test.events(saga).await, [end]);
    }
}

pub async fn waits_and_values_come_back_as_they_were<F: Factory>(test: Fixture<F>) {
    let step = || call("event:approved");
    let payload = r#"{"by":"Zoë"}"#.to_owned();
    let events = [
        Event::Value {
            of: call("pack#1/uuid"),
            value: payload.clone(),
        },
        Event::Waiting {
            step: step(),
            until: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_123)),
        },
        Event::Waiting {
            step: step(),
            until: None,
        },
        Event::Received {
            name: "approved".into(),
            payload: payload.clone(),
            key: None,
        },
        Event::Received {
            name: "approved".into(),
            payload: payload.clone(),
            key: Some("größer \"17\"".to_owned()),
        },
        Event::EventSetAside {
            name: "approved".into(),
            number: 1,
            message: "größer".to_owned(),
        },
        Event::WaitOver {
            step: step(),
            received: Some(7),
        },
        Event::WaitOver {
            step: step(),
            received: None,
        },
    ];
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &events).await;
    assert_eq!(test.events("order-1").await, events);
}

pub async fn entries_are_numbered_from_one<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a"), done("b")]).await;
    test.append(&claim, 3, &[done("c")]).await;
    let entries = test.entries("order-1").await;
    let numbers: Vec<_> = entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, [1, 2, 3]);
    let started_at = test.record("order-1").await.started_at;
    let second = std::time::Duration::from_secs(1);
    assert!(entries.iter().all(|entry| entry.at + second > started_at));
}

pub async fn entries_of_one_append_are_there_together<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a")]).await;
    // The first of these is recorded already, so none of them is.
    test.is_not_contiguous(&claim, 1, vec![done("a"), done("b")])
        .await;
    assert_eq!(test.events("order-1").await, [done("a")]);
}

pub async fn the_same_append_again_is_fine<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    for _ in 0..3 {
        test.append(&claim, 1, &[done("a"), done("b")]).await;
    }
    test.append(&claim, 3, &[done("c")]).await;
    assert_eq!(
        test.events("order-1").await,
        [done("a"), done("b"), done("c")]
    );
}

pub async fn the_last_append_again_is_fine_after_the_end<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a"), completed()]).await;
    test.append(&claim, 1, &[done("a"), completed()]).await;
    assert_eq!(test.events("order-1").await, [done("a"), completed()]);
}

pub async fn another_append_at_the_same_number_is_refused<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[done("a")]).await;
    test.is_not_contiguous(&claim, 1, vec![done("b")]).await;
    assert_eq!(test.events("order-1").await, [done("a")]);
    test.append(&claim, 2, &[done("b")]).await;
}

pub async fn an_append_after_a_gap_is_refused<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.is_not_contiguous(&claim, 2, vec![done("b")]).await;
    test.append(&claim, 1, &[done("a")]).await;
    test.is_not_contiguous(&claim, 3, vec![done("c")]).await;
    assert_eq!(test.events("order-1").await, [done("a")]);
}

pub async fn an_append_at_zero_is_refused<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.is_not_contiguous(&claim, 0, vec![done("a")]).await;
    assert_eq!(test.events("order-1").await, []);
}

pub async fn an_append_to_nothing_is_fenced<F: Factory>(test: Fixture<F>) {
    let nothing = Claim {
        id: id("order-1"),
        epoch: 1,
    };
    test.is_fenced(&nothing, 1).await;
}

pub async fn an_append_under_an_older_epoch_is_fenced<F: Factory>(test: Fixture<F>) {
    let older = test.started_by(&silent("a"), "order-1").await;
    let newer = test.claim_only(&lease("b")).await;
    test.is_fenced(&older, 1).await;
    test.append(&newer.claim, 1, &[done("a")]).await;
    test.is_fenced(&older, 2).await;
    // Not even a repetition of the recorded entry: this worker has not appended it.
    test.is_fenced(&older, 1).await;
    assert_eq!(test.events("order-1").await, [done("a")]);
}

pub async fn an_append_under_a_later_epoch_is_fenced<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    let later = Claim {
        epoch: claim.epoch + 1,
        ..claim
    };
    test.is_fenced(&later, 1).await;
}

pub async fn an_append_after_a_release_is_fenced<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.release(&claim, false).await;
    test.is_fenced(&claim, 1).await;
}

pub async fn an_append_after_the_end_is_fenced<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[completed()]).await;
    test.is_fenced(&claim, 2).await;
    let claim = test.started("order-2").await;
    test.append(&claim, 1, &[compensating(), Event::Compensated])
        .await;
    test.is_fenced(&claim, 3).await;
}

pub async fn an_append_after_it_is_stuck_is_fenced<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    test.append(&claim, 1, &[stuck()]).await;
    test.is_fenced(&claim, 2).await;
}

pub async fn entries_of_sagas_do_not_mix<F: Factory>(test: Fixture<F>) {
    let one = test.started("order-1").await;
    let other = test.started("order-2").await;
    test.append(&one, 1, &[done("a")]).await;
    test.append(&other, 1, &[done("b")]).await;
    test.append(&one, 2, &[done("c")]).await;
    assert_eq!(test.events("order-1").await, [done("a"), done("c")]);
    assert_eq!(test.events("order-2").await, [done("b")]);
}

pub async fn many_sagas_can_be_written_at_once<F: Factory>(test: Fixture<F>) {
    let run = async |saga: usize| {
        let saga = format!("order-{saga}");
        let claim = test.started(&saga).await;
        test.append(&claim, 1, &[done("a")]).await;
        test.append(&claim, 2, &[done("b"), completed()]).await;
        assert_eq!(test.events(&saga).await.len(), 3);
    };
    join_all((0..200).map(run)).await;
}

pub async fn a_payload_of_a_mebibyte_comes_back<F: Factory>(test: Fixture<F>) {
    let claim = test.started("order-1").await;
    let large = Event::StepDone {
        step: call("a"),
        attempts: 1,
        output: format!("\"{}\"", "é".repeat(512 * 1024)),
        inputs: None,
    };
    test.append(&claim, 1, std::slice::from_ref(&large)).await;
    assert_eq!(test.events("order-1").await, [large]);
}
