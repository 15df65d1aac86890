//! The decision after an attempt: pure functions, so that a table can test them. Waiting and running happen elsewhere.

use crate::meta::{Kind, StepMeta};
use crate::panic::caught;

/// The end of an attempt, as far as the decision depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The step is done.
    Done,
    /// Nothing has happened.
    Refused {
        /// True if another attempt may help.
        transient: bool,
    },
    /// Something may have happened, or not.
    InDoubt {
        /// True if another attempt may help.
        transient: bool,
    },
}

impl Verdict {
    /// The verdict on an attempt that took too long or panicked.
    pub const NONE: Self = Self::InDoubt { transient: true };

    /// The verdict on an error. The predicates say if another attempt may help, and if something may have happened.
    #[inline]
    pub(crate) fn from_error<E>(
        error: &E,
        is_transient: fn(&E) -> bool,
        is_in_doubt: fn(&E) -> bool,
    ) -> Self {
        let transient = says(is_transient, error, false);
        if says(is_in_doubt, error, true) {
            Self::InDoubt { transient }
        } else {
            Self::Refused { transient }
        }
    }

    /// Returns true if this answer to a first attempt settles a step: nothing has happened, and no retry follows.
    #[inline]
    pub(crate) fn is_definite(self, step: &StepMeta) -> bool {
        let attempts_left = step.forward_retry().max_attempts() != Some(1);
        after_attempt(step.kind, self, attempts_left) == AfterAttempt::Refuse
    }
}

/// Asks a predicate about an error. Returns `otherwise` if the predicate panics, so that a panic never counts as good
/// news.
#[inline]
fn says<E>(predicate: fn(&E) -> bool, error: &E, otherwise: bool) -> bool {
    caught(|| predicate(error)).unwrap_or(otherwise)
}

/// The next thing to do after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterAttempt {
    /// The step is done: go on with its output.
    Proceed,
    /// Wait, then attempt it again under the same key.
    Again,
    /// The step is refused: none of it needs compensation.
    Refuse,
    /// Find out, or resolve, the possible effect of the attempts.
    Settle,
}

/// Decides what follows `answer` of a step of this kind. `attempts_left`: its retry policy allows another attempt.
pub(crate) fn after_attempt(kind: Kind, answer: Verdict, attempts_left: bool) -> AfterAttempt {
    match (answer, kind) {
        (Verdict::Done, _) => AfterAttempt::Proceed,
        (_, Kind::Retriable) => AfterAttempt::Again,
        (Verdict::Refused { transient: true } | Verdict::InDoubt { transient: true }, _)
            if attempts_left =>
        {
            AfterAttempt::Again
        }
        (Verdict::Refused { .. }, _) => AfterAttempt::Refuse,
        (Verdict::InDoubt { .. }, _) => AfterAttempt::Settle,
    }
}

/// The plan for a step in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DoubtPlan {
    /// Its resolver removes any effect that it may have had.
    Resolve,
    /// The step is asked again under the same key until the answer is definite.
    AskAgain,
    /// An effect, if there is one, needs no compensation.
    Leave,
}

/// Plans how a step of this kind is settled after an attempt without a definite answer.
pub(crate) fn doubt_plan(kind: Kind, has_resolver: bool, last: AfterAttempt) -> DoubtPlan {
    match kind {
        Kind::Compensatable if has_resolver => DoubtPlan::Resolve,
        // A refusal after an attempt in doubt is believed: a participant's answer per key is final.
        Kind::Compensatable | Kind::Pivot if last == AfterAttempt::Settle => DoubtPlan::AskAgain,
        Kind::Compensatable | Kind::Pivot | Kind::NothingToUndo | Kind::Retriable => {
            DoubtPlan::Leave
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::RetryPolicy;

    #[test]
    fn what_follows_an_attempt() {
        let refused = |transient| Verdict::Refused { transient };
        let in_doubt = |transient| Verdict::InDoubt { transient };
        for kind in Kind::ALL {
            let forever = kind == Kind::Retriable;
            let or_again = |next| if forever { AfterAttempt::Again } else { next };
            for (answer, left, next) in [
                (Verdict::Done, true, AfterAttempt::Proceed),
                (Verdict::Done, false, AfterAttempt::Proceed),
                (refused(true), true, AfterAttempt::Again),
                (refused(true), false, or_again(AfterAttempt::Refuse)),
                (refused(false), true, or_again(AfterAttempt::Refuse)),
                (refused(false), false, or_again(AfterAttempt::Refuse)),
                (in_doubt(true), true, AfterAttempt::Again),
                (in_doubt(true), false, or_again(AfterAttempt::Settle)),
                (in_doubt(false), true, or_again(AfterAttempt::Settle)),
                (in_doubt(false), false, or_again(AfterAttempt::Settle)),
            ] {
                assert_eq!(
                    after_attempt(kind, answer, left),
                    next,
                    "{kind:?} {answer:?} left: {left}"
                );
            }
        }
    }

    #[test]
    fn how_doubt_is_settled() {
        use DoubtPlan::{AskAgain, Leave, Resolve};
        for (kind, has_resolver, last, expected) in [
            (Kind::Compensatable, true, AfterAttempt::Settle, Resolve),
            (Kind::Compensatable, true, AfterAttempt::Refuse, Resolve),
            (Kind::Compensatable, false, AfterAttempt::Settle, AskAgain),
            (Kind::Compensatable, false, AfterAttempt::Refuse, Leave),
            (Kind::NothingToUndo, false, AfterAttempt::Settle, Leave),
            (Kind::Pivot, false, AfterAttempt::Settle, AskAgain),
            (Kind::Pivot, false, AfterAttempt::Refuse, Leave),
        ] {
            assert_eq!(
                doubt_plan(kind, has_resolver, last),
                expected,
                "{kind:?} {has_resolver} {last:?}"
            );
        }
    }

    #[test]
    fn a_first_answer_settles_a_step_if_it_is_a_refusal_and_no_retry_follows() {
        const ONCE: StepMeta = StepMeta::new("step", Kind::Compensatable);
        const TWICE: StepMeta = ONCE.retry(RetryPolicy::attempts(2));
        const RETRIABLE: StepMeta = StepMeta::new("step", Kind::Retriable);
        for (step, answer, expected) in [
            (ONCE, Verdict::Refused { transient: false }, true),
            (ONCE, Verdict::Refused { transient: true }, true),
            (TWICE, Verdict::Refused { transient: false }, true),
            (TWICE, Verdict::Refused { transient: true }, false),
            (RETRIABLE, Verdict::Refused { transient: false }, false),
            (ONCE, Verdict::InDoubt { transient: false }, false),
            (ONCE, Verdict::Done, false),
        ] {
            let text = format!("{step:?} {answer:?}");
            assert_eq!(answer.is_definite(&step), expected, "{text}");
        }
    }

    #[test]
    fn a_predicate_that_panics_is_no_good_news() {
        type Predicate = fn(&()) -> bool;
        let (yes, no, panics): (Predicate, Predicate, Predicate) =
            (|()| true, |()| false, |()| panic!("no text"));
        for (is_transient, is_in_doubt, expected) in [
            (yes, no, Verdict::Refused { transient: true }),
            (no, no, Verdict::Refused { transient: false }),
            (yes, yes, Verdict::InDoubt { transient: true }),
            (no, yes, Verdict::InDoubt { transient: false }),
            (panics, panics, Verdict::InDoubt { transient: false }),
        ] {
            let verdict = Verdict::from_error(&(), is_transient, is_in_doubt);
            assert_eq!(verdict, expected);
        }
    }
}
