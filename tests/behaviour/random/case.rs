//! The random choices: the branches, the answers, the options, and the moment of a cancellation.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any};
use proptest::sample::select;
use proptest::strategy::Union;

use super::errand::{Detour, Route, Turn};
use crate::participant::Answer;

#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) options: Options,
    pub(super) route: Route,
    /// The answers by key, each list once.
    pub(super) answers: Vec<(String, Vec<Answer>)>,
    pub(super) cancels_at: Option<(String, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Options {
    Default,
    Halt,
    Parallel,
}

const STEPS: [&str; 6] = ["plain", "asked", "resolved", "peek", "commit", "thank"];

pub(super) fn case() -> impl Strategy<Value = Case> {
    let options = select(vec![Options::Default, Options::Halt, Options::Parallel]);
    let cancels_at = (select(STEPS.to_vec()), 1..4_usize);
    let cancels_at = option::weighted(0.3, cancels_at.prop_map(|(what, at)| (what.to_owned(), at)));
    let answers = vec(answers(), 0..7);
    let parts = (options, route(), answers, cancels_at);
    parts.prop_map(|(options, route, answers, cancels_at)| Case {
        options,
        route,
        answers,
        cancels_at,
    })
}

fn route() -> impl Strategy<Value = Route> {
    let turn = Union::new_weighted(vec![
        (4, Just(Turn::Straight).boxed()),
        (4, select(vec![Turn::Left, Turn::Right]).boxed()),
        (
            2,
            select(vec![Turn::Objects, Turn::Stumbles, Turn::Stops]).boxed(),
        ),
    ]);
    let late = (any::<bool>(), 0..3_u32, proptest::bool::weighted(0.2));
    let detour = select(vec![Detour::None, Detour::Short, Detour::Long]);
    (detour, turn, late).prop_map(|(detour, turn, (commits, thanks, stumbles))| Route {
        detour,
        turn,
        commits,
        thanks,
        stumbles,
    })
}

/// A key and how its requests are answered: some failures in a row, perhaps of another kind then.
fn answers() -> impl Strategy<Value = (String, Vec<Answer>)> {
    let step = select(STEPS.to_vec());
    let occurrence = Union::new_weighted(vec![(3, Just(0).boxed()), (1, (0..3).boxed())]);
    let bursts = vec((any_answer(), 1..7_usize), 1..3);
    (step, occurrence, proptest::bool::weighted(0.4), bursts).prop_map(
        |(step, occurrence, undoing, bursts)| {
            let answers = bursts
                .into_iter()
                .flat_map(|(answer, count)| vec![possible(step, undoing, answer); count])
                .collect();
            let role = if undoing { "/compensation" } else { "" };
            (format!("saga/{step}/{occurrence}{role}"), answers)
        },
    )
}

fn any_answer() -> impl Strategy<Value = Answer> {
    select(vec![
        Answer::Done,
        Answer::Refused,
        Answer::Refused,
        Answer::Busy,
        Answer::Unclear,
        Answer::UnclearButDone,
        Answer::Silent,
        Answer::SilentButDone,
        Answer::Panics,
        Answer::PanicsButDone,
    ])
}

/// `plain` has no timeouts, so it always answers, and knows no doubt, so its errors are true.
fn possible(step: &str, undoing: bool, answer: Answer) -> Answer {
    match answer {
        Answer::Silent if step == "plain" => Answer::Panics,
        Answer::SilentButDone if step == "plain" => Answer::PanicsButDone,
        Answer::Unclear | Answer::UnclearButDone if step == "plain" && !undoing => Answer::Refused,
        possible => possible,
    }
}
