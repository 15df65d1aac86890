//! Sagas of one to six steps that fail at every position in every manner. The requests, their order and the effects that are left
//! are compared with a plain `Vec`.

use std::time::Duration;

use saga_runtime::{Cause, Context, SagaError, saga, step};

use crate::capability::{Capability, lacks};
use crate::participant::{Answer, Effect, Participant, Refusal, act, undo};

macro_rules! steps {
    ($($step:ident undone by $undo:ident;)+) => {
        const STEPS: [&str; 6] = [$(stringify!($step)),+];
        $(
            #[step(compensate = $undo, timeout = "1s")]
            async fn $step(
                cx: Context<'_, Participant>,
                mut before: Vec<Effect>,
            ) -> Result<Vec<Effect>, Refusal> {
                before.push(act(cx, stringify!($step)).await?);
                Ok(before)
            }

            async fn $undo(cx: Context<'_, Participant>, done: &[Effect]) -> Result<(), Refusal> {
                undo(cx, stringify!($step), done.last().expect("the step's own effect")).await
            }
        )+
    };
}

steps! {
    one undone by undo_one;
    two undone by undo_two;
    three undone by undo_three;
    four undone by undo_four;
    five undone by undo_five;
    six undone by undo_six;
}

macro_rules! sagas {
    ($($saga:ident, $length:literal: $($step:ident)+;)+) => {
        $(saga!(
            async fn $saga(cx: Context<'_, Participant>) -> Result<Vec<Effect>, Refusal> {
                let done = Vec::new();
                $(let done = $step(cx, done).await?;)+
                Ok(done)
            }
        );)+
    };
}

sagas! {
    first, 1: one;
    first_two, 2: one two;
    first_three, 3: one two three;
    first_four, 4: one two three four;
    first_five, 5: one two three four five;
    first_six, 6: one two three four five six;
}

async fn run(length: usize, participant: &Participant) -> Result<Vec<Effect>, SagaError<Refusal>> {
    match length {
        1 => participant.run(First {}).await,
        2 => participant.run(FirstTwo {}).await,
        3 => participant.run(FirstThree {}).await,
        4 => participant.run(FirstFour {}).await,
        5 => participant.run(FirstFive {}).await,
        _ => participant.run(FirstSix {}).await,
    }
}

/// The manner in which a step fails.
struct Manner {
    answers: &'static [Answer],
    for_ever: Answer,
    /// The number of requests.
    asked: usize,
    /// The end of its compensation.
    undone: Undone,
    cause: fn(&str) -> Cause<Refusal>,
}

#[derive(PartialEq)]
enum Undone {
    NotNeeded,
    Done,
    Failed { attempts: u32 },
}

fn refused(step: &str) -> Cause<Refusal> {
    Cause::Error(Refusal::refused(step))
}

fn timed_out(_: &str) -> Cause<Refusal> {
    Cause::TimedOut {
        after: Duration::from_secs(1),
    }
}

fn panicked(step: &str) -> Cause<Refusal> {
    Cause::Panicked {
        message: format!("{step} broke"),
    }
}

/// Lets each position of each length fail in this manner, and compares everything with a plain `Vec`.
async fn at_every_position(manner: Manner) {
    for length in 1..=STEPS.len() {
        for failing in 0..length {
            let place = format!("length {length}, {} fails", STEPS[failing]);
            let step = STEPS[failing];
            let participant = Participant::new()
                .answers(step, manner.answers.iter().copied())
                .always(step, manner.for_ever);

            let error = run(length, &participant).await.expect_err(&place);

            let mut asked: Vec<String> = STEPS[..failing].iter().map(ToString::to_string).collect();
            asked.extend(vec![step.to_owned(); manner.asked]);
            let mut undone: Vec<_> = STEPS[..failing].iter().rev().copied().collect();
            if manner.undone == Undone::Done {
                undone.insert(0, step);
            }
            asked.extend(undone.iter().map(|step| format!("undo {step}")));
            assert_eq!(participant.asked(), asked, "{place}");
            assert_eq!(participant.left(), Vec::<String>::new(), "{place}");
            assert_eq!(error.step(), Some(step), "{place}");
            assert_eq!(*error.cause(), (manner.cause)(step), "{place}");

            let failed: Vec<_> = error
                .compensation_failures()
                .map(|(one, failure)| (&*one.step, failure.attempts))
                .collect();
            match manner.undone {
                Undone::NotNeeded | Undone::Done => assert_eq!(failed, [], "{place}"),
                Undone::Failed { attempts } => {
                    assert_eq!(failed, [(step, attempts)], "{place}");
                    undone.insert(0, step);
                }
            }
            assert_eq!(error.is_compensated(), failed.is_empty(), "{place}");
            let compensations: Vec<_> =
                error.compensations().iter().map(|one| &*one.step).collect();
            assert_eq!(compensations, undone, "{place}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_saga_of_any_length_asks_for_its_steps_in_order_and_undoes_nothing() {
    for length in 1..=STEPS.len() {
        let participant = Participant::new();
        let done = run(length, &participant).await.expect("nothing fails");
        let done: Vec<_> = done.iter().map(|effect| effect.what.as_str()).collect();
        assert_eq!(done, STEPS[..length]);
        assert_eq!(participant.asked(), STEPS[..length]);
        assert_eq!(participant.left(), STEPS[..length]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_step_is_not_undone_and_those_before_it_are_last_first() {
    at_every_position(Manner {
        answers: &[],
        for_ever: Answer::Refused,
        asked: 1,
        undone: Undone::NotNeeded,
        cause: refused,
    })
    .await;
}

/// The first request has this answer; the second one says that the step is done.
fn done_when_asked_again(first: &'static [Answer], cause: fn(&str) -> Cause<Refusal>) -> Manner {
    Manner {
        answers: first,
        for_ever: Answer::Done,
        asked: 2,
        undone: Undone::Done,
        cause,
    }
}

/// The first request has this answer; the second one is refused.
fn refused_when_asked_again(first: &'static [Answer]) -> Manner {
    Manner {
        answers: first,
        for_ever: Answer::Refused,
        asked: 2,
        undone: Undone::NotNeeded,
        cause: refused,
    }
}

/// Every request has this answer, and none of them is definite.
fn never_definite(answer: Answer, cause: fn(&str) -> Cause<Refusal>) -> Manner {
    Manner {
        answers: &[],
        for_ever: answer,
        asked: 6,
        undone: Undone::Failed { attempts: 6 },
        cause,
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_timed_out_but_was_done_is_undone_first() {
    at_every_position(done_when_asked_again(&[Answer::SilentButDone], timed_out)).await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_timed_out_and_was_not_done_is_done_when_it_is_asked_again_and_undone_first() {
    at_every_position(done_when_asked_again(&[Answer::Silent], timed_out)).await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_timed_out_and_then_refuses_is_not_undone() {
    at_every_position(refused_when_asked_again(&[Answer::Silent])).await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_never_answers_counts_as_a_failed_compensation_and_the_others_are_undone() {
    if lacks(Capability::TheClockOfTheTest) {
        return;
    }
    at_every_position(never_definite(Answer::Silent, timed_out)).await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_panicked_but_was_done_is_undone_first() {
    at_every_position(done_when_asked_again(&[Answer::PanicsButDone], panicked)).await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_panicked_and_then_refuses_is_not_undone() {
    at_every_position(refused_when_asked_again(&[Answer::Panics])).await;
}

#[tokio::test(start_paused = true)]
async fn a_step_that_always_panics_counts_as_a_failed_compensation_and_the_others_are_undone() {
    at_every_position(never_definite(Answer::Panics, panicked)).await;
}
