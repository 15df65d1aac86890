//! The behaviours of lists and counts that look for trouble.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::journal::{
    AttemptPhase, ClaimedOne, Entry, Event, Filter, Journal, NewSaga, Reason, Record, State,
    TroubleFilter, Wakeup,
};
use crate::testing::fixture::{Factory, Fixture, call, completed, done, id, lease, new};

impl<F: Factory> Fixture<F> {
    async fn in_trouble(&self, filter: &Filter) -> Vec<String> {
        let mut listed = Vec::new();
        let mut filter = filter.clone().limit(2);
        loop {
            let page = self.journal.list(&filter).await.expect("the journal works");
            let ids = page.sagas.iter().map(|one| one.saga.id.as_str().to_owned());
            listed.extend(ids);
            match page.next {
                Some(next) => filter = filter.after(next),
                None => break,
            }
        }
        let counted = self.journal.count(&filter_of_all(&filter)).await;
        assert_eq!(
            counted.expect("the journal works"),
            listed.len() as u64,
            "{filter:?}"
        );
        listed.sort();
        listed
    }

    /// Sagas with and without trouble.
    async fn troubles(&self) {
        let undone =
            |step: Option<&'static str>, code: &'static str, text: &str| Event::Compensating {
                step: step.map(Into::into),
                reason: Reason::new(code, text),
            };
        let failing = |name: &'static str, code: &'static str, text: &str| Event::Failing {
            step: call(name),
            phase: AttemptPhase::Forward,
            attempts: 3,
            earlier: 0,
            in_doubt: false,
            reason: Reason::new(code, text),
            since: SystemTime::UNIX_EPOCH + Duration::from_secs(1),
            until: SystemTime::UNIX_EPOCH + Duration::from_secs(2),
        };
        let stuck = |text: &str| Event::Stuck {
            reason: Reason::new("compensation_failed", text),
        };
        let histories: [(&str, Vec<Event>); 8] = [
            ("fine", vec![done("charge"), completed()]),
            (
                "failing",
                vec![done("a"), failing("charge", "error", "The service is DOWN")],
            ),
            (
                "over",
                vec![
                    failing("charge", "error", "down"),
                    done("charge"),
                    completed(),
                ],
            ),
            (
                "undone",
                vec![
                    undone(Some("charge#1"), "error", "no courier"),
                    Event::Compensated,
                ],
            ),
            (
                "by_body",
                vec![
                    undone(None, "cancelled", "100 % of _ \\ it"),
                    Event::Compensated,
                ],
            ),
            (
                "other",
                vec![
                    undone(Some("charged"), "timed_out", "Kein Café"),
                    Event::Compensated,
                ],
            ),
            (
                "stuck",
                vec![
                    done("pack/charge"),
                    undone(Some("ship"), "error", "sunk"),
                    stuck("It is Broken"),
                ],
            ),
            (
                "once_stuck",
                vec![
                    undone(Some("ship"), "error", "late"),
                    stuck("gone"),
                    Event::Compensated,
                ],
            ),
        ];
        for (saga, events) in histories {
            let claim = self.started(saga).await;
            for (number, event) in (1..).zip(events) {
                // What follows a stuck saga is an operator's.
                if number > 1 && self.state_of(saga).await == State::Stuck {
                    let claimed = self.claim_one(&lease("a"), saga).await;
                    let ClaimedOne::Claimed(claimed) = claimed else {
                        panic!("{claimed:?}")
                    };
                    self.append(&claimed.claim, number, &[event]).await;
                } else {
                    self.append(&claim, number, &[event]).await;
                }
            }
            if saga == "failing" {
                self.rest(&claim, false, Wakeup::WhenCalled).await;
            }
        }
        self.waiting(NewSaga {
            version: 2,
            ..new("new")
        })
        .await;
    }

    async fn state_of(&self, saga: &str) -> State {
        let record = self.journal.record(&id(saga)).await;
        record
            .expect("the journal works")
            .map_or(State::Waiting, |record| record.state)
    }
}

fn filter_of_all(page: &Filter) -> Filter {
    let mut filter = page.clone();
    filter.after = None;
    filter
}

fn trouble(step: Option<&str>, code: Option<&str>, text: Option<&str>) -> TroubleFilter {
    TroubleFilter {
        step: step.map(ToOwned::to_owned),
        code: code.map(ToOwned::to_owned),
        text: text.map(ToOwned::to_owned),
    }
}

pub async fn a_list_is_filtered_by_trouble<F: Factory>(test: Fixture<F>) {
    test.troubles().await;
    let told = |filter: TroubleFilter| {
        let test = &test;
        async move { test.in_trouble(&Filter::default().trouble(filter)).await }
    };
    let step = |step| trouble(Some(step), None, None);
    assert_eq!(told(step("charge")).await, ["failing", "over", "undone"]);
    assert_eq!(told(step("pack/charge")).await, ["stuck"]);
    assert_eq!(told(step("ship")).await, ["once_stuck", "stuck"]);
    let code = |code| trouble(None, Some(code), None);
    assert_eq!(told(code("compensation_failed")).await, ["stuck"]);
    assert_eq!(told(code("timed_out")).await, ["other"]);
    let says = |text| trouble(None, None, Some(text));
    assert_eq!(told(says("DOWN")).await, ["failing", "over"]);
    assert_eq!(told(says("is broken")).await, ["stuck"]);
    assert_eq!(told(says("100 % of _ \\")).await, ["by_body"]);
    assert_eq!(told(says("100 _ of")).await, [""; 0]);
    assert_eq!(told(says("café")).await.len(), 7, "each one in trouble");
    let both = trouble(Some("charge"), Some("error"), Some("courier"));
    assert_eq!(told(both).await, ["undone"]);
}

/// The entries themselves tell which sagas each filter means.
pub async fn trouble_is_what_the_entries_tell<F: Factory>(test: Fixture<F>) {
    test.troubles().await;
    let test = test.reopened().await;
    let all = test.journal.list(&Filter::default()).await;
    let mut histories = Vec::new();
    for record in all.expect("the journal works").sagas {
        let history = test.journal.load(&record.saga.id).await;
        let history = history.expect("the journal works").expect("it is there");
        histories.push((record, history.entries.expect("it can be read")));
    }
    let states = [
        None,
        Some(State::Stuck),
        Some(State::Compensated),
        Some(State::Waiting),
    ];
    let steps = [
        None,
        Some("charge"),
        Some("charge#1"),
        Some("ship"),
        Some("charged"),
        Some("%"),
    ];
    let codes = [
        None,
        Some("error"),
        Some("compensation_failed"),
        Some("cancelled"),
        Some(""),
    ];
    let texts = [
        None,
        Some("down"),
        Some("O"),
        Some(""),
        Some("Ü"),
        Some("'"),
    ];
    for state in states {
        for (step, code, text) in steps.into_iter().flat_map(|step| {
            codes
                .into_iter()
                .flat_map(move |code| texts.map(|text| (step, code, text)))
        }) {
            let trouble = trouble(step, code, text);
            let is_meant = |record: &Record, entries: &[Entry]| {
                state.is_none_or(|state| state == record.state)
                    && trouble.admits(record.state, entries)
            };
            let meant = histories
                .iter()
                .filter(|(one, entries)| is_meant(one, entries));
            let mut expected: Vec<_> = meant
                .map(|(one, _)| one.saga.id.as_str().to_owned())
                .collect();
            expected.sort();
            let mut filter = Filter::default().trouble(trouble.clone());
            filter.state = state;
            assert_eq!(test.in_trouble(&filter).await, expected, "{filter:?}");
        }
    }
}

pub async fn a_list_that_looks_for_trouble_tells_the_reason<F: Factory>(test: Fixture<F>) {
    test.troubles().await;
    let all = trouble(None, None, Some(""));
    let listed = test.journal.list(&Filter::default().trouble(all)).await;
    let told = listed
        .expect("the journal works")
        .sagas
        .into_iter()
        .map(|record| {
            let id = record.saga.id.as_str().to_owned();
            let told = record
                .setback
                .map(|setback| (setback.reason.message, setback.call));
            (id, (told, record.failing.len()))
        });
    let told: BTreeMap<_, _> = told.collect();
    let told_of = |saga: &str| {
        let (setback, failing) = &told[saga];
        let setback = setback.as_ref();
        (
            setback.map(|(message, call)| (message.as_str(), call.as_deref())),
            *failing,
        )
    };
    for (saga, setback, failing) in [
        ("undone", Some(("no courier", Some("charge#1"))), 0),
        ("by_body", Some(("100 % of _ \\ it", None)), 0),
        ("stuck", Some(("It is Broken", None)), 0),
        ("once_stuck", Some(("late", Some("ship"))), 0),
        ("failing", None, 1),
    ] {
        assert_eq!(told_of(saga), (setback, failing), "{saga}");
    }
}

pub async fn sagas_are_counted_by_each_part_of_a_filter<F: Factory>(test: Fixture<F>) {
    test.troubles().await;
    let all = Filter::default;
    let later = SystemTime::now() + Duration::from_secs(1);
    for (filter, expected) in [
        (all(), 9),
        (all().state(State::Waiting), 2),
        (all().state(State::Stuck), 1),
        (all().state(State::Completed), 2),
        (all().state(State::Compensated), 4),
        (all().name("order"), 9),
        (all().name("another"), 0),
        (all().version(2), 1),
        (all().id_prefix("o"), 3),
        (all().started_before(later), 9),
        (all().started_from(later), 0),
        (all().failing(), 1),
        (all().failing_step("charge").state(State::Stuck), 0),
    ] {
        let counted = test.journal.count(&filter).await;
        assert_eq!(counted.expect("the journal works"), expected, "{filter:?}");
        assert_eq!(
            test.in_trouble(&filter).await.len() as u64,
            expected,
            "{filter:?}"
        );
    }
}
