//! Every way a step can end, as tables: the commands for one script of answers.

use super::*;
use crate::meta::RetryPolicy;

const TWICE: RetryPolicy = RetryPolicy::attempts(2);

const COMPENSATABLE: &StepMeta = &StepMeta::new("step", Kind::Compensatable).retry(TWICE);
const WITH_RESOLVER: &StepMeta = &COMPENSATABLE.resolver("cancel");
const ONCE: &StepMeta = &StepMeta::new("step", Kind::Compensatable);
const ONCE_WITH_RESOLVER: &StepMeta = &ONCE.resolver("cancel");
const NOTHING_TO_UNDO: &StepMeta = &StepMeta::new("step", Kind::NothingToUndo).retry(TWICE);
const PIVOT: &StepMeta = &StepMeta::new("step", Kind::Pivot).retry(TWICE);
const RETRIABLE: &StepMeta = &StepMeta::new("step", Kind::Retriable);

/// One answer of the world to a command.
#[derive(Debug)]
enum Says {
    /// The attempt ends like this.
    Answer(Verdict),
    /// The attempt ends like this, and an earlier process may have made it.
    Repeated(Verdict),
    /// The saga is cancelled before the attempt is made.
    NotMade,
    /// The saga is cancelled, and the answer to the attempt is lost.
    Lost,
    /// The saga is cancelled during the wait.
    Cancelled,
    /// The resolver ends.
    Resolver(Result<(), CompensationFailure>),
}

use Says::{Answer, Cancelled, Lost, NotMade, Repeated, Resolver};

const DONE: Says = Answer(Verdict::Done);
const REFUSED: Says = Answer(Verdict::Refused { transient: false });
const BUSY: Says = Answer(Verdict::Refused { transient: true });
/// A timeout, a panic, or an error that leaves open if something has happened, after which another attempt may help.
const OPEN: Says = Answer(Verdict::NONE);
/// An error that leaves open if something has happened, after which another attempt does not help.
const OPEN_FOR_GOOD: Says = Answer(Verdict::InDoubt { transient: false });

fn report(outcome: AttemptOutcome, is_repeated: bool) -> AttemptReport {
    AttemptReport {
        outcome,
        is_repeated,
    }
}

/// The commands for a step that is pursued from `origin`, while the world says this.
fn commands(step: &'static StepMeta, origin: Origin, says: &[Says]) -> String {
    let mut says = says.iter().peekable();
    let mut commands = Vec::new();
    let (mut pursuit, mut command) =
        Pursuit::start(Cow::Borrowed(step), RetryDefaults::IN_PROCESS, origin);
    let cancelled = AttemptOutcome::Interrupted(Interruption::Cancelled);
    let end = loop {
        command = match command {
            Command::Attempt { number, purpose } => {
                commands.push(match purpose {
                    Purpose::Forward => format!("attempt {number}"),
                    Purpose::Settling => format!("ask {number}"),
                });
                assert_eq!(pursuit.attempts(), number);
                pursuit.heard(match says.next() {
                    Some(Answer(answer)) => report(AttemptOutcome::Verdict(*answer), false),
                    Some(Repeated(answer)) => report(AttemptOutcome::Verdict(*answer), true),
                    Some(NotMade) => report(cancelled, false),
                    Some(Lost) => report(cancelled, true),
                    other => panic!("{commands:?} is answered by {other:?}"),
                })
            }
            Command::Wait(_) => {
                commands.push("wait".to_owned());
                let cancelled = says.next_if(|says| matches!(says, Cancelled));
                pursuit.waited(cancelled.map(|_| Interruption::Cancelled))
            }
            Command::Pause(_) => {
                commands.push("pause".to_owned());
                pursuit.paused()
            }
            Command::InDoubt { is_final } => {
                commands.push(if is_final { "record doubt" } else { "doubt" }.to_owned());
                pursuit.settle()
            }
            Command::Exhausted => {
                commands.push("exhausted".to_owned());
                pursuit.persist()
            }
            Command::Resolve => {
                commands.push("resolve".to_owned());
                match says.next() {
                    Some(Resolver(resolved)) => Pursuit::resolved(resolved.clone()),
                    other => panic!("{commands:?} is answered by {other:?}"),
                }
            }
            Command::End(end) => break end,
        }
    };
    assert!(says.next().is_none(), "{commands:?} does not hear it all");
    commands.push(match end {
        PursuitEnd::Done => "done".to_owned(),
        PursuitEnd::Refused => "refused".to_owned(),
        PursuitEnd::Stopped(settlement) => format!("stopped: {settlement:?}"),
        PursuitEnd::Unanswered => "unanswered".to_owned(),
    });
    commands.join(", ")
}

fn assert_table(rows: &[(&'static StepMeta, Origin, &[Says], &str)]) {
    for (step, origin, says, expected) in rows {
        let row = format!("{} {origin:?} {says:?}", step.kind);
        assert_eq!(commands(step, *origin, says), *expected, "{row}");
    }
}

const REQUEST: Origin = Origin::Request;

#[test]
fn a_step_that_is_done_goes_forward() {
    let every_kind = [
        COMPENSATABLE,
        WITH_RESOLVER,
        NOTHING_TO_UNDO,
        PIVOT,
        RETRIABLE,
    ];
    for step in every_kind {
        assert_table(&[
            (step, REQUEST, &[DONE], "attempt 1, done"),
            (step, Origin::after_first(Verdict::Done), &[], "done"),
            (
                step,
                Origin::InDoubt { attempts: 0 },
                &[DONE],
                "attempt 1, done",
            ),
            (
                step,
                REQUEST,
                &[BUSY, DONE],
                "attempt 1, wait, attempt 2, done",
            ),
            (
                step,
                REQUEST,
                &[OPEN, DONE],
                "attempt 1, wait, attempt 2, done",
            ),
        ]);
    }
}

#[test]
fn a_refusal_is_final_unless_another_attempt_may_help() {
    for step in [COMPENSATABLE, WITH_RESOLVER, NOTHING_TO_UNDO, PIVOT] {
        assert_table(&[
            (step, REQUEST, &[REFUSED], "attempt 1, refused"),
            (
                step,
                REQUEST,
                &[BUSY, BUSY],
                "attempt 1, wait, attempt 2, refused",
            ),
            (
                step,
                Origin::after_first(Verdict::Refused { transient: true }),
                &[REFUSED],
                "wait, attempt 2, refused",
            ),
        ]);
    }
    assert_table(&[(ONCE, REQUEST, &[BUSY], "attempt 1, refused")]);
}

#[test]
fn a_retriable_step_is_attempted_until_it_is_done() {
    assert_table(&[(
        RETRIABLE,
        REQUEST,
        &[REFUSED, OPEN, OPEN_FOR_GOOD, BUSY, DONE],
        "attempt 1, wait, attempt 2, wait, attempt 3, wait, attempt 4, wait, attempt 5, done",
    )]);
}

#[test]
fn a_step_in_doubt_is_resolved_if_it_has_a_resolver() {
    let failure = || CompensationFailure::new(5, "down".to_owned());
    assert_table(&[
        (
            ONCE_WITH_RESOLVER,
            REQUEST,
            &[OPEN, Resolver(Ok(()))],
            "attempt 1, record doubt, resolve, stopped: Resolved",
        ),
        (
            WITH_RESOLVER,
            REQUEST,
            &[OPEN_FOR_GOOD, Resolver(Ok(()))],
            "attempt 1, record doubt, resolve, stopped: Resolved",
        ),
        (
            WITH_RESOLVER,
            REQUEST,
            &[OPEN, OPEN, Resolver(Err(failure()))],
            "attempt 1, wait, attempt 2, record doubt, resolve, stopped: Unresolved(CompensationFailure { attempts: 5, message: \
             \"down\" })",
        ),
        // The first attempt may have an effect later, whatever the second one says.
        (
            WITH_RESOLVER,
            REQUEST,
            &[OPEN, REFUSED, Resolver(Ok(()))],
            "attempt 1, wait, attempt 2, record doubt, resolve, stopped: Resolved",
        ),
    ]);
}

#[test]
fn a_step_in_doubt_without_a_resolver_is_asked_again_until_the_answer_is_definite() {
    assert_table(&[
        (
            ONCE,
            REQUEST,
            &[OPEN, OPEN, DONE],
            "attempt 1, record doubt, ask 2, pause, ask 3, stopped: Done",
        ),
        (
            COMPENSATABLE,
            REQUEST,
            &[OPEN_FOR_GOOD, BUSY],
            "attempt 1, record doubt, ask 2, stopped: Nothing",
        ),
        (
            COMPENSATABLE,
            REQUEST,
            &[OPEN, OPEN, OPEN, OPEN_FOR_GOOD],
            "attempt 1, wait, attempt 2, record doubt, ask 3, pause, ask 4, unanswered",
        ),
        // An interruption is no answer.
        (
            COMPENSATABLE,
            REQUEST,
            &[OPEN_FOR_GOOD, Lost, NotMade],
            "attempt 1, record doubt, ask 2, pause, ask 3, unanswered",
        ),
        // Without a resolver, a refusal after an attempt in doubt is believed.
        (
            COMPENSATABLE,
            REQUEST,
            &[OPEN, REFUSED],
            "attempt 1, wait, attempt 2, refused",
        ),
    ]);
}

#[test]
fn a_step_with_nothing_to_undo_is_not_settled() {
    assert_table(&[
        (
            NOTHING_TO_UNDO,
            REQUEST,
            &[OPEN_FOR_GOOD],
            "attempt 1, stopped: Nothing",
        ),
        (
            NOTHING_TO_UNDO,
            REQUEST,
            &[OPEN, OPEN],
            "attempt 1, wait, attempt 2, stopped: Nothing",
        ),
    ]);
}

#[test]
fn a_pivot_in_doubt_is_asked_again_and_goes_forward_if_it_was_done() {
    assert_table(&[
        (
            PIVOT,
            REQUEST,
            &[OPEN_FOR_GOOD, DONE],
            "attempt 1, doubt, ask 2, done",
        ),
        (
            PIVOT,
            REQUEST,
            &[OPEN_FOR_GOOD, REFUSED],
            "attempt 1, doubt, ask 2, stopped: Nothing",
        ),
        (
            PIVOT,
            REQUEST,
            &[OPEN_FOR_GOOD, OPEN, OPEN],
            "attempt 1, doubt, ask 2, pause, ask 3, unanswered",
        ),
        (
            PIVOT,
            Origin::Interrupted(Interruption::Cancelled),
            &[DONE],
            "doubt, ask 1, done",
        ),
    ]);
}

#[test]
fn after_a_crash_the_step_runs_again_and_a_refusal_may_follow_an_effect() {
    assert_table(&[
        (
            WITH_RESOLVER,
            Origin::InDoubt { attempts: 0 },
            &[REFUSED, Resolver(Ok(()))],
            "attempt 1, record doubt, resolve, stopped: Resolved",
        ),
        (
            WITH_RESOLVER,
            REQUEST,
            &[
                Repeated(Verdict::Refused { transient: false }),
                Resolver(Ok(())),
            ],
            "attempt 1, record doubt, resolve, stopped: Resolved",
        ),
        (
            COMPENSATABLE,
            Origin::InDoubt { attempts: 0 },
            &[REFUSED],
            "attempt 1, refused",
        ),
        (
            NOTHING_TO_UNDO,
            Origin::InDoubt { attempts: 0 },
            &[REFUSED],
            "attempt 1, refused",
        ),
        (
            PIVOT,
            Origin::InDoubt { attempts: 0 },
            &[OPEN_FOR_GOOD, DONE],
            "attempt 1, doubt, ask 2, done",
        ),
    ]);
}

#[test]
fn an_interruption_leaves_the_last_answer() {
    assert_table(&[
        (
            COMPENSATABLE,
            REQUEST,
            &[BUSY, Cancelled],
            "attempt 1, wait, stopped: Nothing",
        ),
        (
            COMPENSATABLE,
            REQUEST,
            &[OPEN, Cancelled, DONE],
            "attempt 1, wait, record doubt, ask 2, stopped: Done",
        ),
        (
            WITH_RESOLVER,
            REQUEST,
            &[OPEN, Cancelled, Resolver(Ok(()))],
            "attempt 1, wait, record doubt, resolve, stopped: Resolved",
        ),
        (
            COMPENSATABLE,
            REQUEST,
            &[NotMade],
            "attempt 1, stopped: Nothing",
        ),
        (
            COMPENSATABLE,
            REQUEST,
            &[OPEN, NotMade, REFUSED],
            "attempt 1, wait, attempt 2, record doubt, ask 3, stopped: Nothing",
        ),
        (
            COMPENSATABLE,
            REQUEST,
            &[BUSY, Lost, DONE],
            "attempt 1, wait, attempt 2, record doubt, ask 3, stopped: Done",
        ),
        (
            WITH_RESOLVER,
            Origin::Interrupted(Interruption::DeadlineExceeded),
            &[Resolver(Ok(()))],
            "record doubt, resolve, stopped: Resolved",
        ),
        (
            COMPENSATABLE,
            Origin::Interrupted(Interruption::Cancelled),
            &[DONE],
            "record doubt, ask 1, stopped: Done",
        ),
        (
            NOTHING_TO_UNDO,
            Origin::Interrupted(Interruption::Cancelled),
            &[],
            "stopped: Nothing",
        ),
    ]);
}

#[test]
fn a_step_that_was_given_up_is_only_settled() {
    let settling = |attempts| Origin::Settling {
        earlier: 0,
        attempts,
        left: None,
    };
    assert_table(&[
        (
            WITH_RESOLVER,
            settling(0),
            &[Resolver(Ok(()))],
            "doubt, resolve, stopped: Resolved",
        ),
        (
            COMPENSATABLE,
            settling(0),
            &[DONE],
            "doubt, ask 1, stopped: Done",
        ),
        (NOTHING_TO_UNDO, settling(0), &[], "stopped: Nothing"),
        (
            COMPENSATABLE,
            settling(1),
            &[REFUSED],
            "doubt, pause, ask 2, stopped: Nothing",
        ),
        (COMPENSATABLE, settling(2), &[], "doubt, unanswered"),
    ]);
}

#[test]
fn a_step_that_was_parked_goes_on_after_the_attempts_that_were_made() {
    let attempted = |attempts, transient, may_have_acted| Origin::Attempted {
        attempts,
        last: Verdict::Refused { transient },
        may_have_acted,
    };
    assert_table(&[
        (
            COMPENSATABLE,
            attempted(1, true, false),
            &[DONE],
            "wait, attempt 2, done",
        ),
        (COMPENSATABLE, attempted(2, true, false), &[], "refused"),
        (
            WITH_RESOLVER,
            attempted(2, true, true),
            &[Resolver(Ok(()))],
            "record doubt, resolve, stopped: Resolved",
        ),
        (
            RETRIABLE,
            attempted(1_000_000, false, true),
            &[DONE],
            "wait, attempt 1000001, done",
        ),
    ]);
}

#[test]
fn a_step_whose_saga_was_released_is_attempted_after_the_rest_of_the_wait() {
    let left = Duration::from_secs(3);
    let resumed = |attempts, may_have_acted| Origin::Resumed {
        attempts,
        may_have_acted,
        left,
    };
    assert_table(&[
        (
            COMPENSATABLE,
            resumed(1, false),
            &[DONE],
            "wait, attempt 2, done",
        ),
        (
            COMPENSATABLE,
            resumed(1, false),
            &[BUSY],
            "wait, attempt 2, refused",
        ),
        (
            COMPENSATABLE,
            resumed(1, false),
            &[Cancelled],
            "wait, stopped: Nothing",
        ),
        (
            COMPENSATABLE,
            resumed(1, true),
            &[Cancelled, DONE],
            "wait, record doubt, ask 2, stopped: Done",
        ),
        (
            WITH_RESOLVER,
            resumed(1, true),
            &[REFUSED, Resolver(Ok(()))],
            "wait, attempt 2, record doubt, resolve, stopped: Resolved",
        ),
        (
            COMPENSATABLE,
            resumed(9, false),
            &[DONE],
            "wait, attempt 10, done",
        ),
        (
            RETRIABLE,
            resumed(1_000_000, false),
            &[REFUSED, DONE],
            "wait, attempt 1000001, wait, attempt 1000002, done",
        ),
        (
            COMPENSATABLE,
            Origin::Settling {
                earlier: 3,
                attempts: 1,
                left: Some(left),
            },
            &[OPEN],
            "doubt, pause, ask 5, unanswered",
        ),
    ]);
    let (_, command) = Pursuit::start(
        Cow::Borrowed(COMPENSATABLE),
        RetryDefaults::IN_PROCESS,
        resumed(1, false),
    );
    assert_eq!(command, Command::Wait(left));
}

#[test]
fn attempts_of_an_earlier_process_count() {
    assert_table(&[
        (
            COMPENSATABLE,
            Origin::InDoubt { attempts: 1 },
            &[OPEN, OPEN, DONE],
            "attempt 2, wait, attempt 3, record doubt, ask 4, stopped: Done",
        ),
        (
            ONCE,
            Origin::InDoubt { attempts: 4 },
            &[DONE],
            "attempt 5, done",
        ),
    ]);
}

#[test]
fn the_reason_is_an_interruption_only_if_there_was_one() {
    let (mut pursuit, _) = Pursuit::start(
        Cow::Borrowed(COMPENSATABLE),
        RetryDefaults::IN_PROCESS,
        REQUEST,
    );
    pursuit.heard(AttemptReport::from(Verdict::NONE));
    assert_eq!(pursuit.interruption(), None);
    pursuit.waited(Some(Interruption::DeadlineExceeded));
    assert_eq!(pursuit.interruption(), Some(Interruption::DeadlineExceeded));
}

#[test]
fn a_retriable_step_with_a_limit_is_exhausted_and_may_go_on() {
    const LIMITED: &StepMeta = &StepMeta::new("step", Kind::Retriable).retry(
        RetryPolicy::UNTIL_SUCCESS
            .backoff(Duration::from_millis(4), Duration::from_millis(4))
            .give_up_after(Duration::from_millis(3)),
    );
    assert_table(&[(
        LIMITED,
        REQUEST,
        &[BUSY, OPEN, BUSY, DONE],
        "attempt 1, wait, attempt 2, exhausted, wait, attempt 3, exhausted, wait, attempt 4, done",
    )]);
}

#[test]
fn attempts_to_settle_a_step_are_counted_apart_from_those_before() {
    let wait = Duration::from_secs(1);
    for (attempts, earlier) in [(0, 3), (1, 3), (2, 3)] {
        let origin = Origin::Settling {
            earlier,
            attempts,
            left: Some(wait),
        };
        let (mut pursuit, _) = Pursuit::start(
            Cow::Borrowed(COMPENSATABLE),
            RetryDefaults::IN_PROCESS,
            origin,
        );
        pursuit.settle();
        let made = if attempts == 0 { 1 } else { attempts };
        let expected = Backoff {
            delay: wait,
            phase: AttemptPhase::Settling,
            attempts: earlier + made,
            earlier,
            may_have_acted: true,
        };
        assert_eq!(
            format!("{:?}", pursuit.backoff(wait)),
            format!("{expected:?}")
        );
    }
}

#[test]
fn a_record_with_the_most_attempts_is_read() {
    let most = u32::MAX;
    for origin in [
        Origin::Attempted {
            attempts: most,
            last: Verdict::Refused { transient: true },
            may_have_acted: true,
        },
        Origin::InDoubt { attempts: most },
        Origin::Settling {
            earlier: most,
            attempts: most,
            left: None,
        },
    ] {
        let (mut pursuit, _) = Pursuit::start(
            Cow::Borrowed(COMPENSATABLE),
            RetryDefaults::IN_PROCESS,
            origin,
        );
        pursuit.attempt();
        assert!(matches!(pursuit.attempt(), Command::Attempt { number, .. } if number == most));
        pursuit.settle();
    }
}
